"""Sends an answer that is large and always the same: never copied whole, and to strangers piece by piece."""

from collections.abc import AsyncIterator

from aiohttp import web

from openwa_manager.api.admission.turns import TURNS, StrangerTurns

#: As much as a transport buffers before it has its writer wait for the reader.
_PIECE_BYTES = 64 * 1024


def large_answer(request: web.Request, body: bytes, content_type: str) -> web.Response:
    """Return the answer; the connection of a stranger ends with it.

    Else one small request would fetch twenty of them, and the kernel keeps megabytes for whoever does not read.
    """
    turns = request.get(TURNS)
    headers = {"Content-Length": str(len(body))}
    answer = web.Response(body=_pieces(body, turns), content_type=content_type, headers=headers)
    if turns is not None:
        answer.force_close()
    return answer


async def _pieces(body: bytes, turns: StrangerTurns | None) -> AsyncIterator[memoryview]:
    whole = memoryview(body)
    for begin in range(0, len(body), _PIECE_BYTES):
        if turns is not None:
            await turns.take()
        yield whole[begin : begin + _PIECE_BYTES]
