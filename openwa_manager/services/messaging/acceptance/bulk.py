"""Takes many messages in at once: all of them become visible in one moment, or none.

Theory. Ten thousand messages are too much for one transaction, which would hold up all others, and too much for one
step of the event loop. So numbers are parsed and texts filled in by a thread, and the rows are written in slices that
nobody sees, because they belong to a batch that is `staging`; one update of the batch's row shows them all. What is
left of a batch that was cut off is removed before the next one begins, and at the daemon's start. One batch at a time
is taken in, so whatever is `staging` while none is belongs to nobody.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from math import isinf
from typing import Protocol

from openwa_manager.domain.errors import (
    IdempotencyMismatchError,
    InvalidInputError,
    MediaUnavailableError,
    NeverSendableError,
    StorageFullError,
)
from openwa_manager.domain.messaging.batches import BatchOrigin, BatchTerms, Rejection
from openwa_manager.domain.messaging.messages import BatchId, Body, MessageId, user_key_of
from openwa_manager.domain.messaging.outcomes import MediaFile
from openwa_manager.domain.session.session import Session, SessionId
from openwa_manager.domain.values import dataclass
from openwa_manager.services.changes import Topic
from openwa_manager.services.messaging.acceptance.answers import BulkAnswer
from openwa_manager.services.messaging.acceptance.drafts import Asked, BulkDraft
from openwa_manager.services.messaging.acceptance.preparing import (
    BatchCandidate,
    BatchFrame,
    KnownRecipients,
    Prepared,
    address,
    expiring,
    prepare,
    unnamed,
)
from openwa_manager.services.messaging.acceptance.rules import quota_month, require_opening, timing_of
from openwa_manager.services.messaging.acceptance.singles import Gate
from openwa_manager.services.messaging.acceptance.staging import (
    BatchPlan,
    Granted,
    begin,
    finish,
    grant,
    kept_of,
    new_messages,
)
from openwa_manager.services.messaging.media import MediaRequest
from openwa_manager.store.database import Connection
from openwa_manager.store.ids import new_id
from openwa_manager.store.messaging import batches, contacts, idempotency, messages, quotas
from openwa_manager.store.messaging.batches import SLICE
from openwa_manager.store.messaging.idempotency import REMEMBERED_S, Key
from openwa_manager.store.messaging.people.aliases import canonical_among


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What a batch would add to a session's queue; `char_count` is the mean length of its texts."""

    is_first_contact: Sequence[bool]
    terms: BatchTerms
    char_count: float


class Forecast(Protocol):
    """Tells when messages will have been sent."""

    async def finish_at(self, session: Session, load: Load) -> float:
        """Return when the last message of a load is sent, if nothing happens (wall time; infinity: never)."""
        ...


