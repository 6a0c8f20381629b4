"""What the daemon that runs says: what its own doctor finds, and what each endpoint answers to a signed test event."""

import asyncio
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, Literal, TypedDict, assert_never, cast
from urllib.parse import quote

from openwa_manager.cli.client import Client
from openwa_manager.cli.errors import CommandFailedError, NoSuchThingError
from openwa_manager.domain.delivery.delivery import DEFAULT_ENDPOINT, Delivered, Endpoint, Gone, Rejected, Retry
from openwa_manager.domain.delivery.events import Event
from openwa_manager.domain.diagnosis.endpoint_rules import judge_answer, secret_findings, subject_of
from openwa_manager.domain.diagnosis.findings import Finding
from openwa_manager.domain.diagnosis.table import found
from openwa_manager.domain.errors import SessionNotFoundError
from openwa_manager.store.ids import new_id
from openwa_manager.webhooks.address import AddressGuard
from openwa_manager.webhooks.envelope import write_body
from openwa_manager.webhooks.sender import Sender

if TYPE_CHECKING:
    from openwa_manager.domain.delivery.events import Json

#: So many endpoints are tried, so many at once; each may take 15 s.
_TRIALS_MAX, _AT_ONCE = 24, 8
#: What an endpoint is found as by its answers, which a test now tells better than an earlier attempt.
_BY_ANSWER: Final = "webhook_"


class _Said(TypedDict):
    code: str
    level: Literal["ok", "warn", "fail"]
    subject: str
    detail: str
    cure: str | None


class _Findings(TypedDict):
    findings: Sequence[_Said]


class _Endpoint(TypedDict):
    endpoint_id: str
    active: bool


class _Endpoints(TypedDict):
    endpoints: Sequence[_Endpoint]


class _Trial(TypedDict):
    status: int | None
    error: str | None


def sessions_said(client: Client, patterns: Iterable[str]) -> Iterator[Finding]:
    """Yield what the daemon finds of the sessions that these ids or patterns name; raises as `Client.get`."""
    for pattern in patterns:
        try:
            answer = client.get("/v1/doctor", {"session_id": pattern})
        except SessionNotFoundError as error:
            raise NoSuchThingError(f"no session {pattern!r}; openwa-manager list shows them") from error
        yield from _said(answer)


def all_said(client: Client) -> Iterator[Finding]:
    """Yield what the daemon finds of itself, and what its endpoints answer to a test event now; raises as `get`."""
    try:
        known = list(_said(client.get("/v1/doctor")))
    except SessionNotFoundError:  # a daemon of an earlier version has no doctor
        known = []
    trials = list(_trials(client))
    tried = {each.subject for each in trials}
    yield from (each for each in known if not (each.subject in tried and each.code.startswith(_BY_ANSWER)))
    yield from trials


def _said(answer: "Json") -> Iterator[Finding]:
    for each in cast("_Findings", answer)["findings"]:
        yield Finding(each["code"], each["level"], each["detail"], each["cure"], each["subject"])


def _trials(client: Client) -> Iterator[Finding]:
    endpoints = cast("_Endpoints", client.get("/v1/endpoints"))["endpoints"]
    if not endpoints:
        yield found("upstream_missing")
    active = [each["endpoint_id"] for each in endpoints if each["active"]][:_TRIALS_MAX]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        yield from pool.map(lambda endpoint_id: _trial(client, endpoint_id), active)


def _trial(client: Client, endpoint_id: str) -> Finding:
    try:
        answer = client.post(f"/v1/endpoints/{quote(endpoint_id, safe='')}/test")
    except (CommandFailedError, SessionNotFoundError) as error:
        return Finding("endpoint_test", "warn", str(error), None, subject_of(endpoint_id))
    trial = cast("_Trial", answer)
    return judge_answer(endpoint_id, trial["status"], trial["error"])


def settings_said(url: str, secret: str | None) -> Iterator[Finding]:
    """Yield what the endpoint of the settings answers to a test event of ours, while no daemon runs that could post."""
    subject = subject_of(DEFAULT_ENDPOINT)
    yield from secret_findings(subject, None if secret is None else len(secret), is_set=secret is not None)
    if secret is not None:
        status, error = asyncio.run(_post(url, secret))
        yield judge_answer(DEFAULT_ENDPOINT, status, error)


async def _post(url: str, secret: str) -> tuple[int | None, str | None]:
    at = time.time()  # noqa: TID251 a signature tells people's time
    endpoint = Endpoint(endpoint_id=DEFAULT_ENDPOINT, url=url, secret=secret, created_at=at, updated_at=at)
    event_id = new_id("evt", at)
    event = Event(type="endpoint.test", occurred_at=at, data={"endpoint_id": DEFAULT_ENDPOINT})
    async with Sender(AddressGuard(exempt=(url,))) as sender:
        result = await sender.send(endpoint, event_id, write_body(event_id, event, "doctor"), at)
    match result:
        case Gone():
            return 410, None
        case Retry(status=status, reason=reason):
            return status, reason
        case Delivered(status=status) | Rejected(status=status):
            return status, None
        case _:
            assert_never(result)
