"""`pairing-link`, against an API on a real socket."""

import json

from tests.cli.conftest import Run
from tests.fakes.api import Answer, Api, problem

PATH = "POST /v1/sessions/user_1/pairing-links"
URL = "https://wa.example.com/pair/abc"
LINK = Answer(status=201, body={"url": URL, "expires_at": "2026-11-22T07:22:04.165Z"})


def test_a_link_is_shown_with_its_end(terminal: Run, api: Api) -> None:
    api.on(PATH, LINK)

    said = terminal("pairing-link", "user_1")

    assert said.out.splitlines()[0] == URL
    assert "until 2026-11-22 07:22:04 UTC" in said.out
    assert api.asked[-1].body == {}


def test_a_link_is_json_when_piped_and_says_what_it_is_for(pipe: Run, api: Api) -> None:
    api.on(PATH, LINK)

    said = pipe("pairing-link", "user_1", "--ttl", "60", "--phone", "+85251234567")

    assert json.loads(said.out) == LINK.body
    assert api.asked[-1].body == {"ttl_s": 60, "phone_number": "+85251234567"}


def test_a_link_that_is_refused_says_why(terminal: Run, api: Api) -> None:
    api.on(PATH, problem(409, "public_url_missing", "the setting public_url is missing"))

    said = terminal("pairing-link", "user_1")

    assert said.code == 1
    assert "public_url" in said.err
