"""What the API answers about messages, as the tests of these commands show and read it."""

from openwa_manager.domain.delivery.events import Json

SESSION = "user_1_session_a"
MESSAGE_ID = "msg_01KB0000000000000000000001"
BATCH_ID = "batch_01KB0000000000000000000001"
AT = "2026-11-22T07:22:04.165Z"


def message(**changes: Json) -> dict[str, Json]:
    """Return a message as the API answers it."""
    whole: dict[str, Json] = {
        "message_id": MESSAGE_ID,
        "session_id": SESSION,
        "user_id": "1",
        "batch_id": None,
        "reference": None,
        "route": "api",
        "priority": "normal",
        "to": "+85212345678",
        "chat_id": "85212345678@c.us",
        "kind": "text",
        "status": "queued",
        "hold": None,
        "error_code": None,
        "error_detail": None,
        "whatsapp_message_id": None,
        "attempts": [],
        "position": None,
        "estimated_at": None,
        "is_first_contact": False,
        "ack_overdue": False,
        "replaces": None,
        "created_at": AT,
        "send_after": None,
        "expires_at": "2026-11-23T07:22:04.165Z",
        "sent_at": None,
        "delivered_at": None,
        "read_at": None,
        "ended_at": None,
    }
    return whole | changes


def failed(**changes: Json) -> dict[str, Json]:
    """Return a message that cannot be sent."""
    return message(status="failed", error_code="engine_refused", error_detail="no such chat", ended_at=AT, **changes)


def batch(**changes: Json) -> dict[str, Json]:
    """Return a batch as the API answers it."""
    whole: dict[str, Json] = {
        "batch_id": BATCH_ID,
        "session_id": SESSION,
        "user_id": "1",
        "name": "autumn",
        "state": "active",
        "accepted": 1200,
        "rejected": {"duplicate": 2},
        "counts": {"queued": 600, "sent": 500, "delivered": 90, "failed": 10},
        "hold": None,
        "reply_share": 0.1,
        "estimated_at": "2026-11-22T08:22:04.165Z",
        "created_at": AT,
        "send_after": None,
        "expires_at": "2026-11-23T07:22:04.165Z",
        "ended_at": None,
    }
    return whole | changes


def queue(**changes: Json) -> dict[str, Json]:
    """Return a session's queue as the API answers it."""
    whole: dict[str, Json] = {
        "session_id": SESSION,
        "state": "active",
        "profile": "guide",
        "hold": None,
        "length": 1234,
        "by_status": {"queued": 1234, "sent": 20},
        "by_hold": {"none": 1200, "send_after": 34},
        "next_message_id": MESSAGE_ID,
        "gap": {"min_s": 1.2, "max_s": 1.8, "free_at": AT},
        "sent_per_minute": 20,
        "sent_per_hour": 1100,
        "failure_rate": 0.0123,
        "seconds_per_send": 1.5,
        "first_contacts_today": 3,
        "first_contacts_left": None,
        "estimated_at": "2026-11-22T08:22:04.165Z",
    }
    return whole | changes
