from openwa_manager.domain.session.session import SessionId
from openwa_manager.services.messaging.acceptance import refusals
from openwa_manager.services.messaging.acceptance.refusals import Refusals
from tests.fakes.clock import FakeClock

ONE, OTHER = SessionId("one"), SessionId("other")


async def test_refusals_are_counted_by_session_and_code_for_an_hour() -> None:
    clock = FakeClock()
    seen = Refusals(clock)
    first_at = clock.now().at
    for code in ("invalid_recipient", "opted_out", "invalid_recipient", "idempotency_mismatch"):
        seen.note(ONE, code)

    assert [(each.code, each.count, each.since) for each in seen.of(ONE)] == [
        ("invalid_recipient", 2, first_at),
        ("opted_out", 1, first_at),
    ]
    assert list(seen.of(OTHER)) == []
    await clock.advance(3601)
    assert list(seen.of(ONE)) == []
    seen.note(ONE, "opted_out")
    assert [(each.code, each.count, each.since) for each in seen.of(ONE)] == [("opted_out", 1, first_at + 3601)]


def test_only_so_many_sessions_are_remembered() -> None:
    seen = Refusals(FakeClock())
    for number in range(refusals._SESSIONS_MAX + 5):
        seen.note(SessionId(f"s{number}"), "opted_out")

    assert list(seen.of(SessionId("s4"))) == []
    assert len(seen.of(SessionId("s5"))) == 1
