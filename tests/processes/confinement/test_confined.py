"""What a confined program cannot do, tried by a program that runs: the launcher starts it as it starts engines."""

import asyncio
import os
import signal
import socket
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from openwa_manager.domain.errors import LaunchFailedError
from openwa_manager.domain.isolation import Confinement
from openwa_manager.processes.confinement import landlock, seccomp
from openwa_manager.processes.confinement.support import system_support
from openwa_manager.processes.launcher import HostLauncher
from tests.processes.conftest import Stage

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or not system_support().is_possible, reason="this kernel has no Landlock"
)
WITH_PORTS = pytest.mark.skipif(landlock.abi() < landlock.PORTS_SINCE, reason="Landlock here knows no ports")
WITH_SCOPES = pytest.mark.skipif(landlock.abi() < landlock.SCOPES_SINCE, reason="Landlock here knows no scopes")
WITH_FILTER = pytest.mark.skipif(not seccomp.is_known(os.uname().machine), reason="no filter for this machine")

#: Calls, whose errors are told by number, 0 meaning that nothing stood in the way.
TRY = """
def tried(call, *arguments):
    try:
        call(*arguments)
    except OSError as error:
        return error.errno or -1
    return 0
"""
EPERM, EACCES = 1, 13


@pytest.fixture
def confinement(stage: Stage) -> Confinement:
    paths = (Path(sys.prefix), *(Path(sysconfig.get_path(kind)) for kind in ("stdlib", "platstdlib")))
    return Confinement(
        programs=(Path(sys.executable),),
        readable=paths,
        writable=(stage.directory,),
        hidden=(),
        connect_ports=(),
        bind_ports=(),
    )


@pytest.fixture
def listener() -> Iterator[int]:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield server.getsockname()[1]


async def told(
    launcher: HostLauncher, stage: Stage, confinement: Confinement, program: str, *words: object
) -> list[int]:
    """Return what a confined program tells, which has `words` as its arguments."""
    plan = replace(stage.python(TRY + program, *map(str, words)), confinement=confinement)
    async with asyncio.timeout(20):
        await launcher.wait(await launcher.launch(plan))
    return await stage.told()


async def test_a_confined_program_reads_writes_and_renames_in_its_directory(
    launcher: HostLauncher, stage: Stage, confinement: Confinement
) -> None:
    program = """
os.makedirs("a/b"); open("a/file", "w").write("x"); os.rename("a/file", "a/b/file"); os.truncate("a/b/file", 0)
tell(tried(os.open, "a/b/file", os.O_RDWR), tried(os.remove, "a/b/file"), tried(os.symlink, "x", "y"))
"""
    assert await told(launcher, stage, confinement, program) == [0, 0, 0]


async def test_a_confined_program_reads_no_file_of_another_session(
    launcher: HostLauncher, stage: Stage, confinement: Confinement
) -> None:
    neighbour = stage.directory.parent / "user_10" / "data"
    neighbour.mkdir(parents=True)
    (neighbour / "creds.json").write_text("{}")

    program = "tell(tried(open, sys.argv[1]), tried(open, sys.argv[1], 'w'), tried(os.remove, sys.argv[1]))"
    answers = await told(launcher, stage, confinement, program, neighbour / "creds.json")

    assert answers == [EACCES] * 3
    assert (neighbour / "creds.json").read_text() == "{}"


