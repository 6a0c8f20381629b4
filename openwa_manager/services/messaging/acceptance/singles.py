"""Takes messages in one by one: each is on disk, with its quota, before the caller hears of it."""

import asyncio
from collections.abc import Callable
from functools import partial

from openwa_manager.domain.errors import (
    IdempotencyMismatchError,
    IllegalTransitionError,
    MessageNotFoundError,
    OpenwaManagerError,
    OptedOutError,
)
from openwa_manager.domain.messaging.messages import RESENDABLE, Body, Message, MessageStatus, Origin, Recipient, Times
from openwa_manager.domain.messaging.recipients import chat_id_of, is_person
from openwa_manager.domain.ports import Clock
from openwa_manager.domain.session.session import Session, SessionId
from openwa_manager.domain.values import dataclass
from openwa_manager.services.messaging.acceptance.drafts import Asked, Draft, require_texts
from openwa_manager.services.messaging.acceptance.refusals import Refusals
from openwa_manager.services.messaging.acceptance.rules import (
    CheckFirstContact,
    FindSuppressed,
    Rules,
    quota_error,
    quota_month,
    require_room,
    require_session,
    timing_of,
)
from openwa_manager.services.messaging.records import MessageRecords
from openwa_manager.store.database import Connection
from openwa_manager.store.messaging import contacts, messages, quotas
from openwa_manager.store.messaging.idempotency import (
    REMEMBERED_S,
    Key,
    KeyScope,
    Remembered,
    find_key,
    remember_key,
)
from openwa_manager.store.messaging.messages import NewMessage, body_sha256
from openwa_manager.store.messaging.people.aliases import canonical


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """A message that was handed over; `is_new` is false when it had been before."""

    message: Message
    is_new: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What decides whether a message is taken in, and who is told of one that was.

    `wake` has a session's queue look again; `note` hears of each single message that is new, `refusals` of each that is
    not taken in.
    """

    records: MessageRecords
    clock: Clock
    rules: Rules
    find_suppressed: FindSuppressed
    check_first_contact: CheckFirstContact
    wake: Callable[[SessionId], None]
    note: Callable[[Message], None]
    refusals: Refusals


class SingleAcceptance:
    """Takes messages in one by one."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    async def accept(self, session: Session, draft: Draft, asked: Asked) -> Accepted:
        """Return the message, once it is on disk; the same one for the same key, or reference without a key.

        Raises:
            InvalidRecipientError: nobody can be written to under that name.
            InvalidInputError: a text or a time is none that can be used.
            IdempotencyMismatchError: something else was handed over under this key.
            NeverSendableError: it expires before it may be sent.
            OptedOutError: the recipient wants no messages.
            QueueFullError: too many wait already.
            QuotaExceededError: the user's month is used up.
            FirstContactCapError: the session has written to enough new people today.
            SessionNotFoundError: the session has been deleted meanwhile.
        """
        try:
            accepted = await self._accept(session, draft, asked)
        except OpenwaManagerError as error:
            self._gate.refusals.note(session.session_id, error.code)
            raise
        self._tell(accepted)
        return accepted

    async def _accept(self, session: Session, draft: Draft, asked: Asked) -> Accepted:
        gate = self._gate
        require_texts(draft.body)
        chat_id = await asyncio.to_thread(chat_id_of, draft.to, gate.rules.default_region)
        origin = Origin(
            session_id=session.session_id,
            user_id=session.spec.user_id,
            reference=draft.reference,
            priority=draft.priority,
        )
        take = partial(_take_in, gate=gate, origin=origin, draft=draft, chat_id=chat_id, asked=asked)
        return await gate.records.write(take)

    async def resend(self, session: Session, message: Message, body: Body) -> Accepted:
        """Return a new message that says the same to the same chat, once it is on disk.

        It is the one of an earlier call if that waits or was sent.

        Raises:
            IllegalTransitionError: meanwhile it was found out that the message was sent.
            OptedOutError: the recipient wants no messages any more.
            QueueFullError: too many wait already.
            QuotaExceededError: the user's month is used up.
            FirstContactCapError: the session has written to enough new people today.
            SessionNotFoundError: the session has been deleted meanwhile.
        """
        origin = Origin(
            session_id=session.session_id,
            user_id=session.spec.user_id,
            reference=message.origin.reference,
            replaces=message.message_id,
        )
        draft = Draft(to=message.recipient.to, body=body, reference=message.origin.reference)
        add = partial(_replace, gate=self._gate, origin=origin, draft=draft, message=message)
        accepted = await self._gate.records.write(add)
        self._tell(accepted)
        return accepted

    def _tell(self, accepted: Accepted) -> None:
        if accepted.is_new:
            self._gate.note(accepted.message)
            self._gate.wake(accepted.message.origin.session_id)


