import subprocess
import sys
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
