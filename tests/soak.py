"""`make soak`: random faults on many simulators for minutes, then a verdict."""

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tests.e2e.daemon import SCANNED, Daemon
from tests.faults.chaos import Chaos

_SETTINGS = {
    "PROBE_PERIOD_S": "2",
    "PROBE_TIMEOUT_S": "2",
    "STOP_GRACE_S": "2",
    "BACKOFF_FIRST_S": "0.2",
    "BACKOFF_MAX_S": "5",
}
#: Between two faults, on average.
_PAUSE_S = 1.0


def main() -> int:
    """Run the faults and return 0 if every promise held."""
    parser = argparse.ArgumentParser(description="Faults on many simulators, then a verdict.")
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--sessions", type=int, default=50)
    parser.add_argument("--seed", type=int, default=None, help="repeat a run")
    given = parser.parse_args()
    seed = random.SystemRandom().randrange(10**9) if given.seed is None else given.seed
    print(f"{given.sessions} sessions, {given.minutes:g} min, seed {seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="owm-", ignore_cleanup_errors=True) as folder:
        daemon = Daemon(home=Path(folder) / "home", engine_env=SCANNED, settings=_SETTINGS)
        with daemon:
            chaos = Chaos(daemon)
            return _judge(chaos, given.sessions, given.minutes * 60, random.Random(seed))  # noqa: S311 (dice, not keys)


def _judge(chaos: Chaos, session_count: int, seconds: float, dice: random.Random) -> int:
    done: Counter[str] = Counter()
    try:
        for number in range(session_count):
            chaos.start(f"s{number}")
        chaos.require_healed()
        print(f"all {session_count} connected", flush=True)
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            done[_one_fault(chaos, dice)] += 1
            chaos.require_one_owner()
            time.sleep(dice.uniform(0, 2 * _PAUSE_S))
        chaos.require_healed()
    except AssertionError as broken:
        print(f"FAILED after {done.total()} faults ({_listed(done)}): {broken}\n{_complaints(chaos)}")
        return 1
    print(f"HELD: {done.total()} faults ({_listed(done)}); never two engines for one session, and all healed")
    print(_complaints(chaos))
    return 0


def _one_fault(chaos: Chaos, dice: random.Random) -> str:
    name = dice.choice(sorted(chaos.desired))
    faults: dict[str, tuple[int, Callable[[], None]]] = {
        "engine killed": (6, lambda: chaos.signal_engine(name, signal.SIGKILL)),
        "engine terminated": (2, lambda: chaos.signal_engine(name, signal.SIGTERM)),
        "engine frozen": (4, lambda: chaos.signal_engine(name, signal.SIGSTOP)),
        "stopped": (2, lambda: chaos.stop(name)),
        "started": (6, lambda: chaos.start(name)),
        "restarted": (2, lambda: chaos.restart(name)),
        "deleted and made anew": (1, lambda: _remake(chaos, name)),
        "daemon killed": (1, lambda: _lose_daemon(chaos, dice, [name])),
        "daemon frozen": (1, lambda: _freeze_daemon(chaos)),
    }
    words = list(faults)
    (word,) = dice.choices(words, [faults[each][0] for each in words])
    faults[word][1]()
    return word


def _remake(chaos: Chaos, name: str) -> None:
    chaos.delete(name)
    chaos.start(name)


def _lose_daemon(chaos: Chaos, dice: random.Random, victims: list[str]) -> None:
    """Kill the daemon, and perhaps an engine while nobody watches; then start it again."""
    chaos.kill_daemon()
    if dice.random() < 0.5:
        for name in victims:
            chaos.signal_engine(name, signal.SIGKILL)
    chaos.start_daemon()


def _freeze_daemon(chaos: Chaos) -> None:
    process = chaos.daemon.process
    assert process is not None
    os.kill(process.pid, signal.SIGSTOP)
    time.sleep(3)
    os.kill(process.pid, signal.SIGCONT)


def _listed(done: Counter[str]) -> str:
    return ", ".join(f"{count} {word}" for word, count in done.most_common())


def _complaints(chaos: Chaos) -> str:
    """Return what the daemon logged as errors; a bug that was caught is still a bug."""
    errors = [line for line in chaos.daemon.log.splitlines() if '"level": "error"' in line]
    return "\n".join([f"{len(errors)} errors in the log", *(error[:400] for error in errors[:5])])


if __name__ == "__main__":
    sys.exit(main())
