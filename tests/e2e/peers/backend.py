"""A backend with many addresses: keeps what each is posted, byte for byte, and answers as the test says."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass

from openwa_manager.domain.delivery.events import Json
from tests.e2e.peers.receiver import Receiver


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """One POST as it came; the names of the headers are in lower case."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    status: int


class Backend(Receiver):
    """`statuses` says what a path answers (200 unless it is named), `pauses_s` after how long (at once)."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.posts: list[Post] = []
        self.statuses: dict[str, int] = {}
        self.pauses_s: dict[str, float] = {}

    def url(self, path: str) -> str:
        """Return the address of a path."""
        return f"http://127.0.0.1:{self.port}{path}"

    def posts_to(self, path: str) -> list[Post]:
        """Return what was posted there, as it came."""
        return [post for post in list(self.posts) if post.path == path]

    def events(self, path: str) -> list[dict[str, Json]]:
        """Return the events that were accepted there, each once, in the order of arrival; tests left out."""
        accepted = [json.loads(post.body) for post in self.posts_to(path) if post.status == 200]
        once = {event["id"]: event for event in accepted if event["type"] != "endpoint.test"}
        return list(once.values())

    def types(self, path: str) -> list[Json]:
        """Return the type of every post there, repeats included."""
        return [json.loads(post.body)["type"] for post in self.posts_to(path)]

    def take(self, path: str, headers: Mapping[str, str], body: bytes) -> int:
        """Keep the post and answer as the test says."""
        status = self.statuses.get(path, 200)
        self.posts.append(Post(path=path, headers=headers, body=body, status=status))
        time.sleep(self.pauses_s.get(path, 0.0))
        return status