async def test_a_link_in_its_directory_leads_a_confined_program_nowhere(
    launcher: HostLauncher, stage: Stage, confinement: Confinement, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("x")
    (stage.directory / "way out").symlink_to(tmp_path / "secret")

    program = (
        "tell(tried(open, 'way out'), tried(os.link, sys.argv[1], 'copy'), tried(os.rename, sys.argv[1], 'moved'))"
    )
    assert 0 not in await told(launcher, stage, confinement, program, tmp_path / "secret")


async def test_a_confined_program_reads_and_lists_what_every_program_needs(
    launcher: HostLauncher, stage: Stage, confinement: Confinement
) -> None:
    program = """
names = ("/etc/passwd", "/etc/resolv.conf", "/proc/self/status", "/proc/cpuinfo", "/dev/urandom")
tell(*(tried(open, name, "rb") for name in names), tried(open, "/dev/null", "wb"), tried(os.listdir, "/"))
"""
    assert await told(launcher, stage, confinement, program) == [0] * 7


async def test_a_confined_program_writes_nothing_of_the_system(
    launcher: HostLauncher, stage: Stage, confinement: Confinement, tmp_path: Path
) -> None:
    program = """
write = lambda path: os.open(path, os.O_WRONLY | os.O_CREAT)
tell(*(tried(write, path) for path in ("/etc/openwa", "/usr/openwa", sys.argv[1])))
"""
    assert await told(launcher, stage, confinement, program, tmp_path / "new") == [EACCES] * 3
    assert not Path("/etc/openwa").exists()


@pytest.mark.skipif(landlock.abi() < 3, reason="Landlock here knows no truncation")
async def test_a_confined_program_shortens_no_file_of_others(
    launcher: HostLauncher, stage: Stage, confinement: Confinement, tmp_path: Path
) -> None:
    (tmp_path / "database").write_text("rows")

    assert await told(
        launcher, stage, confinement, "tell(tried(os.truncate, sys.argv[1], 0))", tmp_path / "database"
    ) == [EACCES]
    assert (tmp_path / "database").read_text() == "rows"


async def test_a_confined_program_executes_itself_and_nothing_else(
    launcher: HostLauncher, stage: Stage, confinement: Confinement
) -> None:
    program = """
import shutil; shutil.copy(sys.executable, "copy")
run = lambda program: subprocess.run([program, "-c", ""], check=True)
tell(*(tried(run, program) for program in (sys.executable, "/bin/sh", os.path.abspath("copy"))))
"""
    assert await told(launcher, stage, confinement, program) == [0, EACCES, EACCES]


async def test_what_the_loader_is_made_to_run_is_confined_as_well(
    launcher: HostLauncher, stage: Stage, confinement: Confinement, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("x")
    program = """
import glob
loader = next(iter(glob.glob("/lib64/ld-linux*") or glob.glob("/lib/ld-linux*")))
tell(subprocess.run([loader, "/bin/cat", sys.argv[1]], stdout=-3, stderr=-3).returncode)
"""
    assert await told(launcher, stage, confinement, program, tmp_path / "secret") != [0]


@WITH_PORTS
async def test_a_confined_program_connects_only_to_the_ports_it_may(
    launcher: HostLauncher, stage: Stage, confinement: Confinement, listener: int
) -> None:
    program = "import socket; tell(tried(socket.create_connection, ('127.0.0.1', int(sys.argv[1])), 5))"
    allowed = replace(confinement, connect_ports=(range(listener, listener + 1),))

    assert await told(launcher, stage, confinement, program, listener) == [EACCES]
    assert await told(launcher, stage, allowed, program, listener) == [0]


@WITH_PORTS
async def test_a_confined_program_binds_only_the_ports_it_may(
    launcher: HostLauncher, stage: Stage, confinement: Confinement, listener: int
) -> None:
    program = "import socket; tell(tried(socket.create_server, ('127.0.0.2', int(sys.argv[1]))))"
    allowed = replace(confinement, bind_ports=(range(listener, listener + 1),))

    assert await told(launcher, stage, confinement, program, listener) == [EACCES]
    assert await told(launcher, stage, allowed, program, listener) == [0]


@WITH_PORTS
@WITH_FILTER
async def test_no_other_way_leads_to_a_tcp_port(
    launcher: HostLauncher, stage: Stage, confinement: Confinement, listener: int
) -> None:
    program = """
import socket
there = ("127.0.0.1", int(sys.argv[1]))
def multipath(): socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262).connect(there)
def fast_open(): socket.socket().sendto(b"x", 0x20000000, there)
tell(tried(multipath), tried(fast_open))
"""
    assert 0 not in await told(launcher, stage, confinement, program, listener)


async def test_a_confined_program_listens_on_a_socket_in_its_directory(
    launcher: HostLauncher, stage: Stage, confinement: Confinement
) -> None:
    program = """
import socket
def listen(): socket.socket(socket.AF_UNIX).bind("s")
tell(tried(listen))
"""
    assert await told(launcher, stage, confinement, program) == [0]


@WITH_SCOPES
async def test_a_confined_program_signals_nobody_but_its_own_children(
    launcher: HostLauncher, stage: Stage, confinement: Confinement
) -> None:
    program = """
child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
tell(tried(os.kill, int(sys.argv[1]), 0), tried(os.kill, child.pid, signal.SIGKILL))
"""
    assert await told(launcher, stage, confinement, program, os.getpid()) == [EPERM, 0]


@WITH_FILTER
async def test_a_confined_program_changes_no_modes_limits_or_priorities_of_others(
    launcher: HostLauncher, stage: Stage, confinement: Confinement, tmp_path: Path
) -> None:
    program = """
import resource
path, pid = sys.argv[1], int(sys.argv[2])
os.chmod(path, 0)
tell(
    tried(os.chown, path, 1, 1),
    tried(os.setxattr, path, "user.x", b"x"),
    tried(resource.prlimit, pid, resource.RLIMIT_CORE, (0, 0)),
    tried(os.setpriority, os.PRIO_PROCESS, pid, 19),
    tried(os.sched_setaffinity, pid, {0}),
)
"""
    mode = tmp_path.stat().st_mode

    assert 0 not in await told(launcher, stage, confinement, program, tmp_path, os.getpid())
    assert tmp_path.stat().st_mode == mode


async def test_a_confined_program_leads_a_session_of_its_own(
    launcher: HostLauncher, stage: Stage, confinement: Confinement
) -> None:
    assert await told(launcher, stage, confinement, "tell(os.getsid(0) - os.getpid())") == [0]


async def test_a_program_that_cannot_be_confined_is_not_started(
    launcher: HostLauncher, stage: Stage, confinement: Confinement
) -> None:
    gone = replace(confinement, writable=(stage.directory / "gone",))

    with pytest.raises(LaunchFailedError, match="gone"):
        await launcher.launch(replace(stage.python("tell(0)"), confinement=gone))

    assert not launcher._locks.is_held(stage.session_id)


async def test_the_daemon_itself_stays_as_it_was(
    launcher: HostLauncher, stage: Stage, confinement: Confinement, tmp_path: Path
) -> None:
    await told(launcher, stage, confinement, "tell(0)")

    (tmp_path / "written").write_text("x")
    os.kill(os.getpid(), signal.SIG_DFL)
    assert "NoNewPrivs:\t0" in Path("/proc/self/status").read_text()
