"""Whom an engine can be made to call by what its callers say: not this host, and not its network."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from openwa_manager.domain.delivery.events import Json
from openwa_manager.processes.reading.identity import environment_of, live_identity_of
from tests.e2e.peers.daemon import Answer, Daemon, UnixConnection, eventually
from tests.e2e.peers.phones import Phones
from tests.e2e.peers.servers import Server, serving
from tests.e2e.peers.upstream import Upstream
from tests.e2e.test_openwa import begin, in_both_worlds, pair
from tests.engines.rig import ON_REAL_OPENWA, SLOW_S

Serve = Callable[..., Daemon]

CHAT = "628123456789@c.us"
#: A user's webhook, for an event that never comes.
THEIRS = "http://1.1.1.1/hook"
#: Another loopback address: it stands for a server of the admin's, which he allows.
ALLOWED_HOST = "127.0.0.2"


@dataclass(frozen=True, slots=True)
class Engine:
    """A session's engine, asked past the gateway, with its own key."""

    socket: Path
    env: Mapping[str, str]
    inner_id: str

    def ask(self, method: str, path: str, body: Mapping[str, Json] | None = None) -> Answer:
        """Call the engine about its session."""
        headers = {"X-API-Key": self.env["API_MASTER_KEY"], "Content-Type": "application/json"}
        raw = None if body is None else json.dumps(body)
        with closing(UnixConnection(self.socket)) as connection:
            connection.request(method, f"/api/sessions/{self.inner_id}{path}", raw, headers)
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())

    def hooks(self) -> list[str]:
        """Return where it posts."""
        return [hook["url"] for hook in json.loads(self.ask("GET", "/webhooks").raw)]


def engine_of(daemon: Daemon, session_id: str) -> Engine:
    session = daemon.session(session_id)
    identity = live_identity_of(session.number("pid"))
    assert identity is not None
    env = environment_of(identity)
    socket = Path(session.text("socket"))
    with closing(UnixConnection(socket)) as connection:
        connection.request("GET", "/api/sessions", headers={"X-API-Key": env["API_MASTER_KEY"]})
        (row,) = json.loads(connection.getresponse().read())
    return Engine(socket, env, row["id"])


@pytest.fixture
def canary() -> Iterator[Server]:
    """Give a server on loopback that no engine may reach, though the kernel would let it."""
    with serving() as server:
        yield server


def addresses_of(server: Server) -> list[str]:
    """Return the ways to write a server's address on loopback, and others where no caller's request may go."""
    spelled = ("127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]", "127.0.0.9", "0.0.0.0")  # noqa: S104
    return [
        *(f"http://{host}:{server.port}/secret.png" for host in spelled),
        "http://169.254.169.254/latest/meta-data/",
        "http://10.0.0.1/",
        "http://192.168.1.1/",
    ]


def begun(serve: Serve, phones: Phones, upstream: Upstream, *servers: Server, **engine_env: str) -> Daemon:
    """Start a daemon with one connected session, whose engine the kernel lets connect to these servers."""
    daemon = begin(
        serve,
        phones,
        upstream,
        ENGINE_ENV=json.dumps({**phones.engine_env, **engine_env}),
        ENGINE_CONNECT_PORTS=json.dumps([server.port for server in servers]),
    )
    pair(daemon, phones, "acme")
    return daemon


def ended(batch: Answer) -> dict[str, Json] | None:
    return batch.body if batch.body["status"] in ("completed", "failed") else None


