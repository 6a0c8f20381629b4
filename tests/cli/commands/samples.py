"""What the tests of the commands show and read."""

import base64
import io
from collections.abc import Sequence

import segno

from openwa_manager.domain.delivery.events import Json


def session(**changes: Json) -> dict[str, Json]:
    """Return a session as the API answers it."""
    whole: dict[str, Json] = {
        "session_id": "user_1_session_a",
        "user_id": "1",
        "engine": "simulator",
        "status": "connected",
        "reason": None,
        "desired": "running",
        "pid": 4711,
        "port": None,
        "socket": "/opt/openwa/run/e/0123456789abcdef/s",
        "phone_number": "85212345678",
        "push_name": None,
        "qr": None,
        "restarts": {"count": 2, "last_reason": "engine_exited", "next_at": None},
        "build": None,
        "memory_limit_bytes": None,
        "proxy_url": None,
        "env_names": [],
        "usage": {"rss_bytes": 123_400_000, "cpu_percent": 0.5, "process_count": 1},
        "labels": {"shop": "hk"},
        "created_at": "2026-11-22T07:22:01.980Z",
        "started_at": "2026-11-22T07:22:01.980Z",
        "connected_at": None,
        "last_connected_at": None,
        "last_seen_at": None,
        "updated_at": "2026-11-22T07:22:04.165Z",
    }
    return whole | changes


def code_of(text: str, version: int | None = None, /, **how: object) -> tuple[str, list[list[bool]]]:
    """Return a code as a PNG in base64, and the modules it was drawn from."""
    made = segno.make(text, micro=False, version=version)
    image = io.BytesIO()
    made.save(image, kind="png", **how)
    return base64.b64encode(image.getvalue()).decode(), [[bool(module) for module in row] for row in made.matrix]


def modules_on(screen: str) -> list[list[bool]]:
    """Read a drawn code back from the terminal, quiet zone and all."""
    halves = {" ": (False, False), "▀": (True, False), "▄": (False, True), "█": (True, True)}
    drawn = [line for line in screen.splitlines() if line.startswith("\x1b[")]
    lines: Sequence[str] = [line.partition("m")[2].removesuffix("\x1b[0m") for line in drawn]
    return [[halves[block][half] for block in line] for line in lines for half in (0, 1)]
