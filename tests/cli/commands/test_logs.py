"""`logs`, against an API on a real socket."""

import pytest

from tests.cli.conftest import Run
from tests.fakes.api import Answer, Api

PATH = "/v1/sessions/user_1"


@pytest.mark.parametrize(
    ("words", "query"),
    [
        ("", {"tail": "200"}),
        ("--tail", {"tail": "200"}),
        ("--tail 5", {"tail": "5"}),
        ("--tail 0 -f", {"tail": "0", "follow": "1"}),
    ],
)
def test_logs_are_printed_as_they_are(pipe: Run, api: Api, words: str, query: dict[str, str]) -> None:
    api.on(f"GET {PATH}/logs", Answer(raw=b"\x1b[32mready\x1b[0m\nbytes \xff\n"))

    said = pipe("logs", "user_1", *words.split())

    assert said.out == "\x1b[32mready\x1b[0m\nbytes \N{REPLACEMENT CHARACTER}\n"
    assert api.asked[0].query == query
