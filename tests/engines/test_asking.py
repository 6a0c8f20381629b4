"""What an engine is asked about numbers, chats, messages and itself; every peer here has bad manners."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from openwa_manager.domain.delivery.events import Json
from openwa_manager.domain.errors import EngineError
from openwa_manager.domain.messaging.sightings import ContactFound, SeenMessage, body_sha256
from openwa_manager.domain.ports import CanSend
from openwa_manager.domain.session.reasons import Restriction
from openwa_manager.domain.session.session import Launch
from openwa_manager.engines.command import CommandEngine, CommandSetup
from openwa_manager.engines.openwa import OpenwaEngine, OpenwaSetup
from openwa_manager.engines.program import FixedProgram
from openwa_manager.host.clock import SystemClock
from openwa_manager.host.foreign.engine_files import EngineFiles
from tests.engines.peer import ROW, Peer, serving
from tests.engines.rig import free_port, knowing, new_context, new_launch, new_session

ID = "659b1334-0c2a-4d5e-8f00-1a2b3c4d5e6f"
ROOT = f"/api/sessions/{ID}"
SESSION = knowing(new_session(), ID)
CHAT = "85212345678@c.us"


@pytest.fixture
def launch(tmp_path: Path) -> Launch:
    return new_launch(free_port(), socket=tmp_path / "s")


@pytest.fixture
async def engine() -> AsyncIterator[OpenwaEngine]:
    setup = OpenwaSetup(program=FixedProgram(("true",)), engine_context=new_context(environ={}), answer_timeout_s=10.0)
    async with OpenwaEngine(setup, SystemClock(), EngineFiles()) as engine:
        yield engine


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ({"exists": True, "whatsappId": CHAT}, ContactFound(exists=True, chat_id=CHAT)),
        ({"exists": False, "whatsappId": None}, ContactFound(exists=False, chat_id=None)),
        ({"exists": True, "whatsappId": "x" * 1000}, ContactFound(exists=True, chat_id=None)),
    ],
)
async def test_a_number_is_checked(engine: OpenwaEngine, launch: Launch, said: Json, found: ContactFound) -> None:
    async with serving(Peer({f"GET {ROOT}/contacts/check/85212345678": [(200, said)]}), launch):
        assert await engine.check_contact(SESSION, launch, "85212345678") == found


@pytest.mark.parametrize(("status", "said"), [(200, {"exists": "yes"}), (200, []), (200, "x"), (409, {}), (500, {})])
async def test_a_check_that_says_nothing_is_an_error(
    engine: OpenwaEngine, launch: Launch, status: int, said: Json
) -> None:
    async with serving(Peer({f"GET {ROOT}/contacts/check/85212345678": [(status, said)]}), launch):
        with pytest.raises(EngineError):
            await engine.check_contact(SESSION, launch, "85212345678")


def chats(first: int, count: int) -> list[Json]:
    return [{"id": f"{number}@c.us", "lastMessage": "hi"} for number in range(first, first + count)]


@pytest.mark.parametrize(
    ("pages", "count", "calls"),
    [
        ([[]], 0, 1),
        ([chats(0, 3)], 3, 1),
        ([chats(0, 1000), chats(1000, 10)], 1010, 2),
        ([chats(0, 1000), chats(0, 1000)], 1000, 2),
        ([chats(0, 3000)], 3000, 1),
        ([chats(0, 7000)], 5000, 1),
        ([chats(number * 1000, 1000) for number in range(9)], 5000, 5),
    ],
)
async def test_chats_are_listed_page_by_page_up_to_a_limit(
    engine: OpenwaEngine, launch: Launch, pages: list[list[Json]], count: int, calls: int
) -> None:
    async with serving(Peer({f"GET {ROOT}/chats": [(200, page) for page in pages]}), launch) as peer:
        found = await engine.list_chats(SESSION, launch)

    assert len(found) == count
    assert len(peer.calls) == calls


async def test_chats_without_an_id_are_left_out(engine: OpenwaEngine, launch: Launch) -> None:
    odd: Json = [{"id": CHAT}, {"id": 5}, {"id": "x" * 500}, {}, "x", None, {"id": "a\nb"}]
    async with serving(Peer({f"GET {ROOT}/chats": [(200, odd)]}), launch):
        assert await engine.list_chats(SESSION, launch) == [CHAT]


@pytest.mark.parametrize("said", [{}, "x", 5, None, "[" * 1000, " " * (9 << 20)])
async def test_a_list_that_is_none_is_an_error(engine: OpenwaEngine, launch: Launch, said: Json) -> None:
    async with serving(Peer({f"GET {ROOT}/chats": [(200, said)]}), launch):
        with pytest.raises(EngineError):
            await engine.list_chats(SESSION, launch)


async def test_what_left_in_a_chat_is_found_in_its_list(engine: OpenwaEngine, launch: Launch) -> None:
    own: Json = {
        "waMessageId": "3EB0",
        "chatId": CHAT,
        "to": CHAT,
        "body": "Hello",
        "direction": "outgoing",
        "status": "delivered",
        "timestamp": 1795332124,
    }
    rows: Json = [
        own,
        {"waMessageId": "A", "chatId": CHAT, "direction": "outgoing", "status": "pending", "timestamp": True},
        {"waMessageId": None, "chatId": CHAT, "direction": "outgoing"},
        {"waMessageId": "IN", "chatId": CHAT, "direction": "incoming"},
    ]
    async with serving(Peer({f"GET {ROOT}/messages": [(200, {"messages": rows, "total": 4})]}), launch):
        found = await engine.find_sent(SESSION, launch, CHAT)

    assert found == [
        SeenMessage(
            message_id="3EB0", chat_id=CHAT, body_sha256=body_sha256("Hello"), at=1795332124.0, fate="delivered"
        ),
        SeenMessage(message_id="A", chat_id=CHAT, body_sha256=body_sha256(""), at=None),
    ]


@pytest.mark.parametrize(
    ("fields", "restriction"),
    [
        ({}, None),
        (
            {"restriction": {"kind": "reachout_timelock", "code": "C", "expiresAt": "2026-11-22T08:22:16.675Z"}},
            Restriction(kind="reachout_timelock", code="C", expires_at="2026-11-22T08:22:16.675Z"),
        ),
        ({"status": "failed", "lastError": "closed (403)"}, Restriction(kind="banned")),
    ],
)
async def test_a_restriction_is_read_from_the_record(
    engine: OpenwaEngine, launch: Launch, fields: dict[str, Json], restriction: Restriction | None
) -> None:
    async with serving(Peer({f"GET {ROOT}": [(200, {**ROW, **fields})]}), launch):
        assert await engine.read_restriction(SESSION, launch) == restriction


async def test_a_memory_is_known_by_version_session_and_files(
    engine: OpenwaEngine, launch: Launch, tmp_path: Path
) -> None:
    (tmp_path / "data").mkdir()
    for name in ("main.sqlite", "openwa.sqlite"):
        (tmp_path / "data" / name).write_bytes(b"x" * 100)
    async with serving(Peer({"GET /api/health": [(200, {"status": "ok", "version": "0.25.1"})]}), launch) as peer:
        before = await engine.memory(SESSION, launch, tmp_path)
        again = await engine.memory(SESSION, launch, tmp_path)
        (tmp_path / "data" / "main.sqlite").unlink()
        after = await engine.memory(SESSION, launch, tmp_path)

    assert before == again
    assert (before.version, before.inner_id) == ("0.25.1", ID)
    assert before.keeps_keys
    assert before.data_id is not None
    assert after.data_id != before.data_id
    assert len(peer.calls) == 1


async def test_a_disk_that_does_not_answer_tells_of_no_memory(engine: OpenwaEngine, launch: Launch) -> None:
    nowhere = Path("/dev/null/session")
    async with serving(Peer({"GET /api/health": [(200, {"version": "0.25.0"})]}), launch):
        memory = await engine.memory(SESSION, launch, nowhere)

    assert memory.data_id is None


@pytest.mark.parametrize("health", [(200, {"status": "ok"}), (200, {"version": "soon"}), (200, []), (500, {})])
async def test_a_memory_that_does_not_tell_keeps_no_keys(
    engine: OpenwaEngine, launch: Launch, tmp_path: Path, health: tuple[int, Json]
) -> None:
    async with serving(Peer({"GET /api/health": [health]}), launch):
        memory = await engine.memory(SESSION, launch, tmp_path)

    assert (memory.version, memory.data_id) == (None, None)
    assert not memory.keeps_keys


async def test_only_engines_with_an_interface_for_it_can_send(engine: OpenwaEngine) -> None:
    command = CommandEngine(CommandSetup(argv=("true",), engine_context=new_context(environ={}), answer_timeout_s=1.0))

    assert isinstance(engine, CanSend)
    assert not isinstance(command, CanSend)
