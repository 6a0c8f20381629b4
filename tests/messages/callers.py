"""Hands messages over as an application does: each call under its key until it is answered, gateway calls once."""

import http.client
import json
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from openwa_manager.domain.delivery.events import Json
from tests.e2e.peers.daemon import Answer, Daemon
from tests.messages.plan import HandOver, Planned, SessionPlan, WayIn

#: Answers that prove that nothing was taken: the same is asked again.
_LATER = frozenset({408, 409, 425, 429, 503})
_PAUSE_S, _GATEWAY_TRIES = 0.05, 40


@dataclass
class Caller:
    """Hands over what one session is to send; `refusals` are answers nobody expected."""

    daemon: Daemon
    plan: SessionPlan
    spread_s: float
    chance: random.Random
    is_over: Callable[[], bool] = lambda: False
    wanted: list[Planned] = field(default_factory=list)
    accepted: list[Planned] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)

    def run(self) -> None:
        """Make every call of the plan, spread over about `spread_s` seconds."""
        pause_s = self.spread_s / max(1, len(self.plan.calls))
        for call in self.plan.calls:
            if self.is_over():
                return
            time.sleep(self.chance.uniform(0, 2 * pause_s))
            self.wanted += call.messages
            self.accepted += self._hand_over(call)

    def _hand_over(self, call: HandOver) -> list[Planned]:
        """Return the messages that the daemon has said it took."""
        match call.way:
            case WayIn.SINGLE:
                return self._single(call)
            case WayIn.BATCH:
                return self._batch(call)
            case WayIn.GATEWAY:
                return self._gateway(call)

    def _single(self, call: HandOver) -> list[Planned]:
        (message,) = call.messages
        path = f"/v1/sessions/{call.session_id}/messages"
        answer = self._until_answered("POST", path, message.as_recipient(), {"Idempotency-Key": call.key})
        if answer.status in (200, 202):
            return [message]
        self.refusals.append(f"{message.number}: {answer.status} {answer.raw!r}")
        return []

    def _batch(self, call: HandOver) -> list[Planned]:
        path = f"/v1/sessions/{call.session_id}/messages/bulk"
        body: dict[str, Json] = {"messages": [message.as_recipient() for message in call.messages]}
        answer = self._until_answered("POST", path, body, {"Idempotency-Key": call.key})
        if answer.status not in (200, 202):
            self.refusals.append(f"{call.key}: {answer.status} {answer.raw!r}")
            return []
        rejected = answer.body["rejected"]
        assert isinstance(rejected, list)
        self.refusals += [f"{call.key}: {each}" for each in rejected]
        without = {each["index"] for each in rejected if isinstance(each, dict)}
        return [message for index, message in enumerate(call.messages) if index not in without]

    def _gateway(self, call: HandOver) -> list[Planned]:
        """Ask some times while it is refused as too early; whatever else comes is never asked again: it proves nothing.

        To an engine that keeps keys each time is another message, which a recipient that refuses the first one refuses.
        """
        (message,) = call.messages
        path = f"/api/sessions/{call.session_id}/messages/send-text"
        body: dict[str, Json] = {"chatId": f"{message.number}@c.us", "text": message.text}
        refusals = 0
        while not self.is_over() and refusals < _GATEWAY_TRIES:
            try:
                answer = self.daemon.ask("POST", path, body)
            except (FileNotFoundError, ConnectionRefusedError):  # nobody listens
                time.sleep(_PAUSE_S)
                continue
            except (OSError, http.client.HTTPException):
                return []
            if answer.status not in _LATER or (answer.status == 503 and "Retry-After" not in answer.headers):
                return [message] if answer.status == 201 else []
            refusals += 1
            time.sleep(0.3)
        return []

    def _until_answered(self, method: str, path: str, body: Mapping[str, Json], headers: Mapping[str, str]) -> Answer:
        while not self.is_over():
            answer = ask(self.daemon, method, path, body, headers)
            if answer is not None and answer.status not in _LATER:
                return answer
            time.sleep(_PAUSE_S)
        return Answer(599, {}, b"the campaign is over")


def ask(
    daemon: Daemon,
    method: str,
    path: str,
    body: Mapping[str, Json] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer | None:
    """Return the answer of a daemon that may be dead just now; None: there is none."""
    try:
        return daemon.ask(method, path, body, headers)
    except (OSError, http.client.HTTPException, json.JSONDecodeError):
        return None
