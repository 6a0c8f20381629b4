"""What the blocks of a page run in: a host of their own, with a daemon, simulated phones and the programs they name.

All `sh` and `python` blocks of a page are one script, in their order: what one block sets, the next one has.
"""

import getpass
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.peers.daemon import QUICK, SCANNED, Daemon
from tests.fakes.ports import free_ports
from tests.pages.blocks import ROOT, Block
from tests.run.leftovers import end_all, find_leftovers

_PAGE_WITHIN_S = 100
#: How long a command is watched that would follow for ever.
_FOLLOWED_S = 1.5
#: The daemon's own address as pages write it.
_ADDRESSES = ("127.0.0.1:2790", "localhost:2790")
#: Variables that say where packages come from, and by which way.
_OF_REGISTRIES = re.compile(r"(PIP|NPM_CONFIG|SSL_CERT|REQUESTS_CA|HTTPS?_PROXY|NO_PROXY)", re.IGNORECASE)
_QUICK = {"MESSAGE_GAP_MIN_S": "0.01", "MESSAGE_GAP_MAX_S": "0.03"}

#: Does as whom it is what another would: the user of the tests has no other.
SUDO = """\
#!/bin/bash
while [[ ${1:-} = -* ]]; do [[ $1 = -u || $1 = -g ]] && shift; shift; done
exec "$@"
"""
#: Ends with an error where the answer is one: a page does not say so, and would go on.
CURL = """\
#!/bin/bash
for each in "$@"; do [[ $each =~ ^(-[a-zA-Z]*f[a-zA-Z]*|--fail.*)$ ]] && exec {curl} "$@"; done
exec {curl} --fail-with-body "$@"
"""
#: Has the daemon end and serve, whichever service manager a page speaks to.
SYSTEMCTL = """\
#!/bin/bash
pid=$(cat "$TMPDIR/serve.pid")
end() {
    kill "$pid" 2> /dev/null || return 0
    for _ in $(seq 400); do
        [[ $(ps -o stat= -p "$pid") =~ ^[^Z] ]] || return 0
        sleep 0.05
    done
    exit 1
}
case "$*" in
stop\\ * | disable\\ --now\\ * | bootout\\ *) end ;;
start\\ * | enable\\ --now\\ *) openwa-manager serve ;;
restart\\ * | kickstart\\ -k\\ *) end && openwa-manager serve ;;
*) echo "$0: what is $*?" >&2; exit 1 ;;
esac
"""
#: `openwa-manager` for a page: `serve` returns once it serves, as if it had a terminal of its own; what follows for
#: ever is followed for a moment.
_PROGRAM = """\
#!/bin/bash
run=({python} -m openwa_manager)
word=${{1:-}}
case $word in
serve)
    for each in "$@"; do [[ $each = --help ]] && exec "${{run[@]}}" "$@"; done
    "${{run[@]}}" "$@" >> "$HOME/serve.log" 2>&1 < /dev/null &
    echo $! > "$TMPDIR/serve.pid"
    for _ in $(seq 200); do
        curl -sf "http://$OPENWA_MANAGER_LISTEN/readyz" > /dev/null && exit 0
        kill -0 $! 2> /dev/null || break
        sleep 0.05
    done
    cat "$HOME/serve.log" >&2
    exit 1 ;;
top) set -- "$@" -f ;;
esac
for each in "$@"; do
    if [[ $each = -f || $each = --follow ]]; then
        [[ $word = top ]] && set -- top
        timeout --signal=INT {followed_s} "${{run[@]}}" "$@" && exit 0
        code=$?
        [[ $code = 124 || $code = 130 ]] && exit 0
        exit $code
    fi
done
exec "${{run[@]}}" "$@"
"""


@dataclass(frozen=True, slots=True)
class Place:
    """A world while a page's blocks run: `top` holds all files, `home` is `~`, `work` where the blocks begin."""

    top: Path
    daemon: Daemon | None
    environ: dict[str, str]

    @property
    def home(self) -> Path:
        """Return what `~` is."""
        return self.top / "home"

    @property
    def work(self) -> Path:
        """Return the directory in which the blocks begin; of an example it is a copy of its folder."""
        return self.top / "work"

    @property
    def address(self) -> str:
        """Return where the daemon of this place listens, or will."""
        return self.environ["OPENWA_MANAGER_LISTEN"]


