import subprocess
import sys

import pytest

SCRIPT = """
import os, sys
from openwa_manager.host.streams import reopen_closed_streams
reopen_closed_streams()
opened = os.open("/dev/null", os.O_RDONLY)
print(sys.stdin.read(), end="")
print("error", file=sys.stderr)
sys.exit(0 if opened > 2 else 1)
"""


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_no_file_takes_the_place_of_a_closed_stream(closed: str) -> None:
    shell = subprocess.run(
        ["/bin/sh", "-c", f'exec "$0" -c "$1" {closed}', sys.executable, SCRIPT],
        check=False,
        capture_output=True,
        timeout=30,
    )

    assert shell.returncode == 0
