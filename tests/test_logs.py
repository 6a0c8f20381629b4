"""The log: one form for all lines, and nothing secret in them."""

import io
import json
import logging
import os
import warnings
from collections.abc import Iterator
from typing import cast

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from openwa_manager import logs
from openwa_manager.domain.urls import HIDDEN

IMAGE = "iVBORw0KGgoAAAANSUhEUgAAARQAAAEUCAYAAADqcMl5"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _root_logger_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    logging.captureWarnings(capture=False)
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_of_ours_is_one_json_object_with_its_facts() -> None:
    stream = io.StringIO()
    logs.configure("info", None, stream)

    structlog.get_logger().info("session_started", session_id="user_1", pid=42, delay_s=1.5, reason=None)

    [line] = lines(stream)
    assert str(line.pop("timestamp")).endswith("Z")
    assert line == {
        "event": "session_started",
        "level": "info",
        "session_id": "user_1",
        "pid": 42,
        "delay_s": 1.5,
        "reason": None,
    }


def test_a_terminal_gets_lines_for_people() -> None:
    stream = Terminal()
    logs.configure("info", None, stream)

    structlog.get_logger().warning("engine_hung", pid=42)

    assert "engine_hung" in stream.getvalue()
    assert not stream.getvalue().startswith("{")


@pytest.mark.parametrize(("log_format", "is_json"), [("json", True), ("console", False)])
def test_the_form_may_be_chosen(log_format: str, *, is_json: bool) -> None:
    stream = Terminal() if is_json else io.StringIO()
    logs.configure("info", log_format, stream)

    structlog.get_logger().info("ready")

    assert stream.getvalue().startswith("{") is is_json
    assert ("\x1b[" in stream.getvalue()) is False


def test_lines_below_the_level_are_dropped() -> None:
    stream = io.StringIO()
    logs.configure("warning", "json", stream)

    structlog.get_logger().info("quiet")
    logging.getLogger("aiohttp.access").info("GET /")
    structlog.get_logger().error("loud")

    assert [line["event"] for line in lines(stream)] == ["loud"]


def test_a_librarys_lines_and_warnings_take_the_same_form() -> None:
    stream = io.StringIO()
    logs.configure("info", "json", stream)

    logging.getLogger("aiohttp.server").warning("bad request from %s", "10.0.0.1")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("outdated", DeprecationWarning, stacklevel=1)

    first, second = lines(stream)
    assert (first["event"], first["logger"], first["level"]) == (
        "bad request from 10.0.0.1",
        "aiohttp.server",
        "warning",
    )
    assert second["logger"] == "py.warnings"


@pytest.mark.parametrize(
    "secret",
    [
        "owm_ab12_c2VjcmV0",
        "owa_k1_0123456789abcdef",
        "whsec_c2VjcmV0LXNlY3JldA==",
        "Bearer abc.def-ghi",
        "Basic dXNlcjpwYXNz",
        f"data:image/png;base64,{IMAGE}",
        IMAGE,
    ],
)
@pytest.mark.parametrize("log_format", ["json", "console"])
def test_secrets_are_hidden_wherever_they_stand(secret: str, log_format: str) -> None:
    stream = io.StringIO()
    logs.configure("info", log_format, stream)
    log = structlog.get_logger()

    log.info("got", text=f"before {secret} after", deep={"list": [{"x": secret}]}, error=ValueError(secret))
    log.info("event %s", secret)
    logging.getLogger("library").error("failed with %s", secret)
    try:
        os.environ[secret]
    except KeyError:
        log.exception("crashed")

    assert secret not in stream.getvalue()
    assert stream.getvalue().count(HIDDEN) >= 6
    assert "KeyError" in stream.getvalue()


@pytest.mark.parametrize(
    "key", ["secret", "upstream_secret", "API_MASTER_KEY_token", "password", "Authorization", "X-API-Key", "qr_base64"]
)
def test_the_value_of_a_secret_key_is_hidden(key: str) -> None:
    event = logs.redact(None, "info", {"event": "x", key: "hunter2", "headers": {key: ["hunter2"]}})

    assert "hunter2" not in str(event)


def test_what_is_no_secret_is_kept() -> None:
    facts = {"event": "x", "pid": 1, "ok": True, "share": 0.5, "none": None, "has_secret": True, "secret": None}

    assert logs.redact(None, "info", dict(facts)) == facts


def test_bytes_are_never_written() -> None:
    assert logs.redact(None, "info", {"event": "x", "png": b"\x89PNG"})["png"] == "<4 bytes>"


@given(secret=st.from_regex(r"owm_[a-z0-9]{4,12}_[A-Za-z0-9_]{20,40}", fullmatch=True), around=st.text(max_size=5))
def test_no_key_of_ours_survives_in_any_surroundings(secret: str, around: str) -> None:
    event = cast("dict[str, str]", logs.redact(None, "info", {"event": f"{around} {secret} {around}"}))

    assert secret not in event["event"]


@pytest.mark.parametrize("key", ["error", "url", "anything"])
def test_the_password_of_a_url_is_never_shown(key: str) -> None:
    shown = logs.redact(
        None, "info", {key: "cannot reach http://hook:pa55@ex.example/h?x=1 nor https://t0ken@b.example"}
    )

    assert shown[key] == "cannot reach http://hook:***@ex.example/h?x=1 nor https://***@b.example"


def test_a_line_for_a_terminal_cannot_steer_it() -> None:
    shown = logs.make_printable(None, "info", {"event": "a\x1b[2Jb\nc", "exception": "one\n\ttwo\x9b", "count": 1})

    assert shown == {"event": "a\ufffd[2Jb\ufffdc", "exception": "one\n\ttwo\ufffd", "count": 1}


def test_json_is_whole_on_a_stream_that_is_not_utf_8() -> None:
    raw = io.BytesIO()
    with io.TextIOWrapper(raw, encoding="latin-1") as stream:
        logs.configure("info", "json", stream)
        structlog.get_logger().info("told", name="Zoë 🍣")
        stream.flush()

        assert json.loads(raw.getvalue().decode())["name"] == "Zoë 🍣"
