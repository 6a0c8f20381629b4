from collections.abc import Callable

import pytest

from openwa_manager.domain.session import reasons
from openwa_manager.domain.session.session import LaunchId
from openwa_manager.domain.session.stimuli import (
    BringUpRefused,
    EngineEventReceived,
    LinkReport,
    LinkReported,
    MessageAcknowledged,
)
from openwa_manager.domain.texts import DETAIL_MAX, NAME_MAX

LAUNCH = LaunchId("here")
LONG = "x" * 1_000_000


def reported(text: str) -> LinkReported:
    return LinkReported(launch_id=LAUNCH, link=LinkReport.CONNECTED, detail=text, phone_number=text, push_name=text)


@pytest.mark.parametrize(
    ("lengths", "make"),
    [
        ({"detail": DETAIL_MAX, "phone_number": NAME_MAX, "push_name": NAME_MAX}, reported),
        ({"detail": DETAIL_MAX}, lambda text: BringUpRefused(launch_id=LAUNCH, detail=text)),
        (
            {"message_id": NAME_MAX, "to": NAME_MAX},
            lambda text: MessageAcknowledged(launch_id=LAUNCH, message_id=text, fate="sent", to=text),
        ),
        ({"type": NAME_MAX}, lambda text: EngineEventReceived(launch_id=LAUNCH, type=text, data={})),
        (
            {"kind": NAME_MAX, "code": NAME_MAX, "expires_at": NAME_MAX},
            lambda text: reasons.Restriction(kind=text, code=text, expires_at=text),
        ),
    ],
)
def test_what_an_engine_says_is_cut_where_it_comes_in(lengths: dict[str, int], make: Callable[[str], object]) -> None:
    assert {name: len(getattr(make(LONG), name)) for name in lengths} == lengths
    assert {getattr(make("short"), name) for name in lengths} == {"short"}


def test_what_is_not_told_stays_so() -> None:
    assert LinkReported(launch_id=LAUNCH, link=LinkReport.CONNECTED).push_name is None
