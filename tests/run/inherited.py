"""Takes back what a run of the tests inherits from whoever started it, so that it ends the same way everywhere.

A pytest plugin, loaded by `addopts` before anything is captured, measured or collected, so it imports nothing of ours.

Signals. `make test &` in a script starts everything with SIGINT ignored, `nohup` with SIGHUP ignored, and some
service managers block signals. All of this is handed on from process to process, so a program that a test starts and
interrupts would never end. Blocked signals are let through again at once. An ignored one gets a handler that does
nothing: the run itself stays as deaf as it was told to be, but the programs it starts are not, because a handler is
not inherited. With pytest-xdist only the workers do that. Their controller starts nothing but the workers, and these
must be born deaf, or `nohup make test` would lose them at the hangup.

Place. A home's path may have 78 bytes: TMPDIR and the names that pytest makes below it may leave too few of them.
Unless the caller names a directory (`--basetemp`), a run has one of its own with a short name, kept if a test failed.

Environment. What chooses a daemon, its settings, a language, a terminal or a proxy is removed, for us and for every
program that is started with our environment.
"""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

#: What tells the tests themselves what to do (.github/CONTRIBUTING.md).
_KEPT = {"OPENWA_HOME", "OPENWA_MOCK", "OPENWA_TORTURE_FLOOD", "OPENWA_TORTURE_KILLS", "NODE"}
#: The settings of the daemon, its examples and its engines, and the language.
_PREFIXES = ("OPENWA_", "WEBHOOK_", "SIM_", "COMMAND_", "LC_")
_NAMES = {
    *("ENGINE_TYPE", "LANG", "LANGUAGE"),
    *("http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy"),
    *("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "ALL_PROXY", "NO_PROXY"),
    *("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID"),
    *("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR"),
    *("PYTHONIOENCODING", "PYTHONUTF8", "PYTHONCOERCECLOCALE", "PYTHONWARNINGS", "PYTHONOPTIMIZE"),
    "PYTHONDONTWRITEBYTECODE",  # compiling anew takes each program a second
}

_UMASK = 0o022
#: None: there is nothing to remove.
_PLACE = pytest.StashKey[Path | None]()


def is_foreign(name: str) -> bool:
    """Tell whether a variable of the environment would change what the tests see."""
    return name not in _KEPT and (name in _NAMES or name.startswith(_PREFIXES))


def open_standard_streams() -> None:
    """Put /dev/null where standard input, output or error is closed; a socket or a database would get the number."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)


def hear_signals() -> None:
    """Let the programs we start be ended by every signal that we were told to ignore."""
    for number in _ignored(signal.valid_signals() - {signal.SIGPIPE, getattr(signal, "SIGXFSZ", signal.SIGPIPE)}):
        signal.signal(number, lambda *_: None)  # Python itself ignores the two, and resets them for its children


def _ignored(numbers: Iterable[int]) -> Iterator[int]:
    return (number for number in numbers if signal.getsignal(number) is signal.SIG_IGN)


open_standard_streams()
signal.pthread_sigmask(signal.SIG_SETMASK, ())
for _name in filter(is_foreign, [*os.environ]):
    del os.environ[_name]


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Choose the place of the run before pytest does; workers are told theirs."""
    if config.option.basetemp is None:
        place = Path(tempfile.mkdtemp(prefix="ow", dir="/tmp"))
        config.stash[_PLACE], config.option.basetemp = place, place / "t"


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Keep what is in the place if a test failed."""
    if session.exitstatus not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        session.config.stash[_PLACE] = None


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the place."""
    if (place := config.stash.get(_PLACE, None)) is not None:
        shutil.rmtree(place, ignore_errors=True)


@pytest.fixture(scope="session", autouse=True)
def _as_everywhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Prepare the process that runs tests; `~` is an empty directory, so that nobody's own daemon is found."""
    hear_signals()
    before = os.umask(_UMASK)
    with pytest.MonkeyPatch.context() as patch:
        home: Path = tmp_path_factory.mktemp("nobody")
        patch.setenv("HOME", str(home))
        yield
    os.umask(before)