def _nothing(_: object) -> None:
    """Do nothing more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What a page's blocks find, and what is true behind them.

    `sessions` are connected before the page begins, `settings` are the daemon's (without OPENWA_MANAGER_), `replaced`
    maps what a page writes to what stands for it here, `shims` are programs that only this world has, as text of a
    script; `{top}`, `{home}` and `{port}` are filled into all of these. `runs_daemon` False: the page starts it, or
    needs none. `prepare` is called with the top before the daemon starts, `begin` when it serves, `judge` behind the
    blocks. `is_slow`: only `make test-slow` runs it; `asks_registry`: it downloads packages besides.
    """

    sessions: Sequence[str] = ()
    engine_env: Mapping[str, str] = field(default_factory=lambda: dict(SCANNED))
    settings: Mapping[str, str] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)
    replaced: Mapping[str, str] = field(default_factory=dict)
    shims: Mapping[str, str] = field(default_factory=dict)
    runs_daemon: bool = True
    prepare: Callable[[Path], None] = _nothing
    is_slow: bool = False
    asks_registry: bool = False
    begin: Callable[[Place], None] = _nothing
    judge: Callable[[Place], None] = _nothing
    #: Its language → the test that runs or uses blocks which this machinery only looks through (`php`, `js`).
    used_by: Mapping[str, str] = field(default_factory=dict)


#: For a page whose blocks are only read: nothing in it runs.
NOTHING_RUNS = World(runs_daemon=False)
_RUN = ("sh", "python")
_TEXT_BEGINS = re.compile(r"<<-?\s*['\"]?(\w+)")
_GOES_ON = (["&&"], ["||"], ["|"], ["{"], ["("], ["do"], ["then"], ["else"])


def runs(block: Block) -> bool:
    """Tell whether a block is part of the script of its page."""
    return block.language in _RUN and block.not_run_because is None


def run_page(page: str, blocks: Sequence[Block], world: World) -> None:
    """Run the blocks of a page in its world, which must end well; blocks that are not run are passed over."""
    with _opened(page, world) as place:
        world.begin(place)
        script = place.top / "page.sh"
        script.write_text(_script(page, blocks, place, world), "utf-8")
        code, said = _run_script(script, place, 300 if world.asks_registry else _PAGE_WITHIN_S)
        print(said)
        assert code == 0, f"{page} ends with {code}\n{said[-6000:]}"
        world.judge(place)


def _run_script(script: Path, place: Place, within_s: float) -> tuple[int, str]:
    """Run a script to its end; return its exit code, -1 if it was late, and what it said.

    It writes to a file: whatever it leaves running may hold that open.
    """
    log = place.top / "page.log"
    with log.open("wb") as said:
        argv = ["/bin/bash", str(script)]
        process = subprocess.Popen(
            argv,
            cwd=place.work,
            env=place.environ,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
        try:
            code = process.wait(within_s)
        except subprocess.TimeoutExpired:
            code = -1
        finally:
            process.kill()
            process.wait(10)
    return code, log.read_text("utf-8", "replace")


def _script(page: str, blocks: Sequence[Block], place: Place, world: World) -> str:
    lines = ["set -euo pipefail", "shopt -s expand_aliases", "trap 'kill $(jobs -p) 2> /dev/null || :' EXIT"]
    for block in filter(runs, blocks):
        code = _filled(block.code, place, world)
        lines.append(f"echo '--- {page}:{block.line}'")
        if block.language == "python":
            file = place.top / f"block-{block.line}.py"
            file.write_text(code, "utf-8")
            code = f"{shlex.quote(sys.executable)} {shlex.quote(str(file))}"
        lines.append(_with_lists_checked(code) if block.language == "sh" else code)
    return "\n".join(lines) + "\n"


def _with_lists_checked(code: str) -> str:
    """Have `first && second` end the script if the first fails: `set -e` looks at the last command of a list only."""
    lines, end_of_text = [], ""
    for line in code.splitlines():
        is_checked = " && " in line and not end_of_text and _is_whole(line)
        lines.append(f"{{ {line}\n}} || exit" if is_checked else line)
        if not end_of_text and (found := _TEXT_BEGINS.search(line)):
            end_of_text = found[1]
        elif line.strip() == end_of_text:
            end_of_text = ""
    return "\n".join(lines)


def _is_whole(line: str) -> bool:
    """Tell whether a line is a command by itself, and no part of one."""
    try:
        words = shlex.split(line, comments=True)
    except ValueError:  # it ends within a quotation
        return False
    begins, ends = words[:1], words[-1:]
    return not line[0].isspace() and not line.endswith("\\") and begins != ["}"] and ends not in _GOES_ON


def _filled(text: str, place: Place, world: World) -> str:
    """Put what stands here in the place of what a page writes, the longest first, and nothing twice."""
    here = {**_here(place.top), "{port}": place.address.rpartition(":")[2]}
    replaced = {**dict.fromkeys(_ADDRESSES, place.address), **world.replaced}
    written = "|".join(re.escape(each) for each in sorted(replaced, key=len, reverse=True))
    return re.sub(written, lambda found: _with_values(replaced[found[0]], here), text)


def _here(top: Path) -> dict[str, str]:
    return {"{top}": str(top), "{home}": str(top / "home")}


def _with_values(text: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(name, value)
    return text


@contextmanager
def _opened(page: str, world: World) -> Iterator[Place]:
    with ExitStack() as stack:
        top = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="page", dir="/tmp"))).resolve()
        stack.callback(lambda: end_all(find_leftovers(top)))
        (top / "home").mkdir()
        world.prepare(top)
        daemon = _daemon(top, world, stack) if world.runs_daemon else None
        place = Place(top, daemon, {})
        place.environ.update(_variables(place, world))
        _lay_out(page, place, world)
        yield place


