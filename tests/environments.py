"""Runs the quick part of the tests as many callers start them: `make test-environments [ARGS="NAME …"]`.

Each environment must let it pass, within a limit, and leave nothing running.
"""

import argparse
import fcntl
import os
import pty
import re
import signal
import subprocess
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tests.fakes.process import ending
from tests.own_daemon import own_daemon, why_no_daemon
from tests.run.leftovers import end_all, find_leftovers
from tests.run.limit import EXIT_OVERDUE

ROOT = Path(__file__).parents[1]

#: What touches signals, files, terminals, texts, sockets or processes, and one session's whole life.
QUICK = (
    "tests/cli",
    "tests/host",
    "tests/processes",
    "tests/watcher",
    "tests/simulator/test_process.py",
    "tests/store/test_database.py",
    "tests/test_config.py",
    "tests/test_logs.py",
    "tests/e2e/test_main_job.py::test_a_session_lives_its_whole_life_and_the_backend_hears_all_of_it",
)
#: It takes 40 s on an idle machine with 2 cores.
_LIMIT_S = 300.0
#: The run ends itself at its limit; this much later it is ended from outside.
_PATIENCE_S = 60.0
_SUMMARY = re.compile(r"^=* ?(\d+ .* in [0-9.]+s.*?) ?=*$", re.MULTILINE)

#: Not ours to answer for: a proxy that nobody listens on, settings that no daemon could use.
_PROXY = "http://127.0.0.1:9"
_SETTINGS = {
    "OPENWA_MANAGER_HOME": "/nonexistent",
    "OPENWA_MANAGER_LISTEN": "0.0.0.0:1",
    "OPENWA_MANAGER_ENGINE": "command",
    "OPENWA_API_KEY": "owm_of_somebody_else",
    "OPENWA_URL": "http://127.0.0.1:9",
    "WEBHOOK_URL": "http://127.0.0.1:9/",
    "WEBHOOK_SECRET": "short",
    "ENGINE_TYPE": "icq",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """How a caller starts the tests; `why_not` says why it cannot be tried here, None if it can."""

    name: str
    variables: Mapping[str, str] = field(default_factory=dict)
    ignored: frozenset[signal.Signals] = frozenset()
    blocked: frozenset[signal.Signals] = frozenset()
    umask: int = 0o022
    has_stdin: bool = True
    has_terminal: bool = False
    place_prefix: str = "ow"
    wrapper: tuple[str, ...] = ()
    beside: Callable[[], AbstractContextManager[Mapping[str, str]]] = lambda: nullcontext({})
    why_not: Callable[[], str | None] = lambda: None


_AS_SOMEBODY = ("unshare", "--user", "--map-user=65534", "--map-group=65534")


def _why_not_somebody() -> str | None:
    """Tell what keeps us from being a user without root's powers, who can still read what root has installed."""
    if os.geteuid() != 0:
        return "we are not root anyway"
    try:
        tried = subprocess.run((*_AS_SOMEBODY, "true"), capture_output=True, check=False, timeout=10)
    except OSError as error:
        return f"no user namespace: {error}"
    return tried.stderr.decode().strip() or "no user namespace" if tried.returncode else None


ENVIRONMENTS = (
    Environment(
        name="background",  # `nohup make test &` in a script
        ignored=frozenset({signal.SIGINT, signal.SIGQUIT, signal.SIGHUP}),
    ),
    Environment(
        name="deaf",
        ignored=frozenset(
            {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE, signal.SIGCHLD, signal.SIGUSR1}
        ),
        blocked=frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGALRM, signal.SIGCHLD}),
    ),
    Environment(name="no-stdin", has_stdin=False),
    Environment(name="terminal", has_terminal=True, variables={"COLUMNS": "20", "LINES": "3", "NO_COLOR": "1"}),
    Environment(
        name="locale-c",
        variables={"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"},
    ),
    Environment(name="umask-077", umask=0o077, variables={"LC_ALL": "POSIX"}),
    Environment(name="umask-000", umask=0),
    Environment(name="spaces", place_prefix="o w "),
    Environment(
        name="variables",
        variables=_SETTINGS
        | dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"), _PROXY),
    ),
    Environment(name="not-root", wrapper=_AS_SOMEBODY, why_not=_why_not_somebody),
    Environment(name="own-daemon", beside=own_daemon, why_not=why_no_daemon),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How it went; `output` is what the run said."""

    code: int
    seconds: float
    output: str

    @property
    def summary(self) -> str:
        """Return pytest's last words."""
        return found[-1] if (found := _SUMMARY.findall(self.output)) else f"ended with {self.code}"


