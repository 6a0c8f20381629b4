"""Reads the body of a batch, which may be large, piece by piece: no parser ever has more than one message to do.

A parser that is written in C lets nobody else run while it works, in whatever thread: with some megabytes it would hold
up the whole daemon. So the text is cut at the elements of its one long list first, by what cannot be mistaken, strings
and brackets. Each element is then read by itself, and the rest, with an empty list, as any other body.
"""

import dataclasses
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from typing import TypeVar

from pydantic import ValidationError

from openwa_manager.api.errors import BadRequestError, TooLargeError
from openwa_manager.api.messaging.drafts import body_of, draft_of, hash_of, moment
from openwa_manager.api.messaging.requests import MESSAGE_MAX_BYTES, BulkIn, MessageIn, RecipientIn, WindowIn
from openwa_manager.api.requests import Body, object_text
from openwa_manager.api.routing import refusal_of
from openwa_manager.domain import foreign_json
from openwa_manager.domain.errors import InvalidInputError
from openwa_manager.domain.messaging.batches import BATCH_MAX
from openwa_manager.domain.messaging.windows import Window, window_of
from openwa_manager.domain.values import dataclass
from openwa_manager.services.messaging.acceptance.drafts import Addressee, BulkDraft, Draft

B = TypeVar("B", bound=Body)

