"""Answers what is no request: no path, no caller and no handler, but it says what is wrong as all other errors do."""

import json
import random
from collections.abc import Mapping
from http import HTTPStatus

from aiohttp import web

from openwa_manager.api.browsers.headers import SECURITY_HEADERS
from openwa_manager.api.errors import PROBLEM_TYPE

_CODES: Mapping[int, tuple[str, str]] = {
    400: ("bad_request", "this is no HTTP/1.1 request that can be read in one way only"),
    408: ("timeout", "the head of the request was not whole in time"),
    431: ("head_too_large", "the target of the request, a header, or all headers together are too long"),
}


def answer_to_malformed(status: int) -> web.Response:
    """Return the answer; the connection ends with it, for nobody knows where another request would begin."""
    request_id, body = _problem(status)
    headers = {**SECURITY_HEADERS, "X-Request-ID": request_id}
    answer = web.Response(status=status, body=body, content_type=PROBLEM_TYPE, headers=headers)
    answer.force_close()
    return answer


def refusal_of_head(status: int) -> bytes:
    """Return the same as it is written when there is no request yet to answer."""
    request_id, body = _problem(status)
    headers = {
        **SECURITY_HEADERS,
        "Connection": "close",
        "Content-Length": str(len(body)),
        "Content-Type": PROBLEM_TYPE,
        "X-Request-ID": request_id,
    }
    lines = (f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", *(f"{name}: {value}" for name, value in headers.items()))
    return "".join(f"{line}\r\n" for line in (*lines, "")).encode() + body


def _problem(status: int) -> tuple[str, bytes]:
    code, detail = _CODES[status]
    request_id = f"{random.getrandbits(128):032x}"
    problem = {
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": detail,
        "request_id": request_id,
    }
    return request_id, json.dumps(problem).encode()