def run_in(environment: Environment) -> Result:
    """Run the quick part, and end what it left."""
    began_s = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix=environment.place_prefix, dir="/tmp", ignore_cleanup_errors=True) as place,
        environment.beside() as variables,
        Path(place, "output").open("w+b") as output,
    ):
        environ = {**os.environ, "TMPDIR": place, **environment.variables, **variables}
        try:
            code = _run(environment, environ, Path(place, "t"), output.fileno())
        except subprocess.TimeoutExpired:
            code = EXIT_OVERDUE
        finally:
            left = end_all(find_leftovers(Path(place)))
        output.seek(0)
        said = output.read().decode(errors="replace").replace("\r", "")
    said += "".join(f"left running: {each}\n" for each in left)
    return Result(code=code or int(bool(left)), seconds=time.monotonic() - began_s, output=said)


def _run(environment: Environment, environ: Mapping[str, str], basetemp: Path, output: int) -> int:
    words = ["-m", "not slow", "-q", "--color=no", "--numprocesses=3", "--reruns=2", "-p", "no:cacheprovider"]
    words += [f"--run-limit={_LIMIT_S}"]
    argv = (*environment.wrapper, sys.executable, "-m", "pytest", *words, f"--basetemp={basetemp}", *QUICK)
    with _streams(environment, output) as (stdin, stdout):
        process = subprocess.Popen(
            argv,
            cwd=ROOT,
            env=environ,
            stdin=stdin,
            stdout=stdout,
            stderr=stdout,
            start_new_session=True,
            restore_signals=False,
            preexec_fn=partial(_prepare, environment),  # noqa: PLW1509 - no thread of ours holds a lock
        )
        with ending(process, _LIMIT_S + _PATIENCE_S):
            pass
        return process.returncode


def _prepare(environment: Environment) -> None:
    """Become what the caller is, between fork and exec."""
    for number in environment.ignored:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, environment.blocked)
    os.umask(environment.umask)
    if environment.has_terminal:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    if not environment.has_stdin:
        os.close(0)


@contextmanager
def _streams(environment: Environment, output: int) -> Iterator[tuple[int, int]]:
    """Give standard input and output: a terminal whose screen goes to `output`, or /dev/null and `output` itself."""
    if not environment.has_terminal:
        yield subprocess.DEVNULL, output
        return
    ours, theirs = pty.openpty()
    screen = threading.Thread(target=_copy, args=(ours, output), daemon=True)
    screen.start()
    try:
        yield theirs, theirs
    finally:
        os.close(theirs)
        screen.join(10)


def _copy(terminal: int, output: int) -> None:
    with suppress(OSError):  # Linux says so when nobody has the terminal open any more
        while chunk := os.read(terminal, 65_536):
            os.write(output, chunk)
    os.close(terminal)


def main() -> int:
    """Try all environments, or those that are named; return 1 if the tests did not pass in one."""
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # which ends what runs
    names = [each.name for each in ENVIRONMENTS]
    parser = argparse.ArgumentParser(prog="python -m tests.environments", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(names)}")
    chosen = parser.parse_args().names or names
    if unknown := set(chosen) - {*names}:
        parser.error(f"there is no environment {', '.join(sorted(unknown))}")
    # Real processes beside strangers' load: what does not pass is tried once more, and both results are shown.
    failed = [each.name for each in ENVIRONMENTS if each.name in chosen and not _passes(each) and not _passes(each)]
    if failed:
        print(f"The tests do not pass in: {', '.join(failed)}")
    return 1 if failed else 0


def _passes(environment: Environment) -> bool:
    if reason := environment.why_not():
        print(f"{environment.name:11} skipped: {reason}", flush=True)
        return True
    try:
        result = run_in(environment)
    except AssertionError as error:
        print(f"{environment.name:11} {error}", flush=True)
        return False
    print(f"{environment.name:11} {result.seconds:5.0f} s  {result.summary}", flush=True)
    if result.code:
        print(result.output)
    return result.code == 0


if __name__ == "__main__":
    sys.exit(main())
