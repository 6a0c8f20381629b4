"""What callers are told of a batch that was taken in, as it is kept with their key."""

import json
from collections.abc import Sequence

from openwa_manager.domain.delivery.events import Json
from openwa_manager.domain.messaging.batches import Rejection
from openwa_manager.domain.messaging.messages import BatchId
from openwa_manager.domain.times import iso8601
from openwa_manager.domain.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkAnswer:
    """What was taken of a batch, or would be (then it has no id).

    `finish_at` is when the last message will have been sent (wall time; None: nobody can tell), `quota_left` how many
    more the user may send in this month (None: any number).
    """

    batch_id: BatchId | None
    accepted_count: int
    rejected: Sequence[Rejection]
    first_contact_count: int
    finish_at: float | None
    quota_left: int | None

    def to_json(self) -> bytes:
        """Return it as JSON; some thousand rejections take some milliseconds."""
        answer: dict[str, Json] = {
            "batch_id": self.batch_id,
            "accepted": self.accepted_count,
            "rejected": [_rejection(each) for each in self.rejected],
            "first_contacts": self.first_contact_count,
            "finish_at": None if self.finish_at is None else iso8601(self.finish_at),
            "quota_left": self.quota_left,
        }
        return json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _rejection(rejection: Rejection) -> dict[str, Json]:
    shown: dict[str, Json] = {"index": rejection.index, "code": rejection.code.value, "detail": rejection.detail}
    return shown if rejection.message_id is None else {**shown, "message_id": rejection.message_id}
