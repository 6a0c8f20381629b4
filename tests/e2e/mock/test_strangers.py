"""Whom a mock lets do what, since everybody knows its key."""

import json
from pathlib import Path

import pytest

from tests.e2e.mock.running import KEY, Mock


@pytest.mark.parametrize("host", ["pages.example.com", "127.0.0.1.example.com", "localhost.example.com:2785"])
def test_a_page_of_the_web_cannot_use_a_mock_by_a_name_of_its_own(mock: Mock, host: str) -> None:
    headers = {"X-API-Key": KEY, "Host": host}

    assert mock.ask("GET", "/v1/sessions", headers=headers).status == 421
    assert mock.ask("POST", "/_mock/reset", headers=headers).status == 421


@pytest.mark.parametrize("host", ["openwa", "openwa.test:2785", "host.docker.internal", "172.17.0.2", "[::1]:2785"])
def test_names_that_only_this_network_knows_are_served(mock: Mock, host: str) -> None:
    assert mock.ask("GET", "/v1/sessions", headers={"X-API-Key": KEY, "Host": host}).status == 200


def test_nobody_can_have_programs_run_by_a_mock(mock: Mock, place: Path) -> None:
    package = {"name": "openwa", "version": "0.23.0", "engines": {"node": ">=1"}, "scripts": {"build": "exit 0"}}
    (place / "package.json").write_text(json.dumps(package))

    installed = mock.ask("POST", "/v1/builds", {"path": str(place)})
    started = mock.ask("POST", "/v1/sessions", {"session_id": "user_1_session_o", "engine": "openwa"})

    assert (installed.status, installed.body["code"]) == (403, "forbidden")
    assert (started.body["status"], started.body["pid"]) == ("failed", None)
