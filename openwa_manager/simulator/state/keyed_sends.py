"""Sends with an `Idempotency-Key`, as OpenWA keeps them since 0.25: one per session and key, whatever becomes of it."""

import hashlib
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace

from openwa_manager.simulator.http.errors import HttpError, refusal
from openwa_manager.simulator.http.wire import Json, encode_json
from openwa_manager.simulator.state.storage import SendRow, Storage

_KEY = re.compile(r"[!-~]{1,255}")


class KeyedSends:
    """Sends each key once; a send that was under way when the process ended may have been sent."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._under_way: set[str] = set()

    async def send(
        self, session_id: str, key: str, body: dict[str, Json], send: Callable[[], Awaitable[dict[str, Json]]]
    ) -> dict[str, Json]:
        """Return the first answer to this key, sending now if there is none yet. Raises: HttpError."""
        if _KEY.fullmatch(key) is None:
            raise refusal(400, "Idempotency-Key must contain 1-255 visible ASCII characters")
        name = f"{session_id} {key}"
        fingerprint = hashlib.sha256(encode_json(dict(sorted(body.items())))).hexdigest()
        row = self._storage.sends.get(name)
        if row is not None:
            return self._known(row, fingerprint)
        row = self._put(SendRow(id=name, fingerprint=fingerprint))
        self._under_way.add(name)
        try:
            answer = await send()
        except HttpError as error:
            if error.status < 500:  # it surely was not sent, so the key is free again
                del self._storage.sends[name]
                self._storage.save()
            raise
        finally:
            self._under_way.discard(name)
        self._put(replace(row, answer=answer))
        return answer

    def _put(self, row: SendRow) -> SendRow:
        self._storage.sends.put(row)
        self._storage.save()
        return row

    def _known(self, row: SendRow, fingerprint: str) -> dict[str, Json]:
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
