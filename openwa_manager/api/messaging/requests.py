"""The models of what callers give about messages and batches."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import AwareDatetime, ConfigDict, Field, StringConstraints, model_validator

from openwa_manager.api.requests import NAME_TEXT, NO_ZERO_TEXT, WEB_URL_TEXT, Body, EmptyList, Query, one_of
from openwa_manager.domain.messaging.batches import BATCH_MAX
from openwa_manager.domain.messaging.messages import MessageStatus
from openwa_manager.domain.messaging.recipients import TO_MAX_CHARS
from openwa_manager.domain.messaging.templates import VARIABLE_NAME_MAX_CHARS

#: How large the body of one message may be.
MESSAGE_MAX_BYTES = 64 << 10

#: Who it is for is looked at later: one recipient that is none refuses no batch.
To = Annotated[
    str,
    StringConstraints(max_length=1024),
    Field(description=f"A phone number in international form, or a chat id; at most {TO_MAX_CHARS} characters."),
]
_Words = Annotated[str, StringConstraints(pattern=NO_ZERO_TEXT)]
_MediaUrl = Annotated[str, StringConstraints(pattern=WEB_URL_TEXT, max_length=2048)]
_Filename = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f/\\]{1,255}$")]
_Reference = Annotated[str, StringConstraints(pattern=NAME_TEXT)]
_Name = Annotated[str, StringConstraints(pattern=NAME_TEXT)]
_VariableName = Annotated[str, StringConstraints(min_length=1, max_length=VARIABLE_NAME_MAX_CHARS)]
#: Null is a variable that is missing, as a database says it.
_Variable = _Words | int | float | None
_Variables = Annotated[dict[_VariableName, _Variable], Field(max_length=100), EmptyList]
#: One of these is what is sent.
_CONTENTS = ("text", "image_url", "video_url", "audio_url", "document_url")


class Content(Body):
    """What is sent: a text, or one file by its URL; `fallback_text` goes where the file cannot.

    A file may have a `caption`, unless it is audio, and a `filename`.
    """

    model_config = ConfigDict(json_schema_extra=one_of(*((name,) for name in _CONTENTS)))
    max_bytes: ClassVar[int] = MESSAGE_MAX_BYTES

    text: Annotated[_Words, Field(description="The text, at most 4,096 characters, not of spaces alone.")] | None = None
    image_url: _MediaUrl | None = None
    video_url: _MediaUrl | None = None
    audio_url: _MediaUrl | None = None
    document_url: _MediaUrl | None = None
    caption: _Words | None = None
    filename: _Filename | None = None
    fallback_text: _Words | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if sum(getattr(self, name) is not None for name in _CONTENTS) != 1:
            raise ValueError(f"exactly one of {', '.join(_CONTENTS)} must be given")
        if self.text is not None and (self.caption or self.filename or self.fallback_text):
            raise ValueError("caption, filename and fallback_text go with a file only")
        if self.audio_url is not None and self.caption:
            raise ValueError("WhatsApp shows no caption with audio")
        return self


class MessageIn(Content):
    """One message; `send_after` and `expires_at` say between which times it may be sent."""

    to: To
    reference: _Reference | None = None
    send_after: AwareDatetime | None = None
    expires_at: AwareDatetime | None = None
    priority: Literal["normal", "low"] | None = None


class RecipientIn(Body):
    """One recipient of a template, with the values of its variables."""

    to: To
    variables: _Variables | None = None
    reference: _Reference | None = None


class WindowIn(Body):
    """The hours in which a batch may be sent, on some days of the week (1 is Monday)."""

    first: Annotated[str, Field(alias="from", max_length=5)]
    to: Annotated[str, Field(max_length=5)]
    time_zone: Annotated[str, Field(max_length=64)] = "UTC"
    days: Annotated[tuple[Annotated[int, Field(ge=1, le=7)], ...], Field(min_length=1, max_length=7)] | None = None


class BulkIn(Body):
    """Many messages at once: whole ones, or a template and its recipients."""

    model_config = ConfigDict(json_schema_extra=one_of(("messages",), ("template", "recipients")))

    messages: Annotated[tuple[MessageIn, ...], Field(max_length=BATCH_MAX)] | None = None
    template: Content | None = None
    recipients: Annotated[tuple[RecipientIn, ...], Field(max_length=BATCH_MAX)] | None = None
    name: _Name | None = None
    window: WindowIn | None = None
    send_after: AwareDatetime | None = None
    expires_at: AwareDatetime | None = None
    dry_run: bool = False

    @model_validator(mode="after")
    def _has_one_form(self) -> Self:
        is_whole = self.messages is not None and self.template is None and self.recipients is None
        is_template = self.messages is None and self.template is not None and self.recipients is not None
        if not (is_whole or is_template):
            raise ValueError("give messages, or template and recipients")
        return self


class MessagesQuery(Query):
    """Which messages are wanted; one of the statuses must fit. `cursor` is the `next_cursor` of the page before."""

    repeated = frozenset({"status"})

    status: tuple[MessageStatus, ...] = ()
    to: Annotated[str, Field(max_length=1024)] | None = None
    batch_id: str | None = None
    reference: str | None = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    cursor: Annotated[str, StringConstraints(pattern=r"^[0-9]{1,18}$")] | None = None


class SettleIn(Body):
    """What a person found out about a message of which nothing was known."""

    verdict: Annotated[Literal["sent", "failed"], Field(alias="as")]


class BatchesQuery(Query):
    """How many batches are wanted; `cursor` is the `next_cursor` of the page before."""

    limit: Annotated[int, Field(ge=1, le=100)] = 20
    cursor: Annotated[str, StringConstraints(pattern=r"^batch_[0-9A-Za-z]{1,64}$")] | None = None


class BatchChange(Body):
    """Whether a batch goes on."""

    state: Literal["active", "paused"]
