"""Who starts the daemon, as units, property lists and PM2's own files tell it."""

import json
from pathlib import Path

import pytest

from openwa_manager.cli.doctor.managers import daemon_environment, definitions_of, manager_findings
from openwa_manager.domain.delivery.events import Json

HOME = Path("/opt/openwa")
SAVED = {"name": "a", "pm_exec_path": "/v/bin/openwa-manager"}


def codes(pm2: Path, running: dict[str, str] | None = None, definitions: tuple[Path, ...] = ()) -> list[str]:
    return [each.code for each in manager_findings(running or {}, definitions, pm2, HOME)]


@pytest.mark.parametrize(
    ("running", "expected"),
    [
        ({}, []),
        ({"pm_id": "0"}, ["pm2_treekill"]),
        ({"pm_id": "0", "treekill": "true"}, ["pm2_treekill"]),
        ({"pm_id": "0", "treekill": "false"}, ["pm2"]),
    ],
)
def test_pm2_is_known_by_the_variables_it_hands_on(
    tmp_path: Path, running: dict[str, str], expected: list[str]
) -> None:
    assert codes(tmp_path, running) == expected


@pytest.mark.parametrize(
    ("saved", "is_ours"),
    [
        ([{"name": "a", "pm_exec_path": "/v/bin/openwa-manager", "args": ["serve"]}], True),
        ([{"name": "a", "pm_exec_path": "/v/bin/python", "args": ["-m", "openwa_manager", "serve"]}], True),
        ([{"name": "a", "pm_exec_path": "/v/bin/openwa-manager", "args": "serve"}], True),
        ([{"name": "a", "pm_exec_path": "/v/bin/openwa-manager", "args": ["top"]}], False),
        ([{**SAVED, "args": ["serve", "--home", "/opt/openwa"]}], True),
        ([{**SAVED, "args": "serve --home=/opt/openwa/"}], True),
        ([{**SAVED, "args": ["serve", "--home", "/opt/openwa2"]}], False),
        ([{**SAVED, "args": "--home=/srv/other serve"}], False),
        ([{**SAVED, "args": "serve", "env": {"OPENWA_MANAGER_HOME": "/srv/other"}}], False),
        ([{**SAVED, "args": "serve", "env": {"OPENWA_MANAGER_HOME": "/opt/openwa"}}], True),
        ([{"name": "a", "pm_exec_path": "/usr/bin/npm", "args": ["start"]}, None, 7], False),
        ({"not": "a list"}, False),
    ],
)
def test_a_daemon_in_pm2s_saved_list_counts(tmp_path: Path, saved: Json, *, is_ours: bool) -> None:
    (tmp_path / "dump.pm2").write_text(json.dumps(saved))
    unit = tmp_path / "unit"
    unit.write_text(f"Environment=OPENWA_MANAGER_HOME={HOME}")

    assert codes(tmp_path, definitions=(unit,)) == (["two_managers"] if is_ours else [])


@pytest.mark.parametrize(
    ("line", "is_ours"),
    [
        ("Environment=OPENWA_MANAGER_HOME=/opt/openwa", True),
        ('Environment="OPENWA_MANAGER_HOME=/opt/openwa"', True),
        ("<string>/opt/openwa</string>", True),
        ("ExecStart=/v/bin/openwa-manager --home /opt/openwa/ serve", True),
        ("Environment=OPENWA_MANAGER_HOME=/opt/openwa-two", False),
        ("Environment=OPENWA_MANAGER_HOME=/srv/opt/openwa", False),
        ("ExecStart=/opt/openwa/venv/bin/openwa-manager serve", False),
    ],
)
def test_a_unit_is_of_the_home_that_it_names_whole(tmp_path: Path, line: str, *, is_ours: bool) -> None:
    unit, other = tmp_path / "unit", tmp_path / "other"
    unit.write_text(line + "\n")
    other.write_text(f"Environment=OPENWA_MANAGER_HOME={HOME}\n")

    assert codes(tmp_path, definitions=(unit, other)) == (["two_managers"] if is_ours else [])


def test_a_saved_list_that_is_none_and_a_unit_of_another_home_say_nothing(tmp_path: Path) -> None:
    (tmp_path / "dump.pm2").write_text("[{")
    unit = tmp_path / "unit"
    unit.write_text("Environment=OPENWA_MANAGER_HOME=/srv/other")

    assert codes(tmp_path, {"pm_id": "1", "treekill": "false"}, (unit, tmp_path / "absent")) == ["pm2"]
    assert len(definitions_of(tmp_path)) == 4


def test_a_home_without_a_daemon_has_no_environment(tmp_path: Path) -> None:
    lock = tmp_path / "run" / "daemon.lock"
    assert daemon_environment(tmp_path) == {}
    lock.parent.mkdir()
    for text in ("", "nobody", "999999999"):
        lock.write_text(text)
        assert daemon_environment(tmp_path) == {}
