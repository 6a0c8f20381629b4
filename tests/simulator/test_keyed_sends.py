"""What an `Idempotency-Key` brings again, by what became of its send (docs/openwa.md, Simulator)."""

import http.client
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from functools import partial
from pathlib import Path

import pytest

from openwa_manager.simulator.journal import Journal
from openwa_manager.simulator.state import keyed_sends
from openwa_manager.simulator.state.database import Database
from openwa_manager.simulator.state.keyed_sends import KeyedSends
from openwa_manager.simulator.state.messages import Answer, OnSent
from tests.simulator.harness import KEY, Simulator, eventually
from tests.simulator.harness import Answer as Told

UNKNOWN, IN_PROGRESS = "IDEMPOTENCY_OUTCOME_UNKNOWN", "IDEMPOTENCY_KEY_IN_PROGRESS"


def number(ending: str) -> str:
    return f"85291{ending}@c.us"


@pytest.fixture(scope="module", params=["unknown", "answer", "stuck"])
def replaying(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    env = {"SIM_VERSION": "0.25", "SIM_REPLAY": str(request.param), "SIM_RESTRICTED_S": "0.3"}
    with Simulator(tmp_path_factory.mktemp("replaying"), env) as simulator:
        simulator.linked()
        yield simulator


@pytest.fixture
def acme(replaying: Simulator) -> str:
    sessions = replaying.ask("GET", "/api/sessions").body
    assert isinstance(sessions, list)
    assert isinstance(sessions[0], dict)
    return str(sessions[0]["id"])


def in_mode(simulator: Simulator, **by_mode: object) -> object:
    """Return what is expected of this simulator; `stuck` is as `unknown` unless said."""
    mode = simulator.env["SIM_REPLAY"]
    return by_mode.get(mode, by_mode["unknown"])


def outcome(answer: Told) -> object:
    return answer.fields.get("code", answer.status)


def entries(simulator: Simulator, ending: str) -> list[object]:
    return [entry["message_id"] for entry in simulator.books() if entry["chat_id"] == number(ending)]


@pytest.mark.parametrize("ending", ["0006", "0009"])
def test_a_failure_behind_which_a_message_was_sent(replaying: Simulator, acme: str, ending: str) -> None:
    first = replaying.send_text(acme, number(ending), key=ending)
    again = replaying.send_text(acme, number(ending), key=ending)

    assert first.status >= 500
    assert outcome(again) == in_mode(replaying, unknown=UNKNOWN, answer=201)
    (entry,) = entries(replaying, ending)
    assert again.fields.get("messageId", entry) == entry


def test_a_message_that_is_never_answered_for(replaying: Simulator, acme: str) -> None:
    with suppress(TimeoutError):
        replaying.send_text(acme, number("0010"), key="k", timeout_s=0.3)

    assert outcome(replaying.send_text(acme, number("0010"), key="k")) == in_mode(
        replaying, unknown=IN_PROGRESS, answer=201
    )
    assert len(entries(replaying, "0010")) == 1


def test_a_lost_answer_is_given_again(replaying: Simulator, acme: str) -> None:
    with pytest.raises(http.client.RemoteDisconnected):
        replaying.send_text(acme, number("0011"), key="lost")

    again = replaying.send_text(acme, number("0011"), key="lost")

    assert (again.status, [again.fields["messageId"]]) == (201, entries(replaying, "0011"))


def test_a_failure_that_proves_nothing_leaves_the_outcome_unknown(replaying: Simulator, acme: str) -> None:
    assert replaying.send_text(acme, number("0007"), key="failed").status == 500
    assert outcome(replaying.send_text(acme, number("0007"), key="failed")) == UNKNOWN
    assert entries(replaying, "0007") == []


def test_a_restriction_is_known_to_have_sent_nothing(replaying: Simulator, acme: str) -> None:
    first = replaying.send_text(acme, number("0003"), key="restricted")
    eventually(lambda: replaying.session(acme)["restriction"] is None)
    again = replaying.send_text(acme, number("0003"), key="restricted")

    assert first.status == 500
    assert outcome(again) == in_mode(replaying, unknown=201, stuck=UNKNOWN)


@pytest.mark.parametrize(("ending", "status"), [("0002", 400), ("0004", 429), ("0005", 429), ("0008", 503)])
def test_a_refusal_leaves_its_key_free(replaying: Simulator, acme: str, ending: str, status: int) -> None:
    assert replaying.send_text(acme, number(ending), key=ending).status == status

    again = replaying.send_text(acme, number(ending), key=ending)

    assert again.status == (201 if ending == "0008" else status)
    assert "IDEMPOTENCY" not in str(again.fields.get("code"))


def test_a_key_outlives_a_kill_with_what_was_known_of_it(replaying: Simulator, acme: str) -> None:
    sent = replaying.send_text(acme, key="sent")
    with suppress(TimeoutError):
        replaying.send_text(acme, number("0010"), key="killed", timeout_s=0.3)
    refused = replaying.send_text(acme, number("0008"), text="other", key="refused")

    replaying.kill()
    replaying.start()
    replaying.start_session(acme)
    replaying.wait_for(acme, "ready")

    assert replaying.send_text(acme, key="sent").body == sent.body
    assert outcome(replaying.send_text(acme, number("0010"), key="killed")) == in_mode(
        replaying, unknown=UNKNOWN, answer=201
    )
    assert refused.status == 503
    assert "IDEMPOTENCY" not in str(replaying.send_text(acme, number("0008"), text="other", key="refused").body)


def test_a_key_belongs_to_its_session(replaying: Simulator, acme: str) -> None:
    other = replaying.linked(f"other-{replaying.env['SIM_REPLAY']}")

    assert replaying.send_text(acme, key="mine").body != replaying.send_text(other, key="mine").body


async def no_send(on_sent: OnSent) -> Answer:
    on_sent({})
    raise AssertionError


async def test_a_key_is_forgotten_after_a_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = Database(tmp_path / "openwa.json")
    database.load()
    now = [1_000_000.0]
    monkeypatch.setattr(keyed_sends, "unix_now", lambda: now[0])
    sends = KeyedSends(tmp_path / "sends.jsonl", database, "unknown")

    async def send(on_sent: OnSent) -> Answer:
        on_sent({})
        return {"messageId": f"at {now[0]}"}

    first = await sends.send("s", "k", {"text": "x"}, send)
    now[0] += 24 * 3600 - 1
    assert await sends.send("s", "k", {"text": "x"}, no_send) == first
    assert (
        await KeyedSends(tmp_path / "sends.jsonl", database, "unknown").send("s", "k", {"text": "x"}, no_send) == first
    )
    now[0] += 2
    second = await sends.send("s", "k", {"text": "x"}, send)
    third = await KeyedSends(tmp_path / "sends.jsonl", database, "unknown").send("s", "k", {"text": "x"}, no_send)

    assert (first, second) == ({"messageId": "at 1000000.0"}, {"messageId": f"at {now[0]}"})
    assert third == second


async def test_a_keyed_send_writes_two_lines_however_many_went_before(tmp_path: Path) -> None:
    database = Database(tmp_path / "openwa.json")
    database.load()
    sends = KeyedSends(tmp_path / "sends.jsonl", database, "unknown")

    async def send(on_sent: OnSent) -> Answer:
        on_sent({})
        return {"messageId": "3EB0", "timestamp": 1}

    for number in range(5000):
        await sends.send("s", f"owm-{number}", {"text": "x"}, send)

    lines = Journal(tmp_path / "sends.jsonl").lines()
    assert len(lines) == 10_000
    assert max(len(line) for line in lines) < 250
    assert (tmp_path / "openwa.json").stat().st_size < 100


def test_twenty_sessions_send_at_once(tmp_path: Path) -> None:
    with Simulator(tmp_path, {"SIM_VERSION": "0.25"}) as simulator:
        sessions = [simulator.linked(f"acme-{number:02}") for number in range(20)]

        with ThreadPoolExecutor(20) as clients:
            statuses = [status for each in clients.map(partial(send_many, simulator), sessions) for status in each]

        assert statuses == [201] * 1000
        assert len({entry["message_id"] for entry in simulator.books()}) == 1000


def send_many(simulator: Simulator, session_id: str) -> list[int]:
    path = f"/api/sessions/{session_id}/messages/send-text"
    statuses: list[int] = []
    with closing(http.client.HTTPConnection("127.0.0.1", simulator.port, timeout=45)) as connection:
        for number in range(50):
            body = json.dumps({"chatId": f"852{number}5555@c.us", "text": "x"})
            headers = {"X-API-Key": KEY, "Content-Type": "application/json", "Idempotency-Key": f"k-{number}"}
            connection.request("POST", path, body, headers)
            response = connection.getresponse()
            response.read()
            statuses.append(response.status)
    return statuses


def test_a_send_takes_the_time_it_is_told_to(tmp_path: Path) -> None:
    with Simulator(tmp_path, {"SIM_SEND_S": "0.4"}) as simulator:
        session_id = simulator.linked()

        began = time.monotonic()
        answer = simulator.send_text(session_id)

        assert answer.status == 201
        assert 0.4 <= time.monotonic() - began < 10


def test_a_link_that_drops_during_a_send_is_a_failure_like_others(tmp_path: Path) -> None:
    with Simulator(tmp_path, {"SIM_SEND_S": "0.6", "SIM_RECONNECT_S": "5"}) as simulator:
        session_id = simulator.linked()
        with ThreadPoolExecutor(1) as clients:
            sending = clients.submit(simulator.send_text, session_id)
            time.sleep(0.2)
            simulator.control("close?code=428")

            assert sending.result().status == 500

        assert simulator.books() == []
