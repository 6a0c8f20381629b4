"""`make soak`: faults on many simulators, none at all, attacks, or what a day brings, for minutes; then a verdict."""

import argparse
import random
import sys
import tempfile
from pathlib import Path

from tests.e2e.peers.daemon import SCANNED, Daemon
from tests.faults.chaos import Chaos
from tests.soak.attack import attack
from tests.soak.day import Day, play
from tests.soak.faults import DEFAULTS, SETTINGS, judge_faults, judge_peace


def main() -> int:
    """Run what is asked for and return 0 if every promise held, 2 if the machine was too slow to know."""
    parser = argparse.ArgumentParser(description="Faults or attacks for minutes, then a verdict.")
    kinds = parser.add_mutually_exclusive_group()
    kinds.add_argument("--healthy", action="store_true", help="no faults: nothing at all may happen to a session")
    kinds.add_argument("--hostile", action="store_true", help="engines, callers and a local user that attack")
    kinds.add_argument("--day", action="store_true", help="what a day brings to healthy sessions: does anything grow?")
    parser.add_argument("--minutes", type=float, default=None, help="5, 10 for a day")
    parser.add_argument("--sessions", type=int, default=None, help="healthy ones: 50, 4 beside attacks, 20 for a day")
    parser.add_argument("--seed", type=int, default=None, help="repeat a run")
    parser.add_argument("--only", default="", help="attacks by their names, with commas between (--hostile)")
    given = parser.parse_args()
    seed = random.SystemRandom().randrange(10**9) if given.seed is None else given.seed
    dice = random.Random(seed)  # noqa: S311 (dice)
    session_count = given.sessions or (4 if given.hostile else 20 if given.day else 50)
    minutes = given.minutes or (10.0 if given.day else 5.0)
    print(f"{session_count} sessions, {minutes:g} min, seed {seed}", flush=True)
    if given.day:
        day = Day(session_count=session_count, seconds=minutes * 60)
        play(day, dice)
        print("\n".join(day.report()))
        return {"HELD": 0, "FAILED": 1}.get(day.verdict(), 2)
    if given.hostile:
        only = tuple(filter(None, given.only.split(",")))
        judgement = attack(session_count, minutes * 60, dice, only)
        print(judgement.table())
        return 1 if judgement.failures() else 0
    with tempfile.TemporaryDirectory(prefix="owm-", ignore_cleanup_errors=True) as folder:
        settings = DEFAULTS if given.healthy else SETTINGS
        with Daemon(home=Path(folder) / "home", engine_env=SCANNED, settings=settings) as daemon:
            judge = judge_peace if given.healthy else judge_faults
            return judge(Chaos(daemon), session_count, minutes * 60, dice)


if __name__ == "__main__":
    sys.exit(main())
