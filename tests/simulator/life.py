"""The recorded life of a session, lived again by a simulator."""

from collections.abc import Callable
from dataclasses import dataclass, field

from openwa_manager.simulator.http.wire import Json
from tests.simulator.harness import KEY, Answer, Receiver, Simulator, eventually
from tests.simulator.recordings import Exchange, exchanges, substitute

RECORDED_KEY = "<key>"
RECORDED_HOOK = "http://127.0.0.1:28080/hook/acme-01"
RECORDED_BATCH = "batch_63a0b998"


@dataclass
class Life:
    """A replay: the peers, the answers so far, and the identifiers that took the places of the recorded ones."""

    simulator: Simulator
    receiver: Receiver
    names: dict[str, str]
    answers: list[tuple[Exchange, Answer]] = field(default_factory=list)
    session_id: str = ""

    def wait_for(self, status: str) -> None:
        """Wait until the session has this status."""
        self.simulator.wait_for(self.session_id, status)


Step = Callable[[Life], object]


def _closed(code: int, status: str) -> Step:
    def step(life: Life) -> None:
        life.wait_for("ready")
        life.simulator.control(f"close?code={code}")
        life.wait_for(status)

    return step


def _scanned(life: Life) -> None:
    life.simulator.control("scan")
    life.wait_for("ready")


def _in_status(status: str) -> Step:
    return lambda life: life.wait_for(status)


def _told(verb: str) -> Step:
    return lambda life: life.simulator.control(verb)


def _after_all_acks(life: Life) -> None:
    """Let the second message of the batch fail and all acks arrive, as they did in the recording."""
    life.simulator.control("fail?mode=timeout")
    batch = f"/api/sessions/{life.session_id}/messages/batch/{life.names[RECORDED_BATCH]}"
    eventually(lambda: life.simulator.ask("GET", batch).fields["status"] == "completed")
    eventually(lambda: len(life.receiver.events("message.ack")) == 25)
    life.simulator.control("fail?mode=500")


def _relogin_soon(life: Life) -> None:
    """Shorten what is 5 s in the recording."""
    path = f"/api/sessions/{life.session_id}/config"
    answer = life.simulator.ask("PATCH", path, {"reconnectBaseDelay": 1000})
    assert answer.status == 200, answer


#: label -> what happened in the world just before that request.
BEFORE: dict[str, Step] = {
    "get in qr_ready": _in_status("qr_ready"),
    "get in ready": _scanned,
    "check number": _told("receive?from=628777&text=hello"),
    "engine send throws": _after_all_acks,
    "get during transient reconnect": _closed(428, "initializing"),
    "get after reconnect": _in_status("ready"),
    "restricted account": _told("restrict?active=1"),
    "stop": _told("restrict?active=0"),
    "get after paired restart": _in_status("ready"),
    "after 403 (ban)": _closed(403, "failed"),
    "after 440 (replaced)": _closed(440, "failed"),
    "start 5": _relogin_soon,
    "after 401 (logged out from phone)": _closed(401, "disconnected"),
    "8 s after 401": _in_status("qr_ready"),
    "re-paired": _scanned,
}


def _learn(names: dict[str, str], recorded: Json, actual: Json) -> None:
    """Note which identifier of this run stands for which recorded one."""
    if not isinstance(recorded, dict) or not isinstance(actual, dict):
        return
    for identifier in ("id", "batchId"):
        if isinstance(recorded.get(identifier), str) and isinstance(actual.get(identifier), str):
            names[str(recorded[identifier])] = str(actual[identifier])


def live(simulator: Simulator, receiver: Receiver) -> Life:
    """Make every recorded request, in order, with the world doing what it did."""
    life = Life(simulator, receiver, names={RECORDED_HOOK: receiver.url})
    for exchange in exchanges("http-lifecycle.json", "exchanges"):
        step = BEFORE.get(exchange.label)
        if step is not None:
            step(life)
        headers = {name: value.replace(RECORDED_KEY, KEY) for name, value in exchange.request_headers.items()}
        if exchange.label == "bad key":
            headers["X-API-Key"] = "somebody else's"
        path = str(substitute(exchange.path, life.names))
        body = substitute(exchange.request_body, life.names)
        answer = simulator.ask(exchange.method, path, body, headers=headers)
        if exchange.status == 201 and answer.status == 201:
            _learn(life.names, exchange.body, answer.body)
        if exchange.label == "send bulk":
            _learn(life.names, exchange.body, answer.body)
        if exchange.label == "create session":
            life.session_id = str(answer.fields["id"])
        life.answers.append((exchange, answer))
    return life
