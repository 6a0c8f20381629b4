"""Which messages of a batch are taken, and which are not, and why: decided one by one, in the order of the request."""

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from dataclasses import field, replace

from openwa_manager.domain.errors import InvalidInputError, InvalidRecipientError, NeverSendableError
from openwa_manager.domain.messaging.batches import Rejection, RejectionCode
from openwa_manager.domain.messaging.messages import Body, Kind, MessageId, Priority
from openwa_manager.domain.messaging.recipients import chat_id_of, is_person
from openwa_manager.domain.messaging.templates import (
    TEXT_MAX_CHARS,
    Template,
    TextFault,
    Unfilled,
    template_of,
    text_problem,
    too_long,
)
from openwa_manager.domain.values import dataclass
from openwa_manager.services.messaging.acceptance.drafts import Addressee, BulkDraft, Draft, text_limit, texts_of
from openwa_manager.services.messaging.acceptance.rules import Timing, timing_of
from openwa_manager.store.messaging.messages import size_of

_Entry = Draft | Addressee


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownRecipients:
    """What the database knows of those a batch is for.

    `suppressed` are chats that are not written to, `contacts` those somebody has written in through the session;
    `references` are those of messages of the session, None where references may repeat.
    """

    suppressed: Collection[str] = frozenset()
    contacts: Collection[str] = frozenset()
    references: Mapping[str, MessageId] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchCandidate:
    """A message of a batch that is taken, if the quota allows; one with a `refusal` is kept as one that has failed."""

    index: int
    message_id: MessageId
    to: str
    chat_id: str
    body: Body
    timing: Timing
    is_first_contact: bool
    reference: str | None = None
    priority: Priority = Priority.LOW
    refusal: Rejection | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What became of a request: the messages that are taken, and those that are not.

    `size_bytes` is what the taken ones take on disk, roughly.
    """

    taken: Sequence[BatchCandidate]
    rejected: Sequence[Rejection]
    size_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchFrame:
    """What all messages of a batch have in common: when they may be sent, at wall time `now`, and how they are named.

    `ids` are those of the messages, by their place; `ttl_s` is how long one may wait that has times of its own.
    """

    timing: Timing
    now: float
    ttl_s: float
    ids: Sequence[MessageId]


@dataclass(frozen=True, slots=True, kw_only=True)
class Filling:
    """A body whose texts are filled in for each recipient."""

    body: Body
    text: Template
    fallback: Template | None

    def fill(self, variables: Mapping[str, str]) -> Body | Unfilled:
        """Return the body for one recipient, or why there is none."""
        text = self.text.fill(variables, text_limit(self.body.kind))
        if isinstance(text, Unfilled):
            return text
        fallback = self.fallback.fill(variables, TEXT_MAX_CHARS) if self.fallback else None
        if isinstance(fallback, Unfilled):
            return fallback
        return replace(self.body, text=text, fallback_text=fallback)


def filling_of(body: Body) -> Filling:
    """Take the texts of a template apart.

    Raises:
        InvalidInputError: one is empty, too long, or has braces that are no variable.
    """
    name = "template.text" if body.kind is Kind.TEXT else "template.caption"
    text = template_of(body.text, name)
    fallback = None if body.fallback_text is None else template_of(body.fallback_text, "template.fallback_text")
    if body.kind is Kind.TEXT or body.text:
        _require_some(name, text, text_limit(body.kind))
    if fallback is not None:
        _require_some("template.fallback_text", fallback, TEXT_MAX_CHARS)
    return Filling(body=body, text=text, fallback=fallback)


def _require_some(field_name: str, template: Template, limit: int) -> None:
    problem = None if template.names else text_problem(template.pieces[0], limit)
    if problem is not None:
        raise InvalidInputError(field_name, problem)


def address(entries: Sequence[_Entry], default_region: str | None) -> list[str | Rejection]:
    """Return the chat of each entry, or why it has none; takes some seconds for very many."""
    return [_address(index, entry, default_region) for index, entry in enumerate(entries)]


def _address(index: int, entry: _Entry, default_region: str | None) -> str | Rejection:
    try:
        return chat_id_of(entry.to, default_region)
    except InvalidRecipientError as error:
        return Rejection(index=index, code=RejectionCode.INVALID_RECIPIENT, detail=str(error))


def prepare(bulk: BulkDraft, chats: Sequence[str | Rejection], known: KnownRecipients, frame: BatchFrame) -> Prepared:
    """Decide about each message.

    Raises:
        InvalidInputError: a text is empty, or a time is none that can be used.
        NeverSendableError: a message expires before it may be sent.
    """
    choice = _Choice(
        known=known,
        frame=frame,
        filling=None if bulk.body is None else filling_of(bulk.body),
    )
    for index, (entry, chat) in enumerate(zip(bulk.entries, chats, strict=True)):
        decided = chat if isinstance(chat, Rejection) else choice.decide(index, entry, chat)
        if isinstance(decided, Rejection):
            choice.rejected.append(decided)
        else:
            choice.take(decided)
    size_bytes = sum(size_of(each.body) for each in choice.taken)
    return Prepared(taken=choice.taken, rejected=choice.rejected, size_bytes=size_bytes)


@dataclasses.dataclass(slots=True, kw_only=True)
class _Choice:
    """What was decided so far; only messages that are taken make others duplicates."""

    known: KnownRecipients
    frame: BatchFrame
    filling: Filling | None
    taken: list[BatchCandidate] = field(default_factory=list)
    rejected: list[Rejection] = field(default_factory=list)
    by_chat: dict[str, MessageId] = field(default_factory=dict)
    by_reference: dict[str, MessageId] = field(default_factory=dict)

    def decide(self, index: int, entry: _Entry, chat_id: str) -> BatchCandidate | Rejection:
        """Return the message for this entry, or why there is none."""
        duplicate = self._duplicate(index, entry, chat_id)
        if duplicate is not None:
            return duplicate
        if chat_id in self.known.suppressed:
            detail = "the recipient wants no messages of this user"
            return Rejection(index=index, code=RejectionCode.OPTED_OUT, detail=detail)
        body = self._body(index, entry)
        if isinstance(body, Unfilled):
            return Rejection(index=index, code=RejectionCode(body.fault.value), detail=body.detail)
        return BatchCandidate(
            index=index,
            message_id=self.frame.ids[index],
            to=entry.to,
            chat_id=chat_id,
            body=body,
            timing=self._timing(index, entry),
            is_first_contact=is_person(chat_id) and chat_id not in self.known.contacts,
            reference=entry.reference,
        )

    def take(self, candidate: BatchCandidate) -> None:
        """Note that a message is taken."""
        self.taken.append(candidate)
        self.by_chat[candidate.chat_id] = candidate.message_id
        if candidate.reference is not None:
            self.by_reference[candidate.reference] = candidate.message_id

    def _duplicate(self, index: int, entry: _Entry, chat_id: str) -> Rejection | None:
        before = self.by_chat.get(chat_id) if self.filling is not None else None
        if before is not None:
            return _duplicate(index, "the batch has a message for this chat already", before)
        if self.known.references is None or entry.reference is None:
            return None
        before = self.known.references.get(entry.reference) or self.by_reference.get(entry.reference)
        return _duplicate(index, "another message has this reference", before) if before else None

    def _body(self, index: int, entry: _Entry) -> Body | Unfilled:
        if isinstance(entry, Addressee):
            return self._filled(entry)
        for name, text, limit in texts_of(entry.body):
            if len(text) > limit:
                return Unfilled(fault=TextFault.TEXT_TOO_LONG, detail=f"{name} {too_long(len(text), limit)}")
            if (problem := text_problem(text, limit)) is not None:
                raise InvalidInputError(f"messages.{index}.{name}", problem)
        return entry.body

    def _filled(self, entry: Addressee) -> Body | Unfilled:
        if self.filling is None:
            raise AssertionError("recipients come with a template")
        return self.filling.fill(entry.variables)

    def _timing(self, index: int, entry: _Entry) -> Timing:
        if isinstance(entry, Addressee) or (entry.send_after is None and entry.expires_at is None):
            return self.frame.timing
        common = self.frame.timing
        send_after = common.send_after if entry.send_after is None else entry.send_after
        try:
            own = timing_of(send_after, entry.expires_at, self.frame.now, self.frame.ttl_s)
        except InvalidInputError as error:
            raise _at(index, error) from error
        except NeverSendableError as error:
            raise NeverSendableError(f"messages.{index}: {error}") from error
        return own if entry.expires_at is not None else replace(own, expires_at=max(own.expires_at, common.expires_at))


def _at(index: int, error: InvalidInputError) -> InvalidInputError:
    return InvalidInputError(f"messages.{index}.{error.field}", str(error).removeprefix(f"{error.field}: "))


def _duplicate(index: int, detail: str, before: MessageId) -> Rejection:
    return Rejection(index=index, code=RejectionCode.DUPLICATE, detail=detail, message_id=before)


def unnamed(prepared: Prepared) -> Prepared:
    """Return what was decided without the ids of messages that will not be kept."""
    made = {each.message_id for each in prepared.taken}
    rejected = [replace(each, message_id=None) if each.message_id in made else each for each in prepared.rejected]
    return replace(prepared, rejected=rejected)


def expiring(candidate: BatchCandidate, before: float, expires_at: float) -> BatchCandidate:
    """Return the message with the batch's new end; one that has an end of its own keeps it."""
    timing: Timing = candidate.timing
    if timing.expires_at != before:
        return candidate
    return replace(candidate, timing=replace(timing, expires_at=expires_at))
