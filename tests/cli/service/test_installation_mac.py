"""`service` under launchd: the job, the user it runs as, its places."""

import json
import os
import plistlib
import shlex
from pathlib import Path
from typing import cast

import pytest

from openwa_manager.cli.errors import CommandFailedError
from tests.cli.service.rig import AS_ME, PLIST, PROGRAM, UNIT, Rig
from tests.fakes.api import Api


def test_install_on_a_mac_writes_the_property_list_and_bootstraps_it(rig: Rig) -> None:
    rig.run("install", *AS_ME, is_mac=True)

    job = plistlib.loads((rig.root / PLIST).read_bytes())
    assert job["ProgramArguments"] == [*PROGRAM, "serve"]
    assert job["UserName"] == AS_ME[1]
    assert job["EnvironmentVariables"]["OPENWA_MANAGER_HOME"] == str(rig.home)
    assert Path(job["StandardErrorPath"]).parent == rig.home / "logs"
    assert (rig.root / rig.home.relative_to("/") / "logs").is_dir()
    assert rig.ran == [
        f"tmutil addexclusion -p {rig.home}/sessions",
        "launchctl enable system/com.openwa.manager",
        f"launchctl bootstrap system /{PLIST}",
    ]


def test_an_upgrade_on_a_mac_tries_until_launchd_has_forgotten_the_old_job(rig: Rig) -> None:
    rig.run("install", *AS_ME, is_mac=True)
    rig.answer("launchctl-bootstrap", f"rm '{rig.place}/answers/launchctl-bootstrap'; echo busy >&2; exit 5")

    rig.run("install", *AS_ME, is_mac=True)

    assert [line.split()[1] for line in rig.ran[4:]] == ["bootout", "enable", "bootstrap", "bootstrap"]


def test_a_users_own_agent_lies_in_his_library(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(rig.place / "me"))

    rig.run("install", "--user", uid=501, is_mac=True)

    agent = rig.place / "me/Library/LaunchAgents/com.openwa.manager.plist"
    assert "UserName" not in plistlib.loads((rig.root / agent.relative_to("/")).read_bytes())
    assert rig.ran[-1] == f"launchctl bootstrap gui/501 {agent}"


def test_without_a_login_at_the_screen_an_agent_is_refused_at_once(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(rig.place / "me"))
    rig.answer(
        "launchctl-bootstrap", "echo 'Bootstrap failed: 125: Domain does not support specified action'; exit 125"
    )

    with pytest.raises(CommandFailedError, match=r"failed \(125\): Bootstrap failed.*; log in at the screen first"):
        rig.run("install", "--user", uid=501, is_mac=True)

    assert [line.split()[1] for line in rig.ran].count("bootstrap") == 1


def test_uninstall_on_a_mac_boots_the_job_out(rig: Rig, api: Api) -> None:
    del api
    rig.run("install", *AS_ME, is_mac=True)

    rig.run("uninstall", is_mac=True)

    assert rig.ran[-1] == "launchctl bootout system/com.openwa.manager"
    assert not (rig.root / PLIST).exists()


@pytest.mark.parametrize(
    ("said", "code", "state", "pid"),
    [
        ("\tstate = running\n\n\tpid = 812\n", 0, "running", 812),
        ("\tstate = not running\n", 1, "not running", None),
        ("", 1, "not loaded", None),
        (
            "\tstate = spawn scheduled\n\tlast exit code = 78: EX_CONFIG\n",
            1,
            "spawn scheduled · last exit code = 78: EX_CONFIG",
            None,
        ),
        ("\tstate = running\n\tpid = 8\n\tlast exit code = (never exited)\n", 0, "running", 8),
    ],
)
def test_status_reads_what_launchd_prints(rig: Rig, said: str, code: int, state: str, pid: int | None) -> None:
    rig.answer("launchctl-print", f"cat <<'E'\nsystem/com.openwa.manager = {{\n{said}}}\nE\n")

    exit_code, status = rig.run("status", is_mac=True)

    assert exit_code == code
    assert (status["state"], status["pid"], status["installed"], status["version"]) == (state, pid, False, None)


def at(rig: Rig, path: Path) -> Path:
    return rig.root / path.relative_to("/")


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to another user")


@needs_root
def test_install_on_a_mac_makes_the_user_its_group_and_its_places(rig: Rig) -> None:
    _, said = rig.run("install", is_mac=True)

    records = json.loads(rig.users.read_text())
    places = [at(rig, rig.home / name) for name in ("", "logs", "logs/manager.log", "sessions")]
    hidden = at(rig, rig.home / "sessions" / ".metadata_never_index")
    assert records["/Users/_openwa"]["UniqueID"] == records["/Groups/_openwa"]["PrimaryGroupID"] == "399"
    assert records["/Users/_openwa"]["NFSHomeDirectory"] == str(rig.home)
    assert {(each.stat().st_uid, each.stat().st_gid) for each in (*places, hidden)} == {(399, 399)}
    assert {each.stat().st_mode & 0o077 for each in (*places, hidden)} == {0}
    assert plistlib.loads((rig.root / PLIST).read_bytes())["UserName"] == "_openwa"
    assert said["notes"] == []


@needs_root
def test_installing_again_on_a_mac_leaves_the_user_and_the_log_as_they_are(rig: Rig) -> None:
    rig.run("install", is_mac=True)
    log = at(rig, rig.home / "logs" / "manager.log")
    log.write_text("a line\n")

    _, said = rig.run("install", is_mac=True)

    assert not [action for action in cast("list[str]", said["actions"]) if action.startswith("dscl")]
    assert log.read_text() == "a line\n"