@in_both_worlds
def test_an_engine_neither_fetches_from_this_host_nor_posts_to_it_whoever_asks(
    serve: Serve, phones: Phones, upstream: Upstream, canary: Server
) -> None:
    daemon = begun(serve, phones, upstream, canary)
    engine = engine_of(daemon, "acme")

    for url in [*addresses_of(canary), f"http://127.0.0.1:{daemon.port}/livez"]:
        media: Mapping[str, Json] = {"chatId": CHAT, "url": url}
        webhook: Mapping[str, Json] = {"url": url, "events": ["*"]}
        answers = [
            daemon.ask("POST", "/api/sessions/acme/messages/send-image", media),
            engine.ask("POST", "/messages/send-document", media),
            daemon.ask("POST", "/api/sessions/acme/webhooks", webhook),
            engine.ask("POST", "/webhooks", webhook),
        ]
        assert [answer.status for answer in answers] == [400] * 4, (url, answers)

    large: Mapping[str, Json] = {"chatId": CHAT, "url": f"{canary.url}/a.mp4", "caption": "x" * 200_000}
    assert daemon.ask("POST", "/api/sessions/acme/messages/send-video", large).status == 400
    many: Mapping[str, Json] = {
        "messages": [{"chatId": CHAT, "type": "image", "content": {"image": {"url": f"{canary.url}/a.png"}}}]
    }
    assert daemon.ask("POST", "/api/sessions/acme/messages/send-bulk", many).status == 400
    if phones.engine == "openwa":
        batch = engine.ask("POST", "/messages/send-bulk", many).text("batchId")
        status = eventually(lambda: ended(engine.ask("GET", f"/messages/batch/{batch}")), within_s=SLOW_S)
        assert "SEND_BLOCKED" in str(status)

    assert canary.asked == []


@in_both_worlds
def test_the_intakes_name_leads_to_no_other_port_and_is_another_one_for_the_next_launch(
    serve: Serve, phones: Phones, upstream: Upstream, canary: Server
) -> None:
    """Who knows the name gains nothing: the engine's guard lets it pass, and our shim holds it to its port."""
    daemon = begun(serve, phones, upstream, canary)
    engine = engine_of(daemon, "acme")
    name, hooks = engine.env["OPENWA_MANAGER_INTAKE_NAME"], "/api/sessions/acme/webhooks"
    hook = engine.ask("POST", "/webhooks", {"url": f"http://{name.upper()}:{canary.port}/", "events": ["*"]})
    tested = engine.ask("POST", f"/webhooks/{hook.text('id')}/test", {})
    engine.ask("DELETE", f"/webhooks/{hook.text('id')}")
    if phones.engine == "openwa":
        for scheme in ("http", "https"):
            media: Mapping[str, Json] = {"chatId": CHAT, "url": f"{scheme}://{name}:{canary.port}/"}
            assert engine.ask("POST", "/messages/send-image", media).status >= 400
    made = daemon.ask("POST", hooks, {"url": THEIRS, "events": ["call.missed"]})

    daemon.ask("POST", "/v1/sessions/acme/restart?wait=60")
    daemon.until("acme", "connected", within_s=SLOW_S)
    next_engine = engine_of(daemon, "acme")

    assert (hook.status, tested.body["success"], made.status) == (201, False, 201)
    assert canary.asked == []
    assert engine.env["SSRF_ALLOWED_HOSTS"] == name
    next_name = next_engine.env["OPENWA_MANAGER_INTAKE_NAME"]
    assert next_name != name
    assert [urlsplit(url).hostname for url in next_engine.hooks()] == [next_name] * 2
    assert [each["url"] for each in json.loads(daemon.ask("GET", hooks).raw)] == [THEIRS]


@pytest.mark.parametrize("phones", [pytest.param(Phones("openwa"), marks=ON_REAL_OPENWA, id="openwa")])
def test_a_redirect_from_a_host_that_is_allowed_leads_nowhere(
    serve: Serve, phones: Phones, upstream: Upstream, canary: Server
) -> None:
    with serving(ALLOWED_HOST) as plain, serving(ALLOWED_HOST, redirect_to=f"{canary.url}/secret.png") as leading:
        daemon = begun(serve, phones, upstream, canary, plain, leading, SSRF_ALLOWED_HOSTS=ALLOWED_HOST)
        engine = engine_of(daemon, "acme")

        for server, status in ((plain, 201), (leading, 400)):
            body: Mapping[str, Json] = {"chatId": CHAT, "url": f"{server.url}/a.png"}
            at_gateway = daemon.ask("POST", "/api/sessions/acme/messages/send-image", body)
            at_engine = engine.ask("POST", "/messages/send-image", body)
            assert (at_gateway.status, at_engine.status) == (status, status), (at_gateway.raw, at_engine.raw)
        hook = engine.ask("POST", "/webhooks", {"url": f"{leading.url}/hook", "events": ["*"]})
        tested = engine.ask("POST", f"/webhooks/{hook.text('id')}/test", {})

    assert plain.asked == ["GET /a.png"] * 2
    assert set(leading.asked) == {"GET /a.png", "POST /hook"}
    assert tested.body["success"] is False
    assert canary.asked == []
