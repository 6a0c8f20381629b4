"""Runs a campaign under kills and prints the verdict: `python -m tests.messages --seed 7 --sessions 20`."""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.messages.campaign import Scale, campaign
from tests.messages.naive import run_naive
from tests.messages.plan import USUAL, WAYS, Manners, WayIn, plan_of


def main() -> None:
    """Run, print, and exit 1 if anything happened that must not."""
    given = _arguments()
    ways = {way: weight for way, weight in WAYS.items() if way in given.ways}
    plan = plan_of(given.seed, given.sessions, given.messages, manners=Manners(ways=ways, send_s=given.send))
    scale = Scale(
        daemon_kills=given.kills,
        engine_kills=given.kills,
        spread_s=given.spread,
        gap_min_s=given.gap[0],
        gap_max_s=given.gap[1],
    )
    folder = Path(tempfile.mkdtemp(prefix="openwa-torture-"))
    began = time.monotonic()
    with campaign(folder / "home", plan, scale, given.seed) as running:
        running.run()
        took_s = time.monotonic() - began
        running.wait_until_told()
        verdict = running.verdict()
        for line in (*verdict.lines(), *running.refusals()[:10]):
            print(line)
    for line in run_naive(folder, plan, given.kills, given.spread, given.seed).lines() if given.naive else ():
        print(line)
    print(f"{took_s:.0f} s, seed {given.seed}, files in {folder}")
    sys.exit(0 if verdict.is_clean else 1)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.messages", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sessions", type=int, default=3)
    parser.add_argument("--messages", type=int, default=150)
    parser.add_argument("--kills", type=int, default=4)
    parser.add_argument("--spread", type=float, default=20.0)
    parser.add_argument("--gap", type=float, nargs=2, default=(0.02, 0.05))
    parser.add_argument("--ways", type=WayIn, nargs="+", default=[*WayIn])
    parser.add_argument("--send", type=float, nargs="+", default=USUAL.send_s)
    parser.add_argument("--naive", action="store_true", help="let a plain loop send the same, too")
    return parser.parse_args()


if __name__ == "__main__":
    main()
