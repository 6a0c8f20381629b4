"""Thousands of messages while daemons and engines are killed: what WhatsApp got, and what is said of it, agree.

Longer, harder, or with another seed: `make torture ARGS="--seed 7 --sessions 20 --messages 5000 --kills 50"`.
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.messages.campaign import Scale, campaign
from tests.messages.judge import Verdict
from tests.messages.naive import run_naive
from tests.messages.plan import Manners, SessionPlan, plan_of

SEED = 12
SLOW = Manners(send_s=(0.6,))
TRUE_GAP = {"gap_min_s": 1.2, "gap_max_s": 1.8}


def verdict_on(home: Path, plan: list[SessionPlan], scale: Scale) -> tuple[Verdict, list[str]]:
    with campaign(home, plan, scale, SEED) as running:
        running.run()
        running.wait_until_told()
        return running.verdict(), running.refusals()


@pytest.mark.timeout(300)
def test_every_message_is_sent_at_most_once_and_accounted_for_whatever_is_killed(tmp_path: Path) -> None:
    scale = Scale(daemon_kills=4, engine_kills=4, spread_s=12)

    verdict, refusals = verdict_on(tmp_path / "home", plan_of(SEED, 3, 150), scale)

    assert verdict.is_clean, "\n".join(verdict.lines())
    assert refusals == []


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_twenty_sessions_send_five_thousand_messages_under_a_hundred_kills(tmp_path: Path) -> None:
    quick, true = plan_of(SEED, 19, 4880, "q"), plan_of(SEED, 1, 120, "g", SLOW)
    scale = Scale(daemon_kills=42, engine_kills=42, spread_s=270, done_within_s=400)
    at_true_gap = Scale(daemon_kills=8, engine_kills=8, spread_s=200, done_within_s=400, **TRUE_GAP)

    with ThreadPoolExecutor() as pool:
        both = [
            pool.submit(verdict_on, tmp_path / "quick", quick, scale),
            pool.submit(verdict_on, tmp_path / "true", true, at_true_gap),
        ]
        results = [each.result() for each in both]

    for verdict, refusals in results:
        print("\n".join(verdict.lines()))
        assert refusals == []
    assert [[*verdict.lines()] for verdict, _ in results if not verdict.is_clean] == []
    assert results[0][0].counts["sessions at work at once, at most"] >= 15  # of 19; a loaded machine has fewer turns


@pytest.mark.slow
def test_a_plain_loop_sends_some_of_the_same_twice(tmp_path: Path) -> None:
    outcome = run_naive(tmp_path, plan_of(SEED, 2, 160), kill_count=2, spread_s=3, seed=SEED)

    assert outcome.kills == 4
    assert outcome.sent_twice > 0
