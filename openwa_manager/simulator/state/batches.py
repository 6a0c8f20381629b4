"""Bulk sends: messages that leave one after the other, and how far each batch got."""

import asyncio
from dataclasses import dataclass, field

from openwa_manager.simulator.clock import iso_now
from openwa_manager.simulator.http.errors import HttpError, NoAnswerError, refusal
from openwa_manager.simulator.http.wire import Json
from openwa_manager.simulator.state.messages import Messages
from openwa_manager.simulator.state.outgoing import Outgoing


@dataclass(slots=True)
class Tally:
    """How many messages of a batch were sent, failed and cancelled."""

    sent: int = 0
    failed: int = 0
    cancelled: int = 0


@dataclass(slots=True, kw_only=True)
class Batch:
    """A bulk send and how far it got."""

    batch_id: str
    session_id: str
    messages: list[Outgoing]
    delay_s: float
    stops_on_error: bool
    status: str = "pending"
    results: "list[Json] | None" = None
    tally: Tally = field(default_factory=Tally)
    started_at: str | None = None
    completed_at: str | None = None

    def view(self) -> dict[str, Json]:
        """Return the batch as the API shows it."""
        return {
            "batchId": self.batch_id,
            "status": self.status,
            "progress": self.progress(),
            "results": self.results or [],
            "startedAt": self.started_at,
            "completedAt": self.completed_at,
        }

    def progress(self) -> dict[str, Json]:
        """Return the counts."""
        total, tally = len(self.messages), self.tally
        return {
            "total": total,
            "sent": tally.sent,
            "failed": tally.failed,
            "pending": total - tally.sent - tally.failed - tally.cancelled,
            "cancelled": tally.cancelled,
        }


class Batches:
    """The bulk sends of this process; OpenWA keeps them in its database, here they end with the process."""

    def __init__(self, messages: Messages, tasks: asyncio.TaskGroup) -> None:
        self._messages = messages
        self._tasks = tasks
        self._batches: dict[str, Batch] = {}

    def start(self, batch: Batch) -> None:
        """Take a batch on. Raises: HttpError when its id is taken."""
        if batch.batch_id in self._batches:
            raise refusal(400, f"Batch ID '{batch.batch_id}' already exists")
        self._batches[batch.batch_id] = batch
        self._tasks.create_task(self._run(batch))

    def get(self, session_id: str, batch_id: str) -> Batch:
        """Return a batch. Raises: HttpError."""
        batch = self._batches.get(batch_id)
        if batch is None or batch.session_id != session_id:
            raise refusal(404, f"Batch '{batch_id}' not found")
        return batch

    def cancel(self, session_id: str, batch_id: str) -> Batch:
        """Stop a batch before its next message. Raises: HttpError."""
        batch = self.get(session_id, batch_id)
        if batch.status not in {"pending", "processing"}:
            raise refusal(400, f"Batch '{batch_id}' is already {batch.status}")
        batch.tally.cancelled = len(batch.messages) - batch.tally.sent - batch.tally.failed
        batch.status = "cancelled"
        batch.completed_at = iso_now()
        return batch

    async def _run(self, batch: Batch) -> None:
        batch.status, batch.started_at, batch.results = "processing", iso_now(), []
        for number, message in enumerate(batch.messages):
            if number:
                await asyncio.sleep(batch.delay_s)
            if batch.status == "cancelled":
                return
            await self._send(batch, batch.results, message)
            if batch.tally.failed and batch.stops_on_error:
                break
        batch.status = "failed" if batch.tally.failed and batch.stops_on_error else "completed"
        batch.completed_at = iso_now()

    async def _send(self, batch: Batch, results: list[Json], message: Outgoing) -> None:
        try:
            answer = await self._sent(batch.session_id, message)
        except HttpError as error:
            batch.tally.failed += 1
            fault: Json = {"code": "SEND_FAILED", "message": str(error.body.get("message"))}
            results.append({"chatId": message.chat_id, "status": "failed", "error": fault})
        else:
            batch.tally.sent += 1
            results.append(
                {
                    "chatId": message.chat_id,
                    "status": "sent",
                    "messageId": answer["messageId"],
                    "sentAt": iso_now(),
                }
            )

    async def _sent(self, session_id: str, message: Outgoing) -> dict[str, Json]:
        """Return the answer to a send; here is no connection that could end before it. Raises: HttpError."""
        try:
            return await self._messages.send(session_id, message, types=False)
        except NoAnswerError as lost:
            return lost.body