class BatchMedia(Protocol):
    """Has the files that the messages of a batch share."""

    def check_url(self, url: str) -> None:
        """Accept a URL that may be fetched.

        Raises:
            MediaUnavailableError: it may not.
        """
        ...

    async def prefetch(self, request: MediaRequest) -> MediaFile | None:
        """Return the file that all messages of a batch share; None: there is no room or no time for it now.

        Raises:
            MediaUnavailableError: it cannot be had.
            StorageFullError: the disk takes no file.
        """
        ...

    async def release(self, owner: str) -> None:
        """Remove the files of a batch that is not taken in."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkResult:
    """The answer to a batch, as JSON; `is_new` is false when it had been handed over before."""

    answer: bytes
    is_new: bool


class BulkAcceptance:
    """Takes batches in, one at a time; `accepted` tells of each that is there."""

    def __init__(self, gate: Gate, forecast: Forecast, media: BatchMedia) -> None:
        self._gate = gate
        self._forecast = forecast
        self._media = media
        self._turns: dict[str, asyncio.Lock] = {}
        self.accepted = Topic[BatchId]()

    @asynccontextmanager
    async def turn(self, of: str = "") -> AsyncIterator[None]:
        """Enter when no other batch is being taken in, of all those that share this key."""
        async with self._turns.setdefault(of, asyncio.Lock()):
            yield

    async def clear(self) -> None:
        """Remove what was left of batches that were cut off; nobody may be taking one in.

        Raises:
            StorageFullError: some of it is still there.
        """
        while await self._gate.records.read(batches.has_staging):
            await self._gate.records.write(batches.remove_staging)

    async def fetch_ahead(self, session: Session, body: Body, asked: Asked) -> BatchId | None:
        """Have the file of a template before the batch has its turn, and return the id it is then accepted under.

        None: the batch has been taken in. Nobody else should wait for a host that is slow.

        Raises:
            InvalidInputError: the file cannot be had.
            IdempotencyMismatchError: something else was handed over under this key.
        """
        key = _key_of(session, asked)
        if key is not None and await self._known(key, asked.body_sha256) is not None:
            return None
        self._check_url(body)
        batch_id = BatchId(new_id("batch", self._gate.clock.now().at))
        async with self._released(batch_id):
            await self._fetch(batch_id, body)
        return batch_id

    async def accept(
        self, session: Session, bulk: BulkDraft, asked: Asked, fetched_for: BatchId | None = None
    ) -> BulkResult:
        """Take a batch in, in its turn; the same answer for the same key. `fetched_for` is what `fetch_ahead` returned.

        Raises:
            InvalidInputError: a text, a time, the window or the file is none that can be used.
            IdempotencyMismatchError: something else was handed over under this key.
            NeverSendableError: there is no moment at which its messages could be sent.
            QueueFullError: too many messages wait already.
            QuotaExceededError: the user's month is used up, so nothing of it is taken.
            SessionNotFoundError: the session has been deleted meanwhile.
        """
        await self.clear()
        batch_id = fetched_for or BatchId(new_id("batch", self._gate.clock.now().at))
        async with self._released(batch_id):
            key = _key_of(session, asked)
            known = None if key is None else await self._known(key, asked.body_sha256)
            if known is None:
                plan = await self._plan(session, bulk, asked, key, batch_id)
                answer = await self._accept(session, bulk, plan, asked, is_fetched=fetched_for is not None)
        if known is not None:
            await self._media.release(batch_id)
            return BulkResult(answer=known, is_new=False)
        self.accepted.publish(batch_id)
        self._gate.wake(session.session_id)
        return BulkResult(answer=answer, is_new=True)

    @asynccontextmanager
    async def _released(self, batch_id: BatchId) -> AsyncIterator[None]:
        """Let go of the files of a batch that is not taken in after all."""
        try:
            yield
        except Exception:
            await self._media.release(batch_id)
            raise

    async def _accept(
        self, session: Session, bulk: BulkDraft, draft: BatchPlan, asked: Asked, *, is_fetched: bool
    ) -> bytes:
        finish_at = await self._finish_at(session, draft)
        plan = await asyncio.to_thread(_with_end, draft, bulk, finish_at, self._gate.rules.ttl_s)
        if bulk.body is not None and plan.prepared.taken and not is_fetched:
            await self._fetch(plan.batch_id, bulk.body)
        try:
            return await self._take_in(plan, bulk, finish_at, asked.write)
        except Exception:
            with suppress(StorageFullError):  # what is left is removed before the next batch
                await self.clear()
            raise

    async def rehearse(self, session: Session, bulk: BulkDraft) -> bytes:
        """Return the answer that a batch would get; nothing is kept.

        Raises:
            InvalidInputError, NeverSendableError: as for `accept`.
        """
        batch_id = BatchId(new_id("batch", self._gate.clock.now().at))
        plan = await self._plan(session, bulk, Asked(key=None, body_sha256=""), None, batch_id)
        left = None
        if plan.quota_month is not None:
            read = partial(quotas.read_quota, user_key=plan.origin.user_key, month=plan.quota_month)
            left = (await self._gate.records.read(read)).left
        count = len(plan.prepared.taken) if left is None else min(left, len(plan.prepared.taken))
        granted = grant(unnamed(plan.prepared), count, None if left is None else left - count)
        kept = replace(plan, prepared=Prepared(taken=granted.taken, rejected=granted.rejected))
        finish_at = await self._finish_at(session, kept)
        await asyncio.to_thread(_with_end, plan, bulk, finish_at, self._gate.rules.ttl_s)
        return await asyncio.to_thread(_answer(None, granted, _first_count(granted.taken), finish_at).to_json)

    async def _known(self, key: Key, body_sha256: str) -> bytes | None:
        before = await self._gate.records.read(partial(idempotency.find_key, key=key))
        if before is None:
            return None
        if before.body_sha256 != body_sha256 or before.answer is None:
            raise IdempotencyMismatchError("this Idempotency-Key stood with another body before: take a new one")
        return before.answer

    async def _plan(
        self, session: Session, bulk: BulkDraft, asked: Asked, key: Key | None, batch_id: BatchId
    ) -> BatchPlan:
        rules, now = self._gate.rules, self._gate.clock.now().at
        timing = timing_of(bulk.send_after, bulk.expires_at, now, rules.ttl_s)
        if bulk.expires_at is not None:
            require_opening(bulk.window, timing, now)
        self._check_url(bulk.body)
        chats = await asyncio.to_thread(address, bulk.entries, rules.default_region)
        chats, known = await self._look_up(session, chats, [each.reference for each in bulk.entries], asked)
        ids = await asyncio.to_thread(_new_ids, len(chats), now)
        frame = BatchFrame(timing=timing, now=now, ttl_s=rules.ttl_s, ids=ids)
        return BatchPlan(
            batch_id=batch_id,
            origin=BatchOrigin(
                session_id=session.session_id, user_id=session.spec.user_id, name=bulk.name, route=bulk.route
            ),
            terms=BatchTerms(
                expires_at=timing.expires_at,
                window=bulk.window,
                send_after=timing.send_after,
                stops_on_error=bulk.stops_on_error,
                gap_min_s=bulk.gap_min_s,
            ),
            prepared=await asyncio.to_thread(prepare, bulk, chats, known, frame),
            now=now,
            quota_month=quota_month(session.spec.user_id, now, rules),
            key=key,
            body_sha256=asked.body_sha256,
        )

    def _check_url(self, body: Body | None) -> None:
        if body is None or body.url is None:
            return
        try:
            self._media.check_url(body.url)
        except MediaUnavailableError as error:
            raise InvalidInputError("template", str(error)) from error

    async def _look_up(
        self,
        session: Session,
        chats: Sequence[str | Rejection],
        references: Sequence[str | None],
        asked: Asked,
    ) -> tuple[list[str | Rejection], KnownRecipients]:
        """Return the chats by the names they are compared by, and what is known of them; slice by slice."""
        looking = _Looking(session=session, gate=self._gate, is_keyed=asked.key is not None)
        for start in range(0, len(chats), SLICE):
            part = slice(start, start + SLICE)
            await self._gate.records.read(partial(looking.look, chats=chats[part], references=references[part]))
        return looking.result()

    async def _finish_at(self, session: Session, plan: BatchPlan) -> float | None:
        taken = plan.prepared.taken
        if not taken:
            return None
        lengths = sum(len(each.body.text) for each in taken)
        flags = [each.is_first_contact for each in taken]
        load = Load(is_first_contact=flags, terms=plan.terms, char_count=lengths / len(taken))
        finish_at = await self._forecast.finish_at(session, load)
        return max(finish_at, plan.now + plan.terms.gap_min_s * (len(taken) - 1))

    async def _fetch(self, batch_id: BatchId, body: Body) -> None:
        """Have the file of a template before anybody is promised that it is sent."""
        if body.url is None:
            return
        wanted = MediaRequest(kind=body.kind, url=body.url, batch_id=batch_id, filename=body.filename)
        try:
            await self._media.prefetch(wanted)
        except MediaUnavailableError as error:
            if body.fallback_text is None:
                raise InvalidInputError("template", str(error)) from error

    async def _take_in(
        self, plan: BatchPlan, bulk: BulkDraft, finish_at: float | None, write: Callable[[BulkAnswer], bytes]
    ) -> bytes:
        records = self._gate.records
        granted = await records.write(partial(begin, plan=plan, rules=self._gate.rules))
        first_count, kept = 0, kept_of(plan, bulk, granted)
        for start in range(0, len(kept), SLICE):
            news = new_messages(plan, kept[start : start + SLICE])
            rows = await asyncio.to_thread(messages.rows_of, news)
            stage = partial(batches.stage, session_id=plan.origin.session_id, rows=rows)
            first_count += await records.write(stage)
        answer = await asyncio.to_thread(write, _answer(plan.batch_id, granted, first_count, finish_at))
        await records.tell(partial(finish, plan=plan, kept=kept, answer=answer))
        return answer


def _key_of(session: Session, asked: Asked) -> Key | None:
    return None if asked.key is None else Key(session_id=session.session_id, scope=asked.scope, value=asked.key)


class _Looking:
    """Gathers what the database knows of those a batch is for."""

    def __init__(self, *, session: Session, gate: Gate, is_keyed: bool) -> None:
        self._session_id: SessionId = session.session_id
        self._user_key = user_key_of(session.session_id, session.spec.user_id)
        self._gate = gate
        self._chats: list[str | Rejection] = []
        self._suppressed: set[str] = set()
        self._contacts: set[str] = set()
        self._references: dict[str, MessageId] | None = None if is_keyed else {}

    def look(self, connection: Connection, chats: Sequence[str | Rejection], references: Sequence[str | None]) -> None:
        """Look at some hundreds of chats, and the references of the messages for them."""
        names = [chat for chat in chats if isinstance(chat, str)]
        other = canonical_among(connection, self._user_key, names)
        found = [other.get(chat, chat) if isinstance(chat, str) else chat for chat in chats]
        names = [chat for chat in found if isinstance(chat, str)]
        self._chats += found
        self._suppressed |= {*self._gate.find_suppressed(connection, self._user_key, names)}
        self._contacts |= contacts.known_among(connection, self._session_id, names)
        given = [each for each in references if each is not None]
        if self._references is not None and given:
            since = self._gate.clock.now().at - REMEMBERED_S
            self._references |= messages.find_references(connection, self._session_id, given, since)

    def result(self) -> tuple[list[str | Rejection], KnownRecipients]:
        """Return the chats, and what is known of them."""
        known = KnownRecipients(suppressed=self._suppressed, contacts=self._contacts, references=self._references)
        return self._chats, known


def _new_ids(count: int, now: float) -> list[MessageId]:
    return [MessageId(new_id("msg", now)) for _ in range(count)]


def _with_end(plan: BatchPlan, bulk: BulkDraft, finish_at: float | None, ttl_s: float) -> BatchPlan:
    """Return the plan whose messages expire some time after they should have been sent, unless the caller said when.

    Raises:
        NeverSendableError: they will never have been sent.
    """
    if bulk.expires_at is not None or finish_at is None:
        return plan
    if isinf(finish_at):
        raise NeverSendableError("the messages would never be sent: the window does not open, or not often enough")
    expires_at = max(plan.terms.expires_at, finish_at + ttl_s)
    taken = [expiring(each, plan.terms.expires_at, expires_at) for each in plan.prepared.taken]
    return replace(
        plan,
        terms=replace(plan.terms, expires_at=expires_at),
        prepared=replace(plan.prepared, taken=taken),
    )


def _first_count(taken: Sequence[BatchCandidate]) -> int:
    return Counter(each.is_first_contact for each in taken)[True]


def _answer(batch_id: BatchId | None, granted: Granted, first_count: int, finish_at: float | None) -> BulkAnswer:
    return BulkAnswer(
        batch_id=batch_id,
        accepted_count=len(granted.taken),
        rejected=granted.rejected,
        first_contact_count=first_count,
        finish_at=None if finish_at is None or isinf(finish_at) else finish_at,
        quota_left=granted.quota_left,
    )
