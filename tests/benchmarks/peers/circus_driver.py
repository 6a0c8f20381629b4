"""Speaks with circus as its own client does, ZeroMQ and JSON; runs on the Python that circus is installed on.

Reads an object a line and answers one a line: `tests/benchmarks/peers/driver.py`. Needs nothing of this project.
"""

import json
import sys
import time
from collections.abc import Mapping
from typing import Any

import zmq  # type: ignore[import-not-found, unused-ignore]

_PATIENCE_MS = 120_000
_COMMANDS: dict[str, dict[str, Any]] = {
    "one": {"command": "status", "properties": {"name": "s0"}},
    "all": {"command": "status"},
    "usage": {"command": "stats"},
}


class Client:
    """Connections to one circus, the first of which asks for all but rates."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._context = zmq.Context()
        self._lines: list[Any] = []

    def call(self, command: str, **properties: object) -> dict[str, Any]:
        """Return the answer to a command, which must not be an error."""
        line = self._lines_of(1)[0]
        line.send(_compose({"command": command, "properties": properties}))
        if not line.poll(_PATIENCE_MS):
            raise TimeoutError(command)
        answer: dict[str, Any] = json.loads(line.recv())
        if answer.get("status") == "error":
            raise RuntimeError(str(answer))
        return answer

    def pids(self) -> dict[str, int]:
        """Return the process of each watcher."""
        lists = {name: self.call("list", name=name)["pids"] for name in self.call("list")["watchers"]}
        return {name: pids[0] for name, pids in lists.items() if pids}

    def rate(self, question: str, clients: int, seconds: float) -> float:
        """Return how many answers a second so many connections get; each was answered before, and gets one or more."""
        request, poller, waiting, count = _compose(_COMMANDS[question]), zmq.Poller(), clients, 0
        for line in self._lines_of(clients):
            poller.register(line, zmq.POLLIN)
        began = time.perf_counter()
        for line in self._lines_of(clients):
            line.send(request)
        while waiting:
            ready = poller.poll(_PATIENCE_MS)
            if not ready:
                raise TimeoutError(question)
            for line, _ in ready:
                line.recv()
                count += 1
                if time.perf_counter() - began < seconds:
                    line.send(request)
                else:
                    waiting -= 1
        return count / (time.perf_counter() - began)

    def _lines_of(self, count: int) -> list[Any]:
        while len(self._lines) < count:
            line = self._context.socket(zmq.DEALER)
            line.setsockopt(zmq.LINGER, 0)
            line.connect(self._endpoint)
            line.send(_compose({"command": "numwatchers"}))
            if not line.poll(_PATIENCE_MS):
                raise TimeoutError(self._endpoint)
            line.recv()
            self._lines.append(line)
        return self._lines[:count]


def _compose(command: Mapping[str, object]) -> bytes:
    return json.dumps({"id": "1", "properties": {}, **command}).encode()


def _answer(client: Client, asked: Mapping[str, Any]) -> object:
    match asked:
        case {"do": "rate", "question": question, "clients": clients, "seconds": seconds}:
            return client.rate(question, clients, seconds)
        case {"do": "add", "name": name, "argv": [program, *words]}:
            began = time.perf_counter()
            client.call("add", name=name, cmd=program, args=words, start=True, options=asked["options"], waiting=True)
            return time.perf_counter() - began
        case {"do": "pids"}:
            return client.pids()
        case {"do": "call", "command": command, "properties": properties}:
            return client.call(command, **properties)
        case _:
            raise ValueError(asked)


def main() -> None:
    """Answer until standard input ends."""
    client = Client(sys.argv[1])
    for line in sys.stdin:
        try:
            answer = {"value": _answer(client, json.loads(line))}
        except Exception as error:  # noqa: BLE001 (told to whoever asked)
            answer = {"error": repr(error)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
