"""Runs the example workflow of n8n without n8n: follows its connections, and makes its requests for real.

It knows the nodes and parameters the example has, and refuses any other: what it does not know is not tested.
"""

import base64
import hashlib
import hmac
import json
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.examples.backend import EXAMPLES

FILE = EXAMPLES / "n8n" / "workflow.json"
ADDRESS = "http://127.0.0.1:2790"
_EVALUATE = Path(__file__).with_name("evaluate.js")


@dataclass(frozen=True, slots=True)
class Item:
    """What one node hands to the next."""

    json: Any = None
    raw: bytes = b""


class RequestFailedError(Exception):
    """A request failed, and with it the workflow: n8n answers 500 to a webhook then."""


class Expressions:
    """Makes of parameters what n8n makes of them, in a node that lives as long as this is entered."""

    def __init__(self, node: str) -> None:
        self._argv = (node, str(_EVALUATE))

    def __enter__(self) -> Self:
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(self._argv, stdin=pipe, stdout=pipe, text=True, encoding="utf-8")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate(timeout=20)

    def evaluate(self, template: str, document: object, today: str) -> object:
        """Return the value of a parameter that begins with `=`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(
            json.dumps({"template": template, "json": document, "today": today}), file=self._process.stdin, flush=True
        )
        value: object = json.loads(self._process.stdout.readline())
        return value


@dataclass
class Flow:
    """The workflow, with the credentials its owner has made, on a day."""

    address: str
    secret: str
    key: str
    expressions: Expressions
    today: str = "2026-11-30"
    answered: list[int] = field(default_factory=list)
    document: Any = field(default_factory=lambda: json.loads(FILE.read_text()))

    def receive(self, headers: Mapping[str, str], body: bytes) -> int:
        """Take a post as n8n's webhook does and return the status of the answer."""
        lower = {name.lower(): value for name, value in headers.items()}
        self.answered.clear()
        try:
            self.run("Event", Item({"headers": lower, "body": json.loads(body)}, body))
        except RequestFailedError:
            return 500
        (status,) = self.answered
        return status

    def run(self, name: str, item: Item) -> Item:
        """Run the node of this name and all behind it; return the last item."""
        outputs = self._carry_out(self.node_called(name), item)
        branches = self.document["connections"].get(name, {"main": []})["main"]
        for branch, output in zip(branches, outputs, strict=False):
            for target in branch:
                if output is not None:
                    item = self.run(target["node"], output)
        return item if branches else next(each for each in outputs if each is not None)

    def node_called(self, name: str) -> Any:  # noqa: ANN401 (a node as its file has it)
        """Return a node."""
        (found,) = (node for node in self.document["nodes"] if node["name"] == name)
        return found

    def _carry_out(self, node: Any, item: Item) -> Sequence[Item | None]:  # noqa: ANN401
        doers: Mapping[str, Callable[[Any, Item], Sequence[Item | None]]] = {
            "n8n-nodes-base.webhook": self._webhook,
            "n8n-nodes-base.scheduleTrigger": lambda _parameters, passed: [passed],
            "n8n-nodes-base.extractFromFile": self._extract,
            "n8n-nodes-base.crypto": self._sign,
            "n8n-nodes-base.if": self._decide,
            "n8n-nodes-base.httpRequest": self._request,
            "n8n-nodes-base.respondToWebhook": self._respond,
        }
        return doers[node["type"]](node["parameters"], item)

    def _webhook(self, parameters: Any, item: Item) -> Sequence[Item]:  # noqa: ANN401
        assert parameters["options"] == {"rawBody": True}
        return [item]

    def _extract(self, parameters: Any, item: Item) -> Sequence[Item]:  # noqa: ANN401
        assert parameters["operation"] == "text"
        assert parameters["options"]["keepSource"] == "json"
        return [Item({**item.json, parameters["destinationKey"]: item.raw.decode(parameters["options"]["encoding"])})]

    def _sign(self, parameters: Any, item: Item) -> Sequence[Item]:  # noqa: ANN401
        assert (parameters["action"], parameters["type"], parameters["encoding"]) == ("hmac", "SHA256", "base64")
        value = str(self.evaluate(parameters["value"], item))
        digest = hmac.digest(self.secret.encode(), value.encode(), hashlib.sha256)
        return [replace(item, json={**item.json, parameters["dataPropertyName"]: base64.b64encode(digest).decode()})]

    def _decide(self, parameters: Any, item: Item) -> Sequence[Item | None]:  # noqa: ANN401
        assert parameters["conditions"]["combinator"] == "and"
        conditions = parameters["conditions"]["conditions"]
        assert all(each["operator"]["operation"] == "true" for each in conditions)
        values = [self.evaluate(each["leftValue"], item) for each in conditions]
        assert all(isinstance(value, bool) for value in values), values  # `typeValidation: strict`
        return [item, None] if all(values) else [None, item]

    def _request(self, parameters: Any, item: Item) -> Sequence[Item]:  # noqa: ANN401
        assert parameters["options"]["redirect"] == {"redirect": {"followRedirects": False}}
        headers = {"Content-Type": "application/json", "X-API-Key": self.key}
        for each in parameters.get("headerParameters", {"parameters": []})["parameters"]:
            headers[each["name"]] = str(self.evaluate(each["value"], item))
        url = str(self.evaluate(parameters["url"], item)).replace(ADDRESS, self.address)
        body = str(self.evaluate(parameters["jsonBody"], item)).encode()
        is_full = "response" in parameters["options"]
        try:
            request = urllib.request.Request(url, body, headers, method=parameters["method"])  # noqa: S310
            with urllib.request.urlopen(request, timeout=parameters["options"]["timeout"] / 1000) as answer:  # noqa: S310
                status, content = answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as refusal:
            status, content = refusal.code, json.loads(refusal.read())
            if not is_full:
                raise RequestFailedError(content) from refusal
        except OSError as trouble:
            raise RequestFailedError(str(trouble)) from trouble
        return [Item({"statusCode": status, "body": content} if is_full else content)]

    def _respond(self, parameters: Any, item: Item) -> Sequence[Item]:  # noqa: ANN401
        assert parameters["respondWith"] == "noData"
        status = self.evaluate(parameters["options"]["responseCode"], item)
        assert isinstance(status, int)
        self.answered.append(status)
        return [item]

    def evaluate(self, parameter: object, item: Item) -> object:
        """Return what n8n makes of a parameter."""
        if not (isinstance(parameter, str) and parameter.startswith("=")):
            return parameter
        return self.expressions.evaluate(parameter, item.json, self.today)
