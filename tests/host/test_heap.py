"""What was large is given back to the system; nothing is looked at in vain."""

import platform
import subprocess
import sys

import pytest

#: Leaves small blocks between large ones, frees the large ones, and prints how many MB are still resident.
_PROGRAM = """
import sys, psutil
from openwa_manager.host.heap import keep_compact
if sys.argv[1] == "compact":
    keep_compact()
del_first = bytearray(24 << 20)
del del_first  # which raises the size from which glibc gives blocks back
before = psutil.Process().memory_info().rss
held, large = [], []
for _ in range(60):
    large.append(bytearray(b"x") * (2 << 20))
    held.append(bytearray(b"x") * 20_000)
large.clear()
print((psutil.Process().memory_info().rss - before) >> 20)
"""


def _resident_mb(how: str) -> int:
    argv = [sys.executable, "-c", _PROGRAM, how]
    return int(subprocess.run(argv, check=True, capture_output=True, timeout=60).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_large_blocks_are_given_back_though_small_ones_lie_between() -> None:
    assert _resident_mb("compact") < 20
    assert _resident_mb("as it is") > 80, "glibc has learned it: the setting is needed no more"


#: Counts the collections while much is made that stays, and whether garbage is found afterwards.
_COLLECTIONS = """
import gc, weakref
from openwa_manager.host.heap import begin_collection, put_off_collection
count = [0]
gc.callbacks.append(lambda phase, _: count.__setitem__(0, count[0] + (phase == "start")))
class Each: pass
put_off_collection()
kept = [Each() for _ in range(50_000)]
meanwhile = count[0]
begin_collection()
looked_at = len(gc.get_objects())
lost = Each()
lost.itself = lost
seen = weakref.ref(lost)
del lost
more = [Each() for _ in range(50_000)]
print(meanwhile, looked_at < 1000, count[0] > 0, seen() is None)
"""


def test_nothing_is_looked_at_while_the_daemon_begins_and_never_what_it_began_with() -> None:
    argv = [sys.executable, "-c", _COLLECTIONS]

    done = subprocess.run(argv, check=True, capture_output=True, text=True, timeout=60)

    assert done.stdout == "0 True True True\n"
