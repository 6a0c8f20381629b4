"""An older database in the place of a newer one, five times in one run: it sends nothing until a person lets it."""

import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from openwa_manager.domain.delivery.events import Json
from tests.e2e.peers.daemon import eventually
from tests.messages.callers import Caller
from tests.messages.campaign import Campaign, Scale, campaign
from tests.messages.copies import WAYS, Way
from tests.messages.plan import HandOver, Manners, Planned, SessionPlan, WayIn, plan_of
from tests.messages.truth import LedgerRow, read_books

SEED = 5
SESSIONS = 3
PER_PHASE, LATE = 24, 4
#: The gap is so wide that much waits when the copy is made, and when it is put back.
SCALE = Scale(gap_min_s=0.1, gap_max_s=0.15, spread_s=0.5)
QUIET_S = 1.5


def got(running: Campaign, session_id: str) -> Counter[str]:
    """Return how often WhatsApp got something for each number."""
    return Counter(entry.number for entry in read_books(running.home, session_id))


def hand_over(running: Campaign, session_id: str, messages: Sequence[Planned], name: str) -> None:
    """Hand messages over: some one by one, the rest as a batch."""
    few, many = messages[:4], messages[4:]
    calls = [
        *(
            HandOver(way=WayIn.SINGLE, session_id=session_id, key=f"{name}-{each.reference}", messages=[each])
            for each in few
        ),
        *([HandOver(way=WayIn.BATCH, session_id=session_id, key=name, messages=many)] if many else []),
    ]
    plan = SessionPlan(session_id=session_id, engine_env={}, calls=calls)
    caller = Caller(daemon=running.daemon, plan=plan, spread_s=0.0, chance=random.Random(SEED))  # noqa: S311
    caller.run()
    assert caller.refusals == []


def restore(running: Campaign, way: Way, place: Path, late: Sequence[Sequence[Planned]]) -> None:
    """Copy in the middle of the sending, let it go on for a while, take more in, and put the copy back."""
    chance = random.Random(place.name)  # noqa: S311 (a run is to be repeatable)
    time.sleep(chance.uniform(0.3, 0.8))
    way.copy(running.daemon, place)
    for messages in late:
        hand_over(running, messages[0].session_id, messages, f"{place.name} late")
    time.sleep(chance.uniform(0.5, 0.9))
    running.daemon.kill()
    time.sleep(0.3)  # the engines bring what they were asked for to an end
    way.put_back(running.home, place)


def let_go(running: Campaign, session_id: str, wanted: Sequence[Planned], name: str) -> Counter[str]:
    """Do what a person does: call off what was sent since the copy, resume, and hand over what was lost with it.

    Return how many messages each of that was.
    """
    sent = got(running, session_id)
    rows = running.ledger_of(session_id)
    repeats = [row for row in waiting(rows) if sent[row.number]]
    for row in repeats:
        assert running.daemon.ask("DELETE", f"/v1/messages/{row.message_id}").status == 200
    answer = running.daemon.ask("PATCH", f"/v1/sessions/{session_id}/queue", {"state": "active"})
    assert answer.status == 200, answer.raw
    known = {row.number for row in rows}
    lost = [each for each in wanted if each.number not in known and not sent[each.number]]
    hand_over(running, session_id, [replace(each, reference=f"{each.reference}-{name}") for each in lost], name)
    return Counter(called_off=len(repeats), resumed=len(waiting(rows)) - len(repeats), lost=len(lost))


def waiting(rows: Sequence[LedgerRow]) -> list[LedgerRow]:
    return [row for row in rows if row.status == "queued"]


def recoveries(running: Campaign) -> list[dict[str, Json]]:
    events = running.daemon.ask("GET", "/v1/events?type=manager.recovered&limit=100").body["events"]
    assert isinstance(events, list)
    return [event for event in events if isinstance(event, dict)]


def hold_code(running: Campaign, session_id: str) -> Json:
    hold = running.daemon.ask("GET", f"/v1/sessions/{session_id}/queue").body["hold"]
    return hold["code"] if isinstance(hold, dict) else None


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_database_that_was_put_back_sends_nothing_that_was_sent(tmp_path: Path) -> None:
    plan = plan_of(SEED, SESSIONS, SESSIONS * PER_PHASE * len(WAYS), manners=Manners(is_plain=True, send_s=(0.0, 0.05)))
    with campaign(tmp_path / "home", plan, SCALE, SEED) as running:
        done = Counter[str]()
        for number, way in enumerate(WAYS):
            (place := tmp_path / f"copy {number}").mkdir()
            wanted = {each.session_id: each.messages[: (number + 1) * PER_PHASE] for each in plan}
            for session_id, messages in wanted.items():
                hand_over(running, session_id, messages[number * PER_PHASE : -LATE], f"phase-{number}")
            restore(running, way, place, [messages[-LATE:] for messages in wanted.values()])
            before = {session_id: got(running, session_id) for session_id in wanted}
            running.daemon.start()
            for session_id in wanted:
                running.daemon.until(session_id, "connected")
            time.sleep(QUIET_S)

            told = eventually(lambda: recoveries(running)[-1:])
            name = type(way).__name__
            assert {each: got(running, each) for each in wanted} == before, name
            assert {hold_code(running, each) for each in wanted if waiting(running.ledger_of(each))} == {"restored"}, (
                name
            )
            assert told[0]["lost_since"] is not None
            for session_id, messages in wanted.items():
                done += let_go(running, session_id, messages, f"again-{number}")
            running.wait_until_done()

        assert done["called_off"] > 0
        assert done["resumed"] > 0
        assert done["lost"] > 0
        for session in plan:
            sent = got(running, session.session_id)
            unknown = {row.number for row in running.ledger_of(session.session_id) if row.status == "unknown"}
            assert [number for number, count in sent.items() if count > 1] == []
            missing = [each.number for each in session.messages if not sent[each.number]]
            assert set(missing) <= unknown
