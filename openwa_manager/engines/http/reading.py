"""Reads what an engine answers: so much of it and no more, as it is on the wire."""

import aiohttp

from openwa_manager.domain.errors import EngineError

#: More than any list that OpenWA answers us with, and than any code as a data URL.
ANSWER_MAX_BYTES = 2 << 20


async def read_answer(response: aiohttp.ClientResponse, max_bytes: int = ANSWER_MAX_BYTES) -> bytes:
    """Return the body, which must not be packed: our calls ask for it plain.

    Raises:
        EngineError: it is longer than `max_bytes`, packed, or comes with a status that no answer has.
    """
    if not is_final_status(response.status):
        raise EngineError(f"the engine answered with the status {response.status}, which HTTP does not know")
    if "Content-Encoding" in response.headers:
        raise EngineError("the engine answered with a packed body, which nobody asked for")
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > max_bytes:
            raise EngineError(f"the engine's answer is longer than {max_bytes} bytes")
    return bytes(body)


def is_final_status(status: int) -> bool:
    """Tell whether an answer may end with this status: below 200 another follows, from 600 on it means nothing."""
    return 200 <= status <= 599
