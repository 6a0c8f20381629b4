import json
from pathlib import Path

import pytest

from openwa_manager.engines.versions import (
    WEBHOOK_TRIES,
    Capability,
    DeclaredBuild,
    build_in,
    can,
    parsed,
    routes_in,
    shown,
    webhook_delay_ms,
)

REDRIVE = "/api/webhooks/delivery-failures/redrive"


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("0.23.0", (0, 23, 0)),
        ("v22.13.1", (22, 13, 1)),
        ("0.25.0-rc.1", (0, 25, 0)),
        ("", None),
        ("0.25", None),
        ("next", None),
        (f"0.{'9' * 5000}.0", None),
    ],
)
def test_a_version_is_read_or_is_none(text: str, version: tuple[int, int, int] | None) -> None:
    assert parsed(text) == version


def test_a_version_is_shown_as_it_was_written() -> None:
    assert shown((0, 25, 1)) == "0.25.1"


@pytest.mark.parametrize(
    ("version", "capabilities"),
    [
        ((0, 11, 0), set()),
        ((0, 23, 1), {Capability.LOG_OUT}),
        ((0, 24, 0), {Capability.LOG_OUT, Capability.DOUBLING_RETRIES}),
        ((0, 30, 3), set(Capability)),
        (None, set()),
    ],
)
def test_what_a_version_can_is_in_the_table(
    version: tuple[int, int, int] | None, capabilities: set[Capability]
) -> None:
    assert {each for each in Capability if can(each, version)} == capabilities


def test_the_routes_of_a_build_say_it_better_than_its_number() -> None:
    assert can(Capability.REDRIVE, (0, 24, 9), {REDRIVE})
    assert not can(Capability.REDRIVE, (0, 26, 0), {"/api/health"})
    assert can(Capability.IDEMPOTENCY_KEYS, (0, 26, 0), {"/api/health"})


@pytest.mark.parametrize(
    ("package", "build"),
    [
        (
            {"version": "0.23.0", "engines": {"node": ">=22.13"}},
            DeclaredBuild(version=(0, 23, 0), oldest_node=(22, 13, 0)),
        ),
        ({"version": "0.26.0", "engines": {"node": ">=24"}}, DeclaredBuild(version=(0, 26, 0), oldest_node=(24, 0, 0))),
        ({"version": "0.26.0"}, DeclaredBuild(version=(0, 26, 0), oldest_node=(22, 19, 0))),
        ({"version": "0.23.5"}, DeclaredBuild(version=(0, 23, 5), oldest_node=(22, 13, 0))),
        ({"version": 1}, DeclaredBuild()),
        ([], DeclaredBuild()),
    ],
)
def test_a_build_says_which_version_it_is_and_which_node_it_needs(
    tmp_path: Path, package: object, build: DeclaredBuild
) -> None:
    (tmp_path / "package.json").write_text(json.dumps(package))

    assert build_in(tmp_path) == build


def test_a_directory_without_a_build_says_nothing(tmp_path: Path) -> None:
    assert build_in(tmp_path) == DeclaredBuild()
    assert routes_in(tmp_path) is None


def test_the_routes_are_those_of_the_builds_description(tmp_path: Path) -> None:
    (tmp_path / "openapi.json").write_text(json.dumps({"openapi": "3.0.0", "paths": {REDRIVE: {"post": {}}}}))

    assert routes_in(tmp_path) == {REDRIVE}


@pytest.mark.parametrize(
    ("version", "pauses"),
    [((0, 23, 1), [1, 2, 3, 4]), (None, [1, 2, 3, 4]), ((0, 24, 0), [1, 2, 4, 8]), ((0, 30, 3), [1, 2, 4, 8])],
)
def test_an_event_is_posted_again_for_longer_than_a_restart_of_ours_takes(
    version: tuple[int, int, int] | None, pauses: list[int]
) -> None:
    span_s = sum(pauses) * webhook_delay_ms(version) / 1000

    assert len(pauses) == WEBHOOK_TRIES - 1
    assert 130 <= span_s < 131