#: What callers call that by which the same message is known.
_NAMES = {
    KeyScope.API: "Idempotency-Key",
    KeyScope.GATEWAY: "Idempotency-Key",
    KeyScope.REFERENCE: "reference",
}


def _take_in(connection: Connection, gate: Gate, origin: Origin, draft: Draft, chat_id: str, asked: Asked) -> Accepted:
    key = _key_of(origin, asked)
    known = None if key is None else _known(connection, gate, key, draft, chat_id, asked)
    if known is not None:
        return Accepted(message=known, is_new=False)
    message = _add(connection, gate, origin, draft, chat_id)
    if key is not None:
        asked_before = Remembered(body_sha256=asked.body_sha256, target=message.message_id)
        remember_key(connection, key, asked_before, message.times.created_at)
    return Accepted(message=message, is_new=True)


def _replace(connection: Connection, gate: Gate, origin: Origin, draft: Draft, message: Message) -> Accepted:
    before = messages.find_replacement(connection, message.message_id)
    if before is not None and before.status not in RESENDABLE | {MessageStatus.CANCELLED}:
        return Accepted(message=before, is_new=False)
    now = messages.find_message(connection, message.message_id)
    if now is not None and now.status not in RESENDABLE:
        raise IllegalTransitionError(
            f"the message is {now.status}; only one that did not get through can be sent again"
        )
    return Accepted(message=_add(connection, gate, origin, draft, message.recipient.chat_id), is_new=True)


def _key_of(origin: Origin, asked: Asked) -> Key | None:
    if asked.key is not None:
        return Key(session_id=origin.session_id, scope=KeyScope.API, value=asked.key)
    if origin.reference is not None:
        return Key(session_id=origin.session_id, scope=KeyScope.REFERENCE, value=origin.reference)
    return None


def _known(connection: Connection, gate: Gate, key: Key, draft: Draft, chat_id: str, asked: Asked) -> Message | None:
    """Return the message that was handed over under this key; None when none was."""
    before = find_key(connection, key)
    if before is not None:
        if before.body_sha256 != asked.body_sha256:
            raise IdempotencyMismatchError(f"this {_NAMES[key.scope]} stood with another body before: take a new one")
        message = messages.find_message(connection, before.target)
        if message is None:
            raise MessageNotFoundError("the message that was handed over under this key has been erased")
        return message
    if key.scope is not KeyScope.REFERENCE:
        return None
    since = gate.clock.now().at - REMEMBERED_S
    found = messages.find_references(connection, key.session_id, [key.value], since).get(key.value)
    message = messages.find_message(connection, found) if found else None
    if message is not None and not _is_same(message, draft, chat_id):
        raise IdempotencyMismatchError("another message of this session has this reference")
    return message


def _is_same(message: Message, draft: Draft, chat_id: str) -> bool:
    """Tell whether a message that came another way, in a batch or under a key, says the same to the same chat."""
    says_same = message.kind is draft.body.kind and message.body_sha256 == body_sha256(draft.body)
    return says_same and message.recipient.chat_id == chat_id


def _add(connection: Connection, gate: Gate, origin: Origin, draft: Draft, chat_id: str) -> Message:
    now, rules = gate.clock.now().at, gate.rules
    chat_id = canonical(connection, origin.user_key, chat_id)
    timing = timing_of(draft.send_after, draft.expires_at, now, rules.ttl_s)
    require_session(connection, origin.session_id)
    if gate.find_suppressed(connection, origin.user_key, [chat_id]):
        raise OptedOutError("the recipient wants no messages of this user")
    is_first = is_person(chat_id) and not contacts.is_known(connection, origin.session_id, chat_id)
    new = NewMessage(
        origin=origin,
        recipient=Recipient(to=draft.to, chat_id=chat_id, is_first_contact=is_first),
        body=draft.body,
        times=Times(created_at=now, send_after=timing.send_after, expires_at=timing.expires_at),
        hold=timing.hold(now),
        quota_month=quota_month(origin.user_id, now, rules),
    )
    require_room(connection, origin.session_id, 1, messages.size_of(draft.body), rules.limits)
    if new.quota_month is not None and not quotas.reserve(connection, origin.user_key, new.quota_month, 1):
        raise quota_error(now, rules)
    if is_first:
        gate.check_first_contact(connection, origin.session_id, now)
    return messages.add_message(connection, new)
