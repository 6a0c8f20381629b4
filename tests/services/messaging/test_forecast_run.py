"""What a batch's forecast says is what then happens: the same lane, played ahead and played."""

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from openwa_manager.domain.messaging.batches import BatchTerms
from openwa_manager.domain.messaging.forecast import typing_s
from openwa_manager.domain.messaging.messages import Hold, HoldCode
from openwa_manager.domain.messaging.pacing import ProfileName
from openwa_manager.services.messaging.acceptance.bulk import Load
from openwa_manager.services.messaging.acceptance.forecasting import LaneForecast, lane_facts
from tests.services.messaging.sending.queue_setup import NOW, connected, rig
from tests.store.messaging.samples import new_message

CHARS = 20


@pytest.mark.parametrize(
    ("profile", "known", "first", "send_after"),
    [
        (ProfileName.GUIDE, 25, 0, None),
        (ProfileName.GUIDE, 15, 10, NOW + 60.0),
        (ProfileName.CAREFUL, 20, 5, None),
        (ProfileName.CAREFUL, 0, 5, None),
    ],
)
async def test_a_forecast_agrees_with_what_then_happens(
    tmp_path: Path, profile: ProfileName, known: int, first: int, send_after: float | None
) -> None:
    async with rig(tmp_path, gap_s=1.5, profile=profile) as made:
        made.engine.send_s = typing_s(CHARS)
        forecast = LaneForecast(made.records, made.clock, ZoneInfo("UTC"), lane_facts(made.parts.paces))
        terms = BatchTerms(expires_at=NOW + 9e5, send_after=send_after)
        flags = [number >= known for number in range(known + first)]
        told_at = await forecast.finish_at(connected(), Load(terms=terms, is_first_contact=flags, char_count=CHARS))
        for number, is_first in enumerate(flags):
            hold = None if send_after is None else Hold(code=HoldCode.SEND_AFTER, until=send_after)
            new = new_message(
                chat_id=f"4917012345{number:02}@c.us", is_first_contact=is_first, at=NOW, expires_at=NOW + 9e5
            )
            await made.hand_over(new, hold)

        while len(made.engine.asked) < len(flags):
            await made.pass_s(0.5)
        ended_at = made.engine.asked[-1].at + made.engine.send_s

    assert abs(ended_at - told_at) <= 0.05 * (told_at - NOW) + 0.5
