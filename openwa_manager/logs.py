"""The log: structlog, set up once, for our own lines and those of the libraries; secrets never pass."""

import logging
import re
import sys
from collections.abc import Mapping, Sequence
from typing import TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from openwa_manager.domain.printable import printable
from openwa_manager.domain.urls import HIDDEN, without_password

#: What has several lines.
_OF_LINES = frozenset({"exception", "stack"})

#: A key that contains one of these has a value that is never shown.
_SECRET_KEY = re.compile(
    r"secret|token|passw|authorization|cookie|(?:api|engine|master)[_-]?key|qr_base64|pairing_code", re.IGNORECASE
)

#: What is never shown wherever it stands: our keys, webhook secrets, credentials in a header, images of codes.
_SECRET_TEXT = re.compile(
    r"owm_\w+|owa_k1_\w+|whsec_[\w+/=-]+|\b(?:Bearer|Basic) +[\w.~+/=-]+"
    r"|data:[\w/+.-]+;base64,[\w+/=-]*|iVBORw0KGgo[\w+/=-]*",
    re.IGNORECASE,
)


def configure(level: str, log_format: str | None, stream: TextIO | None = None) -> None:
    """Send every log line, ours and the libraries', to `stream` (None is stderr), from `level` upwards.

    `log_format` is `console` or `json`; None means `console` on a terminal, else `json`.
    """
    stream = stream or sys.stderr
    is_console = log_format == "console" or (log_format is None and stream.isatty())
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *_SHARED],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *((make_printable,) if is_console else ()),
                _renderer(stream, is_console=is_console),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    logging.captureWarnings(capture=True)
    logging.getLogger("watchfiles").setLevel(logging.WARNING)  # it tells of every write in a watched directory
    logging.getLogger("aiosqlite").setLevel(logging.INFO)  # and this of every statement, twice


def redact(_logger: WrappedLogger, _method: str, event_dict: EventDict) -> EventDict:
    """Hide what must not be read in a log, however deep it lies."""
    return {key: HIDDEN if _is_secret(key, value) else redacted(value) for key, value in event_dict.items()}


def _is_secret(key: str, value: object) -> bool:
    return value is not None and not isinstance(value, bool) and _SECRET_KEY.search(key) is not None


def redacted(value: object) -> object:
    """Return a value without what must not be read anywhere; what is no JSON becomes text."""
    match value:
        case str():
            return _without_secrets(value)
        case bytes() | bytearray() | memoryview():
            return f"<{len(value)} bytes>"
        case Mapping():
            return {key: HIDDEN if _is_secret(str(key), each) else redacted(each) for key, each in value.items()}
        case Sequence():
            return [redacted(each) for each in value]
        case None | bool() | int() | float():
            return value
        case _:
            return _without_secrets(str(value))


def _without_secrets(text: str) -> str:
    return _SECRET_TEXT.sub(HIDDEN, without_password(text) if "@" in text else text)


def make_printable(_logger: WrappedLogger, _method: str, event_dict: EventDict) -> EventDict:
    """Take out of a line for a terminal what could steer or deceive it; tracebacks keep their lines."""
    return {
        key: printable(value, keeps_lines=key in _OF_LINES) if isinstance(value, str) else value
        for key, value in event_dict.items()
    }


def _renderer(stream: TextIO, *, is_console: bool) -> Processor:
    if is_console:
        return structlog.dev.ConsoleRenderer(colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback)
    is_utf8 = (stream.encoding or "utf-8").lower().replace("-", "") == "utf8"
    return structlog.processors.JSONRenderer(ensure_ascii=not is_utf8)  # JSON is UTF-8 in any locale, or escaped


#: A traceback is made text before it is redacted, since messages of exceptions quote what they choked on.
_SHARED: tuple[Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.PositionalArgumentsFormatter(),
    structlog.stdlib.ExtraAdder(),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
    structlog.processors.format_exc_info,
    structlog.processors.UnicodeDecoder(),
    redact,
)
