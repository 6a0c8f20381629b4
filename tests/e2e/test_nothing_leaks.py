"""Secrets stay where they belong: in no log, error, metric, audit row, list of processes or text of the database."""

from collections import Counter
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.e2e.peers.daemon import Daemon, eventually
from tests.e2e.secrets.calls import Client, Request, Walk
from tests.e2e.secrets.marks import Marks
from tests.e2e.secrets.places import COLUMNS, columns_with, command_lines, files_with, printed_by, unfit_answers
from tests.e2e.secrets.story import ENGINE_ENV, LINKED, UNLINKED, UPSTREAM_SECRET, Story

Serve = Callable[..., Daemon]

SETTINGS = {
    "LOG_LEVEL": "debug",
    "PUBLIC_URL": "http://localhost:2790",
    "UPSTREAM_URL": "http://127.0.0.1:9/upstream",
    "UPSTREAM_SECRET": UPSTREAM_SECRET,
    "ALLOW_PRIVATE_ENDPOINTS": "true",
    "MESSAGE_GAP_MIN_S": "0",
    "MESSAGE_GAP_MAX_S": "0",
    "CONTACT_CHECK_GAP_S": "0",
    "SEND_TIMEOUT_S": "2",
}
#: What a walk must have met, or it has not tried what it says.
MET = {400, 401, 403, 404, 405, 409, 413, 415, 422, 429, 504}
#: What nobody but its owner has ever written; what people choose themselves cannot be told from a name.
OURS = (
    *("admin key", "viewer key", "sender key", "turned key", "wrong key", "engine key", "launch secret"),
    *("pairing token", "pairing cookie", "text that was sent"),
)
#: A person's number, and what was received, are in the audit's and the queue's own answers.
NOT_SENT_ABOUT = frozenset({"number"})


def told(serve: Serve, log_format: str) -> Story:
    """Return a daemon at which every secret was used as it is meant."""
    marks = Marks()
    marks.add("upstream secret", UPSTREAM_SECRET)
    marks.add("value in engine_env", ENGINE_ENV)
    env = {"CANARY": ENGINE_ENV, "SIM_QR_DELAY_S": "0.05"}
    story = Story(serve(engine_env=env, settings={**SETTINGS, "LOG_FORMAT": log_format}), marks)
    story.use_keys()
    endpoint_id = story.make_endpoints()
    story.make_sessions()
    story.read_codes()
    story.send()
    story.receive()
    story.note_engines()
    story.ids |= {"session_id": LINKED, "id": LINKED, "endpoint_id": endpoint_id, "user_id": "1"}
    story.ids["key_id"] = story.id_of("viewer")
    return story


def walk(story: Story) -> None:
    """Call every route with secrets in the wrong places, as the admin, as a viewer, and as a stranger."""
    values = story.marks.values
    secrets = [value for name, value in values.items() if name not in NOT_SENT_ABOUT]
    calls = Walk(story.daemon.ask("GET", "/openapi.json").body, secrets, [values[name] for name in OURS], story.ids)
    viewer, stranger = Client(story.daemon.port, story.keys["viewer"]), Client(story.daemon.port)

    def ask(number: int, request: Request) -> None:
        client = stranger if request.place == "login" else viewer if number % 7 == 0 else story.admin
        story.ask(client, request)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(ask, *zip(*enumerate([*calls, *calls.logins()]), strict=True)))


def break_engines(story: Story) -> None:
    """Have engines fail, hang and crash while they are sent secrets."""
    for session_id in (LINKED, UNLINKED):  # a secret in a header or a query does not keep a stop from stopping
        story.do("POST /v1/sessions/{session_id}/start", session_id=session_id)
    story.daemon.until(LINKED, "connected")
    story.daemon.until(UNLINKED, "qr_ready")
    body = {"chatId": "85212340177@c.us", "text": story.marks.values["text by the gateway"]}
    send = "POST /api/sessions/{id}/messages/send-text"
    for mode in ("500", "429", "hang"):
        story.daemon.steer(LINKED, f"fail?mode={mode}")
        story.do(send, body, id=LINKED)
    story.daemon.steer(LINKED, "crash")
    story.do(send, body, id=LINKED)
    number = story.marks.values["number to link"]
    story.daemon.steer(UNLINKED, "fail?mode=500")
    story.do("POST /v1/sessions/{session_id}/pairing-code", {"phone_number": number}, session_id=UNLINKED)
    story.daemon.until(LINKED, "connected")


def read_all(story: Story) -> None:
    """Read what tells of the past: metrics, the audit, timelines, pages of events and deliveries, logs of engines."""
    for line in (
        *("GET /metrics", "GET /v1/audit?limit=1000", "GET /v1/deliveries?limit=1000", "GET /v1/events?limit=1000"),
        *("GET /v1/keys", "GET /v1/endpoints", "GET /v1/sessions", "GET /api/sessions", "GET /v1/system"),
    ):
        story.do(line)
    for session_id in (LINKED, UNLINKED):
        for part in ("why", "events?limit=1000", "logs", "queue", "batches", "health"):
            story.do(f"GET /v1/sessions/{{session_id}}/{part}", session_id=session_id)
        story.do("GET /api/sessions/{id}/webhooks", id=session_id)


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("log_format", ["json", "console"])
def test_marked_secrets_are_found_only_where_they_belong(serve: Serve, log_format: str) -> None:
    story = told(serve, log_format)
    daemon, marks = story.daemon, story.marks

    walk(story)
    break_engines(story)
    processes = command_lines(daemon)
    daemon.kill()
    daemon.start(settings={"RATE_PER_S": "1000"})
    story.meet_limits()
    eventually(lambda: daemon.session(LINKED).body["status"] == "connected")
    read_all(story)
    story.note_engines()
    checked = printed_by(daemon, story.environ, "config", "check")
    daemon.terminate()

    statuses = Counter(each.answer.status for each in story.answers)
    held = columns_with(marks, daemon.home)
    allowed = {"admin.key": {"admin key"}, "manager.db": set().union(*held.values())}
    found = {
        "not met": MET - statuses.keys(),
        "log": lines_with(marks, daemon.log),
        "answers": unfit_answers(marks, story.answers),
        "printed": marks.found_in_all({"config check": checked, **processes}),
        "database": beyond(COLUMNS, held),
        "files": beyond(allowed, files_with(marks, daemon.home)),
    }
    assert {where: what for where, what in found.items() if what} == {}


def beyond(allowed: Mapping[str, AbstractSet[str]], found: Mapping[str, AbstractSet[str]]) -> dict[str, set[str]]:
    """Return by place what is found there and is not allowed there."""
    unfit = {place: set(names) - allowed.get(place, set()) for place, names in found.items()}
    return {place: names for place, names in unfit.items() if names}


def lines_with(marks: Marks, log: str) -> dict[str, str]:
    """Return by its name a line of the log for each secret in it."""
    return {name: line for line in log.splitlines() for name in marks.found_in(line.encode())}
