import os
import subprocess
import sys
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

SCRIPT = """
import sys
from openwa_manager.host.logs.own_log import rotate_own_log
for number in range(8):
    print(f"line {number} " + "x" * 100, file=sys.stderr, flush=True)
    print(f"out {number}", flush=True)
    rotate_own_log(max_bytes=100, kept_count=2)
"""


def run(shell_words: str, log: Path) -> None:
    command = ["/bin/sh", "-c", f'exec "$0" -c "$1" {shell_words}', sys.executable, SCRIPT, str(log)]
    subprocess.run(command, check=True, capture_output=True, timeout=30)


def test_the_log_of_a_service_manager_is_rotated_and_what_is_kept_is_whole(tmp_path: Path) -> None:
    log = tmp_path / "manager.log"

    run('>> "$2" 2>&1', log)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["manager.log", "manager.log.1", "manager.log.2"]
    first, second = [(tmp_path / f"manager.log.{number}").read_text().splitlines() for number in (1, 2)]
    assert [line.split(" x")[0] for line in second + first] == ["line 6", "out 6", "line 7", "out 7"]
    assert log.read_text() == ""
    assert log.stat().st_mode & 0o777 == 0o600


def test_what_is_no_file_of_ours_is_left_alone(tmp_path: Path) -> None:
    log = tmp_path / "manager.log"

    run('2>&1 | cat > "$2"', log)

    assert [path.name for path in tmp_path.iterdir()] == ["manager.log"]


#: Writes numbered lines to both its outputs from three threads until the log was rotated often; then says how many.
MANY = """
import os, sys, threading
from openwa_manager.host.logs.own_log import rotate_own_log
sys.setswitchinterval(0.0005)
enough, counts = threading.Event(), {}
def write(stream, name):
    counts[name] = 0
    while not enough.is_set():
        os.write(stream, b"%s %07d %s\\n" % (name, counts[name], b"x" * 80))
        counts[name] += 1
writers = [threading.Thread(target=write, args=pair) for pair in ((1, b"o"), (2, b"e"), (2, b"f"))]
for each in writers: each.start()
rotated = 0
while rotated < 20:
    rotated += rotate_own_log(max_bytes=5_000, kept_count=40) is not None
enough.set()
for each in writers: each.join()
os.write(1, b"n %d %d %d\\n" % tuple(counts[name] for name in (b"o", b"e", b"f")))
"""


def as_launchd_opens(log: Path) -> int:
    """Open a log as launchd does for each of a job's outputs (launchd-842, src/core.c, job_setup_fd)."""
    return os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOCTTY | os.O_CLOEXEC, 0o666)


def parts_of(log: Path) -> list[Path]:
    """Return all that is kept of a log, oldest first."""
    numbered = [path for path in log.parent.iterdir() if path.name.startswith(f"{log.name}.")]
    return [*sorted(numbered, key=lambda path: -int(path.suffix[1:])), log]


def test_no_line_is_lost_that_is_written_while_a_log_opened_by_launchd_is_rotated(tmp_path: Path) -> None:
    log = tmp_path / "manager.log"
    outputs = [as_launchd_opens(log) for _ in range(2)]

    subprocess.run([sys.executable, "-c", MANY], stdout=outputs[0], stderr=outputs[1], check=True, timeout=60)
    os.write(outputs[0], b"l\n")  # who opened it knows of no rotation, and writes on in the part it has
    for each in outputs:
        os.close(each)

    lines = b"".join(part.read_bytes() for part in parts_of(log)).splitlines()
    counts = dict(zip((b"o", b"e", b"f"), map(int, lines[-1].split()[1:]), strict=True))
    wanted = Counter(b"%s %07d" % (name, number) for name, count in counts.items() for number in range(count))
    assert len(parts_of(log)) == 21
    assert Counter(line[:9] for line in lines[:-1]) == wanted + Counter([b"l"])


def test_the_next_start_writes_on_in_the_newest_part(tmp_path: Path) -> None:
    log = tmp_path / "manager.log"
    for _ in range(2):
        with ExitStack() as opened:
            outputs = [as_launchd_opens(log) for _ in range(2)]
            for each in outputs:
                opened.callback(os.close, each)
            subprocess.run([sys.executable, "-c", SCRIPT], stdout=outputs[0], stderr=outputs[1], check=True, timeout=30)

    kept = [path.read_text().splitlines()[-1] for path in parts_of(log)[:-1]]
    assert kept == ["out 6", "out 7"]
    assert log.read_text() == ""
