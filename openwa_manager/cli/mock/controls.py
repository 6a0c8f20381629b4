"""What an application's test can have happen to a session: each verb of ours, and what it is at the simulator."""

from collections.abc import Mapping
from dataclasses import field
from typing import Final

from openwa_manager.domain.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """A verb of the simulator's `/_sim`, the values that are set, and the names a caller may give values to."""

    verb: str
    what: str
    fixed: Mapping[str, str] = field(default_factory=dict)
    names: tuple[str, ...] = ()


#: By the verb in `POST /_mock/sessions/{id}/{verb}`.
CONTROLS: Final[Mapping[str, Control]] = {
    "scan": Control(verb="scan", what="the phone scans the code"),
    "receive": Control(verb="receive", names=("from", "text"), what="somebody writes"),
    "stop-reply": Control(verb="receive", names=("from",), fixed={"text": "STOP"}, what="somebody writes STOP"),
    "fail": Control(verb="fail", names=("mode", "n"), what="the next n sends fail: 500, timeout, 429, or hang"),
    "ban": Control(verb="close", fixed={"code": "403"}, what="WhatsApp bans the number"),
    "log-out": Control(verb="close", fixed={"code": "401"}, what="the phone unlinks the device"),
    "disconnect": Control(verb="close", fixed={"code": "408"}, what="the link breaks; it comes back after a second"),
    "replace": Control(verb="close", fixed={"code": "440"}, what="another program takes the number over"),
    "close": Control(verb="close", names=("code",), what="WhatsApp ends the link with a code of baileys"),
    "restrict": Control(verb="restrict", names=("active",), what="no first contacts (463); active=0 ends that"),
    "crash": Control(verb="crash", what="the engine's process crashes, and is started again"),
    "exit": Control(verb="exit", names=("code",), what="the engine's process exits"),
    "hang": Control(verb="hang", names=("s",), what="the engine does not answer for s seconds"),
}
