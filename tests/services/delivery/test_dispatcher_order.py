"""Whatever the endpoints answer, each session is told in order and nothing is lost."""

import asyncio
import tempfile
from collections import defaultdict
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from openwa_manager.domain.delivery.delivery import AttemptResult, Delivered, Retry
from tests.services.delivery.dispatch_setup import Post, an_endpoint, an_event, running

outcomes = st.sampled_from(
    [
        Delivered(status=200),
        Retry(reason="timeout"),
        Retry(reason="HTTP 500", status=500),
        Retry(reason="HTTP 429", status=429, retry_after_s=45.0),
    ]
)
told = st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), min_size=1, max_size=12)


@given(told=told, answers=st.lists(outcomes, max_size=25))
@settings(max_examples=25, deadline=None)
def test_each_session_is_told_in_order_whatever_is_answered(
    told: list[tuple[str, bool]], answers: list[AttemptResult]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        arrived = asyncio.run(deliver_all(Path(folder) / "manager.db", told, answers))

    expected: dict[str, list[int]] = defaultdict(list)
    for session, _ in told:
        expected[session].append(len(expected[session]) + 1)
    assert arrived == {(endpoint, session): seqs for endpoint in ("x", "y") for session, seqs in expected.items()}


async def deliver_all(
    path: Path, told: list[tuple[str, bool]], answers: list[AttemptResult]
) -> dict[object, list[object]]:
    """Tell these sessions' events, some of them only while others are being delivered; return what was taken."""
    script, arrived, counts = list(answers), defaultdict[object, list[object]](list), defaultdict[str, int](int)
    async with running(path, an_endpoint("x"), an_endpoint("y")) as scene:

        def answer(post: Post) -> AttemptResult:
            outcome = script.pop(0) if script else Delivered(status=200)
            if isinstance(outcome, Delivered):
                arrived[post.endpoint_id, post.session_id].append(post.seq)
            return outcome

        scene.sender.answer = answer
        for session, is_sudden in told:
            counts[session] += 1
            await scene.tell(an_event(counts[session], session))
            if is_sudden:
                await scene.sender.until(1)
        while ("pending",) in await scene.rows():
            if scene.clock.deadlines:
                await scene.clock.advance(scene.clock.deadlines[0] - scene.clock.now().boot_s)
    return dict(arrived)