#: How large the body of a batch may be, and that of it which is no message.
BULK_MAX_BYTES = 8 << 20
_REST_MAX_CHARS = 128 << 10
#: Of one message, or of the rest.
_VALUES_MAX = 1_000
#: The lists that are cut, as their names stand in the text.
_LISTS = {'"messages"': "messages", '"recipients"': "recipients"}
_NAME_MAX_CHARS = 64
_GAP_MAX_CHARS = 4096
_DEPTH_OF_ELEMENTS = 2
#: No search goes further at a time; what has longer strings is refused.
_STEP_CHARS = 128 << 10
_TOKEN = re.compile(r'[^"\[\]{}]*+("[^"\\]*+(?:\\.[^"\\]*+)*+"|[\[\]{}])?+', re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkRequest:
    """What a caller hands over; `body_sha256` is the same for the same request, however its JSON was written."""

    draft: BulkDraft
    is_dry_run: bool
    body_sha256: str


def read_bulk(raw: bytes) -> BulkRequest:
    """Read the body of a batch; takes half a second for the largest, so let a thread do it.

    Raises:
        BadRequestError: it is no JSON.
        UnreadableJsonError: it is no JSON that anybody should read.
        TooLargeError: what stands beside the messages is too large.
        InvalidInputError: it does not have the form of a batch.
    """
    cut = _cut(_decoded(object_text(raw)))
    rest = _read(cut.rest, BulkIn, "")
    if rest.template is None:
        messages = [*_each(cut.lists.get("messages", ()), MessageIn, "messages")]
        hashes = map(hash_of, messages)
        draft = _draft_of(rest, drafts=[draft_of(message) for message in messages])
    else:
        recipients = [*_each(cut.lists.get("recipients", ()), RecipientIn, "recipients")]
        hashes = map(hash_of, recipients)
        draft = _draft_of(rest, addressees=[_addressee_of(recipient) for recipient in recipients])
    if not draft.entries:
        raise InvalidInputError("messages" if rest.template is None else "recipients", "there is none")
    whole = "\n".join(["batch", hash_of(rest), *hashes])
    return BulkRequest(draft=draft, is_dry_run=rest.dry_run, body_sha256=hashlib.sha256(whole.encode()).hexdigest())


def _decoded(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise BadRequestError(f"the body is not UTF-8: {error.reason} at {error.start}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cut:
    """A text whose long lists are empty now, and their elements."""

    rest: str
    lists: Mapping[str, Sequence[str]]


def _cut(text: str) -> _Cut:
    """Cut the elements out of the lists of a text that should be an object with some."""
    cutter = _Cutter(text)
    for start, end in _tokens(text):
        cutter.take(text[start], start, end)
    rest = [*cutter.kept, text[cutter.kept_end :]]
    if sum(map(len, rest)) > _REST_MAX_CHARS:
        raise TooLargeError(f"what stands beside the messages has more than {_REST_MAX_CHARS} characters")
    return _Cut(rest="".join(rest), lists=cutter.lists)


def _tokens(text: str) -> Iterator[tuple[int, int]]:
    """Go through the strings and brackets of a text: where each begins and ends."""
    place = 0
    while place < len(text):
        found = _TOKEN.match(text, place, place + _STEP_CHARS)
        if found is None or found.end() == place:
            raise BadRequestError(f"a string has no end, or more than {_STEP_CHARS} characters")
        place = found.end()
        if found[1] is not None:
            yield found.span(1)


@dataclasses.dataclass(slots=True)
class _Cutter:
    """Follows a text token by token: how deep it is, and which list it is in (None: none)."""

    text: str
    lists: dict[str, list[str]] = field(default_factory=dict)
    kept: list[str] = field(default_factory=list)
    kept_end: int = 0
    depth: int = 0
    name: str | None = None
    last_string: str = ""
    element_start: int = 0
    element_end: int = 0

    def take(self, kind: str, start: int, end: int) -> None:
        """Take the next token: a string (told by its first character), or a bracket."""
        if start - max(self.kept_end, self.element_end) > _STEP_CHARS:
            raise TooLargeError(f"a message, or what stands beside them, has more than {_STEP_CHARS} characters")
        if kind == '"':
            self._take_string(start, end)
        elif kind in "[{":
            self._open(kind, start)
        else:
            self._close(start)

    def _take_string(self, start: int, end: int) -> None:
        if self.depth == _DEPTH_OF_ELEMENTS - 1:
            self.last_string = self.text[start:end] if end - start < _NAME_MAX_CHARS else ""
        elif self.depth == _DEPTH_OF_ELEMENTS and self.name is not None:
            raise self._no_element(self.name)

    def _open(self, kind: str, start: int) -> None:
        if self.depth == _DEPTH_OF_ELEMENTS - 1 and kind == "[":
            self._begin_list(start)
        elif self.depth == _DEPTH_OF_ELEMENTS and self.name is not None:
            self._require_gap(self.name, start)
            self.element_start = start
        self.depth += 1
        if self.depth > foreign_json.DEPTH_MAX:
            raise BadRequestError(f"the body is nested more than {foreign_json.DEPTH_MAX} deep")

    def _close(self, start: int) -> None:
        self.depth -= 1
        if self.depth < 0:
            raise BadRequestError("the body is not JSON: a bracket closes nothing")
        if self.name is None:
            return
        if self.depth == _DEPTH_OF_ELEMENTS:
            self._end_element(self.name, start + 1)
        elif self.depth < _DEPTH_OF_ELEMENTS:
            self._end_list(self.name, start)

    def _begin_list(self, start: int) -> None:
        name = _LISTS.get(self.last_string)
        if name is None:
            return
        if name in self.lists:
            raise BadRequestError(f"the body has {name} twice")
        self.name, self.lists[name] = name, []
        self.kept.append(self.text[self.kept_end : start + 1])
        self.element_end = start + 1

    def _end_element(self, name: str, end: int) -> None:
        elements = self.lists[name]
        if end - self.element_start > MESSAGE_MAX_BYTES:
            raise InvalidInputError(f"{name}.{len(elements)}", f"has more than {MESSAGE_MAX_BYTES} characters")
        if len(elements) >= BATCH_MAX:
            raise InvalidInputError(name, f"a batch has at most {BATCH_MAX} messages")
        elements.append(self.text[self.element_start : end])
        self.element_end = end

    def _end_list(self, name: str, start: int) -> None:
        if self.text[self.element_end : start].strip():
            raise self._no_element(name)
        self.name, self.kept_end = None, start

    def _require_gap(self, name: str, start: int) -> None:
        """Accept what stands between two elements: a comma, or nothing before the first."""
        gap = self.text[self.element_end : start].strip() if start - self.element_end < _GAP_MAX_CHARS else "?"
        if gap != ("," if self.lists[name] else ""):
            raise self._no_element(name)

    def _no_element(self, name: str) -> BadRequestError | InvalidInputError:
        return InvalidInputError(f"{name}.{len(self.lists[name])}", "must be an object, with a comma before the next")


def _each(elements: Sequence[str], model: type[B], name: str) -> Iterator[B]:
    for index, element in enumerate(elements):
        yield _read(element, model, f"{name}.{index}.")


def _read(text: str, model: type[B], prefix: str) -> B:
    try:
        return model.model_validate_json(foreign_json.make_safe(text, max_values=_VALUES_MAX))
    except ValidationError as error:
        raise refusal_of(error, prefix) from error


def _draft_of(rest: BulkIn, drafts: Sequence[Draft] = (), addressees: Sequence[Addressee] = ()) -> BulkDraft:
    return BulkDraft(
        drafts=drafts,
        body=None if rest.template is None else body_of(rest.template),
        addressees=addressees,
        name=rest.name,
        window=None if rest.window is None else _window_of(rest.window),
        send_after=moment(rest.send_after),
        expires_at=moment(rest.expires_at),
    )


def _window_of(given: WindowIn) -> Window:
    return window_of(given.first, given.to, given.time_zone, given.days)


def _addressee_of(given: RecipientIn) -> Addressee:
    variables = {name: str(value) for name, value in (given.variables or {}).items() if value is not None}
    return Addressee(to=given.to, variables=variables, reference=given.reference)