def test_a_dry_run_on_a_mac_shows_every_command(rig: Rig) -> None:
    _, said = rig.run("install", "--dry-run", is_mac=True, uid=501)

    actions, home = cast("list[str]", said["actions"]), shlex.quote(str(rig.home))
    assert actions[0] == "dscl . -create /Groups/_openwa"
    assert f"dscl . -create /Users/_openwa NFSHomeDirectory {home}" in actions
    assert f"mkdir -m 700 {home}; chown _openwa: {home}" in actions
    marker = shlex.quote(f"{rig.home}/sessions/.metadata_never_index")
    assert f"touch {marker}; chmod 600 {marker}; chown _openwa: {marker}" in actions
    assert f"tmutil addexclusion -p {shlex.quote(f'{rig.home}/sessions')}" in actions
    assert not rig.users.exists()


def test_a_user_of_the_group_staff_is_refused_before_anything_is_done(rig: Rig) -> None:
    staff = {
        "UniqueID": "399",
        "PrimaryGroupID": "20",
        "NFSHomeDirectory": str(rig.home),
        "UserShell": "/usr/bin/false",
    }
    rig.users.write_text(json.dumps({"/Users/_openwa": staff}))

    with pytest.raises(CommandFailedError, match="primary group 20"):
        rig.run("install", is_mac=True)

    assert list(rig.root.iterdir()) == []


@pytest.mark.parametrize(("is_mac", "name"), [(False, ""), (True, ""), (True, "logs"), (True, "sessions")])
@needs_root
def test_a_home_of_another_user_is_refused_for_the_daemon_would_be_started_for_ever(
    rig: Rig, is_mac: bool, name: str
) -> None:
    at(rig, rig.home / "logs").mkdir(parents=True)
    at(rig, rig.home / "sessions").mkdir()
    os.chown(at(rig, rig.home / name), 65534, 65534)

    with pytest.raises(CommandFailedError, match=rf"s, not {AS_ME[1]}'s: chown -R {AS_ME[1]}: "):
        rig.run("install", *AS_ME, is_mac=is_mac)

    assert not (rig.root / (PLIST if is_mac else UNIT)).exists()


def test_a_copy_that_time_machine_will_make_is_no_reason_to_stop_but_is_told(rig: Rig) -> None:
    rig.answer("tmutil-addexclusion", "echo 'requires Full Disk Access' >&2; exit 80")

    code, said = rig.run("install", *AS_ME, is_mac=True)

    assert code == 0
    assert "Full Disk Access" in cast("list[str]", said["notes"])[0]
    assert (rig.root / PLIST).exists()


def test_a_users_own_agent_is_told_of_its_login_and_of_the_local_network(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(rig.place / "me"))

    _, said = rig.run("install", "--user", uid=501, is_mac=True)

    login, network = cast("list[str]", said["notes"])
    assert "logged in at the screen" in login
    assert "Local Network" in network
    assert f"tmutil addexclusion {rig.home}/sessions" in rig.ran


def test_uninstall_says_what_is_left_of_the_user_and_how_to_remove_it(rig: Rig, api: Api) -> None:
    del api
    rig.run("install", *AS_ME, is_mac=True)

    _, ours = rig.run("uninstall", "--dry-run", is_mac=True)
    _, others = rig.run("uninstall", "--dry-run", *AS_ME, is_mac=True)

    assert "sudo dscl . -delete /Users/_openwa && sudo dscl . -delete /Groups/_openwa" in str(ours["notes"])
    assert "dscl" not in str(others["notes"])
    assert any(f"rm -r {shlex.quote(str(rig.home))}" in note for note in cast("list[str]", others["notes"]))


def test_what_is_a_link_leads_nowhere(rig: Rig) -> None:
    elsewhere = rig.place / "elsewhere"
    elsewhere.mkdir()
    home = at(rig, rig.home)
    (home / "logs").mkdir(parents=True)
    (home / "sessions").symlink_to(elsewhere)
    (home / "logs" / "manager.log").symlink_to(elsewhere / "log")

    code, _ = rig.run("install", *AS_ME, is_mac=True)

    assert code == 0
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize(
    ("interpreter", "home"),
    [("/Users/jo/.pyenv/versions/3.13.0/bin/python3.13", None), ("/usr/local/bin/python3", "/Users/jo/openwa")],
)
def test_what_lies_in_a_home_that_the_services_user_cannot_enter_is_refused(
    rig: Rig, interpreter: str, home: str | None
) -> None:
    rig.interpreter = Path(interpreter)

    with pytest.raises(
        CommandFailedError, match=r"/Users/jo/.*: _openwa cannot enter the home of jo; .* or use --user"
    ):
        rig.run(*(() if home is None else ("--home", home)), "install", is_mac=True)

    assert rig.ran == []


def test_what_lies_in_the_home_of_the_services_own_user_or_in_everybodys_is_not(rig: Rig) -> None:
    for interpreter in (f"/Users/{AS_ME[1]}/.pyenv/bin/python3", "/Users/Shared/python/bin/python3"):
        rig.interpreter = Path(interpreter)
        rig.run("install", "--dry-run", *AS_ME, is_mac=True)


def test_commands_for_people_name_a_path_with_spaces_as_one_word(rig: Rig) -> None:
    """`rm -r` would remove two other directories."""
    home = rig.place / "a b" / "h"

    _, installed = rig.run("--home", str(home), "install", "--dry-run", *AS_ME, is_mac=True)
    rig.run("install", *AS_ME, is_mac=True)
    _, removed = rig.run("--home", str(home), "uninstall", "--dry-run", is_mac=True)

    commands = [line for line in cast("list[str]", installed["actions"]) if not line.startswith("write ")]
    assert [line for line in commands if "a b" in line and f"'{rig.place}/a b/h" not in line] == []
    assert f"sudo rm -r '{home}' && " in str(cast("list[str]", removed["notes"])[0])
