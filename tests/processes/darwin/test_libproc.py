"""What we read of macOS's calls, from a library that answers them by the kernel's rules."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from openwa_manager.host.clock import SystemClock
from openwa_manager.host.system_library import SystemValues
from openwa_manager.processes.reading import procfs
from openwa_manager.processes.reading.darwin.libproc import Libproc
from openwa_manager.processes.reading.darwin.parsing import parse_process_strings
from openwa_manager.processes.reading.identity import environment_by_libproc, start_and_death_by_libproc
from openwa_manager.processes.reading.places import places_by_libproc
from openwa_manager.processes.reading.table import processes_by_libproc, read_processes, tag_by_libproc
from tests.fakes.process import await_death, ending

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the library answers from /proc")

#: Above the highest number of Linux: the library lists it, as if it had ended since.
GONE = 4_194_305
_WORKS = "import time; end = time.process_time() + 0.1\nwhile time.process_time() < end: pass\n"
READY = _WORKS + "print('ready', flush=True); import signal; signal.pause()"


@contextmanager
def running(*argv: str | Path, **how: object) -> Iterator[subprocess.Popen[str]]:
    with ending(subprocess.Popen([*map(str, argv)], stdout=subprocess.PIPE, text=True, **how)) as process:  # type: ignore[call-overload]
        yield process
        process.kill()


@contextmanager
def working(**how: object) -> Iterator[int]:
    """Run a program that has used 0.1 s of processor time."""
    with running(sys.executable, "-c", READY, **how) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process.pid


@contextmanager
def zombie() -> Iterator[int]:
    with ending(subprocess.Popen(["true"])) as process:
        await_death(process.pid)
        yield process.pid


def test_a_live_process_is_told_as_procfs_tells_it(libproc: Libproc) -> None:
    with working() as pid:
        ours = next(each for each in read_processes() if each.pid == pid)
        told = next(each for each in processes_by_libproc(libproc) if each.pid == pid)
        stat = procfs.read_stat(pid)

    assert stat is not None
    assert (told.pid, told.ppid, told.session) == (ours.pid, ours.ppid, ours.session)
    assert told.started == stat.started * 1_000_000 // os.sysconf("SC_CLK_TCK")
    assert told.cpu_s == pytest.approx(ours.cpu_s, abs=0.02)
    assert told.cpu_s >= 0.08
    assert told.rss_bytes == pytest.approx(ours.rss_bytes, rel=0.2)


def test_of_a_zombie_is_told_who_it_was_and_nothing_else(libproc: Libproc) -> None:
    with zombie() as pid:
        before = start_and_death_by_libproc(libproc, pid)

        assert before is not None
        assert before[1]
        assert libproc.task_info(pid) is None
        assert libproc.strings(pid) is None
        assert tag_by_libproc(libproc, pid) is None
        assert pid not in {each.pid for each in processes_by_libproc(libproc)}
        assert pid in libproc.pids()


def test_a_process_that_ended_between_two_calls_is_nobody(libproc: Libproc) -> None:
    assert GONE in libproc.pids()
    assert start_and_death_by_libproc(libproc, GONE) is None
    assert libproc.footprint_bytes(GONE) is None
    assert libproc.working_dir(GONE) == ""
    assert libproc.open_files(GONE) == []
    assert environment_by_libproc(libproc, GONE) == {}


def test_the_kernels_own_process_is_nobody(libproc: Libproc) -> None:
    """It is listed as 0, which is our own group to kill(2), and our own session to getsid(2)."""
    assert 0 not in libproc.pids()
    assert 0 not in {each.pid for each in processes_by_libproc(libproc)}


def test_another_users_process_is_left_out(libproc: Libproc) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can start another user's process")
    with running("sleep", "1000", user=65534, group=65534) as process:
        pid = process.pid
        assert start_and_death_by_libproc(libproc, pid) is None
        assert tag_by_libproc(libproc, pid) is None
        assert libproc.open_file(pid, 0) is None
        assert pid not in {each.pid for each in processes_by_libproc(libproc)}
        assert pid not in {each.pid for each in places_by_libproc(libproc)}


def test_processes_that_start_while_they_are_listed_are_not_left_out(libproc: Libproc, calls: ctypes.CDLL) -> None:
    count = len(libproc.pids())
    ctypes.c_int.in_dll(calls, "fake_started_since_count").value = count + 70

    numbers = libproc.pids()

    ctypes.c_int.in_dll(calls, "fake_started_since_count").value = 0
    assert os.getpid() in numbers
    assert len(numbers) == pytest.approx(count, abs=20)


def test_a_process_that_got_the_number_of_another_is_seen_at_once(libproc: Libproc) -> None:
    last = Path("/proc/sys/kernel/ns_last_pid")
    try:
        last.write_text(last.read_text())
    except OSError:  # its mode lets everybody write, the kernel not
        pytest.skip("nobody but root gives out numbers again")
    with running("sleep", "1000") as first:
        before = next(each for each in processes_by_libproc(libproc) if each.pid == first.pid)
        while SystemClock().now().boot_s * 1e6 < before.started + 20_000:  # Linux counts in 10 ms
            pass
    for _ in range(50):
        last.write_text(str(first.pid - 1))
        with running("sleep", "1000") as second:
            if second.pid == first.pid:
                now = next(each for each in processes_by_libproc(libproc) if each.pid == second.pid)
                break
    else:
        pytest.skip("others start programs too quickly here")

    assert now.started > before.started


def test_the_environment_of_the_systems_own_programs_is_hidden_and_their_arguments_are_not(libproc: Libproc) -> None:
    environ = {"PATH": os.environ["PATH"], "NAME": "value=x"}
    with working(env=environ) as python, running("sleep", "1000", env=environ) as sleep:
        while (strings := libproc.strings(sleep.pid)) is None or strings.command_line != b"sleep\x001000\0":
            pass
        shown = environment_by_libproc(libproc, python)

        assert shown["NAME"] == "value=x"
        assert strings.environment == b""


def test_the_strings_are_read_past_the_padding_of_the_path_and_through_empty_arguments() -> None:
    raw = (3).to_bytes(4, sys.byteorder) + b"/bin/x\0\0\0\0" + b"x\0\0last\0" + b"A=1\0\0B=2\0"

    strings = parse_process_strings(raw)

    assert strings.command_line == b"x\0\0last\0"
    assert strings.environment == b"A=1\0B=2\0"


@pytest.mark.parametrize(
    "raw", [b"\x02\0\0\0", b"\x02\0\0\0/bin/x", b"\x02\0\0\0/bin/x\0", b"\xff\xff\xff\x7f/bin/x\0a\0"]
)
def test_strings_that_end_early_are_read_to_their_end(raw: bytes) -> None:
    strings = parse_process_strings(raw)

    assert strings.environment == b""
    assert strings.command_line in (b"", b"a\0")


def test_places_are_told_as_procfs_tells_them(libproc: Libproc, tmp_path: Path) -> None:
    with working(cwd=tmp_path) as pid:
        place = next(each for each in places_by_libproc(libproc) if each.pid == pid)
        command_line = procfs.read(f"/proc/{pid}/cmdline")

    assert place.working_dir == str(tmp_path)
    assert place.command_line == command_line


def test_open_files_are_told_with_their_paths_numbers_and_locks(libproc: Libproc, tmp_path: Path) -> None:
    program = (
        "import fcntl, sys; a, b = (open(each, 'w') for each in sys.argv[1:]); fcntl.flock(a, fcntl.LOCK_EX)\n" + READY
    )
    with running(sys.executable, "-c", program, tmp_path / "locked", tmp_path / "open") as process:
        assert process.stdout is not None
        process.stdout.readline()
        files = {each.path: each for each in libproc.open_files(process.pid)}

    locked, plain = files[str(tmp_path / "locked")], files[str(tmp_path / "open")]
    assert (locked.was_locked, plain.was_locked) == (True, False)


def test_a_file_that_was_removed_is_told_by_the_name_that_it_had(libproc: Libproc, tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    lock.touch()
    with lock.open() as file:
        lock.unlink()
        told = libproc.open_file(os.getpid(), file.fileno())

    assert told is not None
    assert told.path == str(lock)


def test_a_session_and_a_boot_are_named(libproc: Libproc, calls: ctypes.CDLL) -> None:
    values = SystemValues(calls)

    assert len(values.text("kern.bootsessionuuid")) == 36
    assert values.number("kern.memorystatus_vm_pressure_level") == 1
    with pytest.raises(OSError, match=r"kern\.nothing cannot be read"):
        values.number("kern.nothing")
    assert libproc.cpu_s(24_000_000) == pytest.approx(1.0)


def test_an_answer_of_another_size_is_not_taken_for_what_it_is_not(libproc: Libproc) -> None:
    """A kernel whose structures have grown refuses our buffer (ENOMEM)."""
    with working() as pid, pytest.raises(OSError, match="cannot be looked at"):
        libproc._pidinfo(pid, 2, 200)


def test_a_dead_process_loses_its_zombie_too(libproc: Libproc) -> None:
    with working() as pid:
        os.kill(pid, signal.SIGKILL)
        await_death(pid)
        dead = start_and_death_by_libproc(libproc, pid)
        os.waitpid(pid, 0)

        assert dead is not None
        assert dead[1]
        assert start_and_death_by_libproc(libproc, pid) is None
