"""Sends with an `Idempotency-Key`, as OpenWA keeps them since 0.25: one per session and key, whatever becomes of it."""

import hashlib
import re
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import cast

from openwa_manager.simulator.clock import unix_now
from openwa_manager.simulator.http.errors import HttpError, NoAnswerError, UnsentError, refusal
from openwa_manager.simulator.http.wire import Json, encode_json
from openwa_manager.simulator.journal import Journal
from openwa_manager.simulator.state.database import Database
from openwa_manager.simulator.state.messages import Answer, OnSent

#: How long a key is remembered.
KEPT_S = 24 * 3600.0
_KEY = re.compile(r"[!-~]{1,255}")

Send = Callable[[OnSent], Awaitable[Answer]]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyedSend:
    """A send that began at `at`; `id` is session and key, `answer` None while it is not known to be sent."""

    id: str
    fingerprint: str
    at: float
    answer: Answer | None = None


class KeyedSends:
    """Sends each key once; a send that was under way when the process ended may have been sent."""

    def __init__(self, path: Path, database: Database, replay: str) -> None:
        """Read the file. `replay` is SIM_REPLAY. Raises: OSError."""
        self._database = database
        self._replay = replay
        self._journal = Journal(path)
        self._sends: dict[str, KeyedSend] = {}
        self._under_way: set[str] = set()
        for entry in self._journal.entries():
            self._load(entry)

    async def send(self, session_id: str, key: str, body: dict[str, Json], send: Send) -> Answer:
        """Return the first answer to this key, sending now if there is none yet. Raises: HttpError, NoAnswerError."""
        if _KEY.fullmatch(key) is None:
            raise refusal(400, "Idempotency-Key must contain 1-255 visible ASCII characters")
        name = f"{session_id} {key}"
        fingerprint = hashlib.sha256(encode_json(dict(sorted(body.items())))).hexdigest()
        known = self._sends.get(name)
        if known is not None and unix_now() - known.at < KEPT_S:
            return self._known(known, fingerprint)
        row = self._put(KeyedSend(id=name, fingerprint=fingerprint, at=unix_now()))
        self._under_way.add(name)
        try:
            answer = await send(lambda early: self._note_sent(row, early))
        except NoAnswerError as lost:
            self._put(replace(row, answer=lost.body))
            raise
        except HttpError as error:
            if self._frees_key(error):
                self._forget(name)
            raise
        finally:
            self._under_way.discard(name)
        self._put(replace(row, answer=answer))
        return answer

    def _note_sent(self, row: KeyedSend, answer: Answer) -> None:
        """Learn that WhatsApp has the message, before anybody knows whether its sender will hear of it."""
        if self._replay == "answer":
            self._put(replace(row, answer=answer))

    def _frees_key(self, error: HttpError) -> bool:
        is_known = isinstance(error, UnsentError) and self._replay != "stuck"
        return is_known or error.proves_nothing_was_sent

    def _put(self, row: KeyedSend) -> KeyedSend:
        self._database.require_writable()
        self._journal.add(asdict(row))
        self._sends[row.id] = row
        return row

    def _forget(self, name: str) -> None:
        self._journal.add({"id": name})
        del self._sends[name]

    def _load(self, entry: dict[str, object]) -> None:
        """Take a line of the file; one with a name only says that its key is free again."""
        name = str(entry.get("id"))
        self._sends.pop(name, None)
        at, answer = entry.get("at"), entry.get("answer")
        if isinstance(at, int | float) and unix_now() - at < KEPT_S:
            self._sends[name] = KeyedSend(
                id=name,
                fingerprint=str(entry.get("fingerprint")),
                at=at,
                answer=cast("Answer", answer) if isinstance(answer, dict) else None,
            )

    def _known(self, row: KeyedSend, fingerprint: str) -> Answer:
        if row.fingerprint != fingerprint:
            raise _coded(422, "Idempotency-Key was used with a different request body", "IDEMPOTENCY_KEY_MISMATCH")
        if row.answer is not None:
            return row.answer
        if row.id in self._under_way:
            raise _coded(409, "A send with this Idempotency-Key is in progress", "IDEMPOTENCY_KEY_IN_PROGRESS")
        raise _coded(409, "The message may already have been sent", "IDEMPOTENCY_OUTCOME_UNKNOWN")


def _coded(status: int, message: str, code: str) -> HttpError:
    error = refusal(status, message)
    return HttpError(status, {**error.body, "code": code})
