"""How messages and attempts become rows and come back."""

import sqlite3
from collections.abc import Mapping

from openwa_manager.domain import foreign_json
from openwa_manager.domain.delivery.events import Json
from openwa_manager.domain.errors import UnreadableJsonError
from openwa_manager.domain.messaging.messages import (
    Attempt,
    AttemptOutcome,
    BatchId,
    Body,
    Hold,
    HoldCode,
    Kind,
    Message,
    MessageError,
    MessageId,
    MessageStatus,
    Origin,
    Priority,
    Recipient,
    SendRoute,
    Times,
)
from openwa_manager.domain.session.session import SessionId
from openwa_manager.store.columns import Column, text, to_json

#: Rows of a batch that is still being taken in are nobody's yet: every query of `message` says so.
VISIBLE = "NOT EXISTS (SELECT 1 FROM batch WHERE batch.batch_id = message.batch_id AND batch.state = 'staging')"

_BODY_TEXTS = ("text", "url", "filename", "fallback_text", "media_name", "mimetype")


def body_json(body: Body) -> str:
    """Return a body as its column holds it."""
    values: dict[str, Json] = {name: value for name in _BODY_TEXTS if (value := getattr(body, name))}
    return to_json(values)


def message_of(row: sqlite3.Row) -> Message:
    """Return the message of a row of the table `message`."""
    kind = Kind(row["kind"])
    return Message(
        message_id=MessageId(row["message_id"]),
        seq=row["seq"],
        origin=_origin_of(row),
        recipient=Recipient(
            to=row["recipient"], chat_id=row["chat_id"], is_first_contact=bool(row["is_first_contact"])
        ),
        kind=kind,
        status=MessageStatus(row["status"]),
        times=_times_of(row),
        body=None if row["body"] is None else _body_of(kind, row["body"]),
        body_sha256=row["body_sha256"],
        hold=_hold_of(row),
        error=_error_of(row),
        whatsapp_message_id=row["whatsapp_message_id"],
        ack_overdue=bool(row["ack_overdue"]),
        quota_month=row["quota_month"],
        attempt_count=row["attempt_count"],
    )


def _origin_of(row: sqlite3.Row) -> Origin:
    return Origin(
        session_id=SessionId(row["session_id"]),
        user_id=row["user_id"],
        batch_id=BatchId(row["batch_id"]),
        reference=row["reference"],
        route=SendRoute(row["route"]),
        priority=Priority(row["priority"]),
        replaces=None if row["replaces"] is None else MessageId(row["replaces"]),
    )


def _times_of(row: sqlite3.Row) -> Times:
    return Times(
        created_at=row["created_at"],
        send_after=row["send_after"],
        expires_at=row["expires_at"],
        sent_at=row["sent_at"],
        acked_at=row["acked_at"],
        delivered_at=row["delivered_at"],
        read_at=row["read_at"],
        ended_at=row["ended_at"],
    )


def _body_of(kind: Kind, stored: str) -> Body:
    try:
        values = foreign_json.parse(stored)
    except UnreadableJsonError:
        values = {}
    texts: Mapping[str, Json] = values if isinstance(values, dict) else {}
    found = {name: value for name in _BODY_TEXTS if isinstance(value := texts.get(name), str)}
    return Body(
        kind=kind,
        text=found.get("text", ""),
        url=found.get("url"),
        filename=found.get("filename"),
        fallback_text=found.get("fallback_text"),
        media_name=found.get("media_name"),
        mimetype=found.get("mimetype"),
    )


def _hold_of(row: sqlite3.Row) -> Hold | None:
    if row["hold_code"] is None:
        return None
    return Hold(code=HoldCode(row["hold_code"]), detail=row["hold_detail"] or "", until=row["hold_until"])


def _error_of(row: sqlite3.Row) -> MessageError | None:
    return None if row["error_code"] is None else MessageError(code=row["error_code"], detail=row["error_detail"] or "")


def attempt_of(row: sqlite3.Row) -> Attempt:
    """Return the attempt of a row of the table `attempt`."""
    return Attempt(
        number=row["number"],
        at=row["at"],
        ended_at=row["ended_at"],
        outcome=None if row["outcome"] is None else AttemptOutcome(row["outcome"]),
        http_status=row["http_status"],
        code=row["code"],
        next_at=row["next_at"],
        engine_version=row["engine_version"],
        inner_id=row["inner_id"],
        data_id=row["data_id"],
        key=row["key"],
    )


def attempt_row(seq: int, attempt: Attempt) -> dict[str, Column]:
    """Return the row of an attempt at the message with this `seq`."""
    return {
        "message_seq": seq,
        "number": attempt.number,
        "at": attempt.at,
        "ended_at": attempt.ended_at,
        "outcome": attempt.outcome,
        "http_status": attempt.http_status,
        "code": attempt.code,
        "next_at": attempt.next_at,
        "engine_version": None if attempt.engine_version is None else text(attempt.engine_version),
        "inner_id": None if attempt.inner_id is None else text(attempt.inner_id),
        "data_id": None if attempt.data_id is None else text(attempt.data_id),
        "key": attempt.key,
    }
