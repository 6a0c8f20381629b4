"""`service` under systemd, and what is the same under both service managers."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from openwa_manager.cli.errors import CommandFailedError, UsageError
from openwa_manager.cli.service.definitions import Installation, shipped, unit_of
from openwa_manager.cli.service.service_managers import Launchd, Systemd
from tests.cli.service.rig import AS_ME, PLIST, PROGRAM, UNIT, Rig
from tests.fakes.api import Api
from tests.fakes.process import ending


def word(text: str) -> str:
    """Return it as systemd takes one word: quoted if there is a space in it."""
    return f'"{text}"' if " " in text else text


def test_install_writes_the_unit_and_starts_it(rig: Rig) -> None:
    code, _ = rig.run("install", *AS_ME)

    unit = rig.root / UNIT
    lines = unit.read_text().splitlines()
    assert code == 0
    assert f'ExecStart="{PROGRAM[0]}" serve' in lines
    assert f"User={AS_ME[1]}" in lines
    assert f"Environment={word(f'OPENWA_MANAGER_HOME={rig.home}')}" in lines
    assert f"ReadWritePaths={word(str(rig.home))} /tmp /var/tmp" in lines
    assert unit.stat().st_mode & 0o777 == 0o644
    assert (rig.root / rig.home.relative_to("/")).stat().st_mode & 0o777 == 0o700
    assert rig.ran == ["systemctl daemon-reload", "systemctl enable --now openwa-manager.service"]


def test_installing_again_is_an_upgrade_and_restarts_the_daemon(rig: Rig) -> None:
    rig.run("install", *AS_ME)

    rig.run("install", *AS_ME)

    assert rig.ran[-1] == "systemctl restart openwa-manager.service"


def test_a_users_own_unit_has_no_user_and_no_sandbox(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(rig.place / "me"))

    rig.run("install", "--user", uid=1000)

    unit = rig.root / (rig.place / "me/.config/systemd/user/openwa-manager.service").relative_to("/")
    text = unit.read_text()
    assert "\nKillMode=process\n" in text
    search_path = word(f"PATH={rig.environ['PATH']}")
    assert f"\nEnvironment={search_path}\n" in text
    assert text.endswith("[Install]\nWantedBy=default.target\n")
    for key in ("User=", "ProtectSystem=", "SystemCallFilter=", "network-online"):
        assert key not in text
    assert rig.ran[0] == "systemctl --user daemon-reload"


@pytest.mark.parametrize("is_mac", [False, True])
def test_a_dry_run_says_all_and_does_nothing(rig: Rig, is_mac: bool) -> None:
    code, said = rig.run("install", "--dry-run", is_mac=is_mac, uid=1000)

    assert code == 0
    assert said["dry_run"] is True
    actions = said["actions"]
    assert isinstance(actions, list)
    assert any(str(action).startswith(f"write /{PLIST if is_mac else UNIT}:") for action in actions)
    assert [line for line in rig.ran if not line.startswith(("dscl . -list", "dscl . -read"))] == []
    assert list(rig.root.iterdir()) == []


def test_uninstall_ends_the_engines_then_the_daemon_then_removes_the_unit(rig: Rig, api: Api) -> None:
    rig.run("install", *AS_ME)

    code, _ = rig.run("uninstall")

    assert code == 0
    assert [(asked.method, asked.path) for asked in api.asked[:2]] == [
        ("POST", "/v1/sessions/stop"),
        ("GET", "/v1/registry"),
    ]
    assert api.asked[0].body == {"until_start": True}
    assert rig.ran[2:] == ["systemctl disable --now openwa-manager.service", "systemctl daemon-reload"]
    assert not (rig.root / UNIT).exists()


def test_a_dry_uninstall_ends_no_engine(rig: Rig, api: Api) -> None:
    rig.run("install", *AS_ME)

    _, said = rig.run("uninstall", "--dry-run", uid=1000)

    assert said["actions"] == [
        "end every engine, so that none is left without its daemon",
        "systemctl disable --now openwa-manager.service",
        f"rm /{UNIT}",
        "systemctl daemon-reload",
    ]
    assert api.asked == []
    assert (rig.root / UNIT).exists()


def test_uninstall_refuses_while_engines_run_that_no_daemon_can_end(rig: Rig) -> None:
    rig.run("install", *AS_ME)
    locks = rig.root / rig.home.relative_to("/") / "locks"
    locks.mkdir(parents=True)
    hold = "import fcntl,sys; f=open(sys.argv[1],'w'); fcntl.flock(f,2); print(flush=True); sys.stdin.read()"
    argv = (sys.executable, "-c", hold, locks / "acme.lock")
    with ending(subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)) as engine:
        assert engine.stdin is not None
        assert engine.stdout is not None
        engine.stdout.readline()

        with pytest.raises(CommandFailedError, match=r"\(acme\): start the service first"):
            rig.run("uninstall")
        engine.stdin.close()

    rig.run("uninstall")
    assert not (rig.root / UNIT).exists()


def test_what_a_program_complains_of_is_passed_on(rig: Rig) -> None:
    rig.answer("systemctl-enable", "echo 'Unit is masked.' >&2; exit 1")

    with pytest.raises(CommandFailedError, match=r"`systemctl enable --now .* failed \(1\): Unit is masked\."):
        rig.run("install", *AS_ME)


@pytest.mark.parametrize(
    ("words", "uid", "message"),
    [
        (("install", "--run-as", "nobody-of-this-name"), 0, "there is no user nobody-of-this-name; make one: useradd"),
        (("install",), 1000, "use sudo, or --user"),
        (("install", "--home", "/home/me/wa"), 0, "the service cannot see /home"),
        (("uninstall",), 0, "nothing is installed"),
    ],
)
def test_what_could_not_work_is_refused_with_what_to_do(
    rig: Rig, words: tuple[str, ...], uid: int, message: str
) -> None:
    with pytest.raises(CommandFailedError, match=message):
        rig.run(*words, uid=uid)

    assert rig.ran == []


def test_without_a_service_manager_it_says_so(rig: Rig) -> None:
    (rig.place / "bin" / "launchctl").unlink()

    with pytest.raises(CommandFailedError, match="launchctl is not on this host"):
        rig.run("status", is_mac=True)


def test_status_tells_what_systemd_and_the_daemon_say(rig: Rig, api: Api) -> None:
    del api
    rig.run("install", *AS_ME)
    said = "ActiveState=active\nSubState=running\nMainPID=4711\nStatusText=3 sessions, 3 running\n"
    rig.answer("systemctl-show", f"cat <<'E'\n{said}E\n")

    code, status = rig.run("status")

    assert code == 0
    assert status == {
        "installed": True,
        "path": f"/{UNIT}",
        "running": True,
        "state": "active · running · 3 sessions, 3 running",
        "pid": 4711,
        "version": "0.1.0",
    }
    head, row = rig.show("table", "status").splitlines()
    assert head.split() == ["STATE", "RUNNING", "PID", "VERSION", "INSTALLED", "DEFINED", "BY"]
    assert row.startswith("active · running · 3 sessions, 3 running  yes      4711  0.1.0    yes        /etc/systemd")
    with pytest.raises(UsageError, match="a service has no id"):
        rig.show("ids", "status")


def test_a_unit_survives_any_path(tmp_path: Path) -> None:
    home = tmp_path / 'a "b" 100%\\c'
    installation = Installation(program=("/x y/$p",), home=home, run_as="openwa", search_path="/bin")

    lines = unit_of(installation).splitlines()

    quoted = str(home).replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    assert 'ExecStart="/x y/$$p" serve' in lines
    assert f'Environment="OPENWA_MANAGER_HOME={quoted}"' in lines
    assert f'ReadWritePaths="{quoted}" /tmp /var/tmp' in lines


def test_the_definitions_are_packaged_from_the_folders_at_the_top() -> None:
    import tomllib

    root = Path(__file__).parents[3]
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))
    included = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]

    assert set(included.values()) == {
        f"openwa_manager/data/{name}"
        for name in (Systemd(configuration=None).path.name, Launchd(domain="system").path.name)
    }
    for source, target in included.items():
        assert shipped(Path(target).name) == (root / source).read_text("utf-8")


def test_the_real_command_prints_what_it_would_do() -> None:
    argv = (sys.executable, "-m", "openwa_manager", "service", "install", "--dry-run", "--user")

    done = subprocess.run(argv, env=os.environ, capture_output=True, text=True, check=True, timeout=30)

    assert json.loads(done.stdout)["dry_run"] is True