def _daemon(top: Path, world: World, stack: ExitStack) -> Daemon:
    settings = {**_QUICK, **{name: _with_values(each, _here(top)) for name, each in world.settings.items()}}
    home, engine = top / "home" / ".openwa-manager", settings.pop("ENGINE", "simulator")
    daemon = stack.enter_context(Daemon(home=home, settings=settings, engine=engine, engine_env=world.engine_env))
    if daemon.process is not None:
        (top / "serve.pid").write_text(str(daemon.process.pid))
    for session in world.sessions:
        daemon.create(session)
    for session in world.sessions:
        daemon.until(session, "connected")
    return daemon


def _variables(place: Place, world: World) -> dict[str, str]:
    """Return the environment of a page's script; the settings in it are for a daemon that the page itself starts."""
    port, intake = free_ports(2)
    settings = {
        **QUICK,
        **_QUICK,
        "LISTEN": f"127.0.0.1:{place.daemon.port if place.daemon else port}",
        "INTAKE_LISTEN": f"127.0.0.1:{intake}",
        "ENGINE": "simulator",
        "ENGINE_ENV": json.dumps(dict(world.engine_env)),
        **world.settings,
    }
    registry = {name: value for name, value in os.environ.items() if _OF_REGISTRIES.match(name)}
    return {
        **(registry if world.asks_registry else {}),
        "PATH": f"{place.top / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(place.home),
        "LANG": "C.UTF-8",
        "USER": getpass.getuser(),
        "TMPDIR": str(place.top),
        **({"KEY": place.daemon.key} if place.daemon else {}),
        **{f"OPENWA_MANAGER_{name}": _with_values(value, _here(place.top)) for name, value in settings.items()},
        **{name: _with_values(value, _here(place.top)) for name, value in world.environ.items()},
    }


def _lay_out(page: str, place: Place, world: World) -> None:
    """Write the programs of a place, and the directory in which its page begins."""
    programs = {"openwa-manager": _PROGRAM.format(python=shlex.quote(sys.executable), followed_s=_FOLLOWED_S)}
    if curl := shutil.which("curl"):
        programs["curl"] = CURL.format(curl=shlex.quote(curl))
    programs |= {name: _filled(script, place, world) for name, script in world.shims.items()}
    (place.top / "bin").mkdir()
    for name, script in programs.items():
        (place.top / "bin" / name).write_text(script, "utf-8")
        (place.top / "bin" / name).chmod(0o755)
    if page.startswith("examples/"):
        shutil.copytree((ROOT / page).parent, place.work)
    else:
        place.work.mkdir(exist_ok=True)
