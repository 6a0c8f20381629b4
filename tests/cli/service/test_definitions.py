"""The unit and the property list as their service managers read them."""

import plistlib
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.pages.blocks import prose_of, words_in

ROOT = Path(__file__).parents[3]
UNIT = ROOT / "systemd" / "openwa-manager.service"
PLIST = ROOT / "launchd" / "com.openwa.manager.plist"
EXPOSURE_MAX = 2.5
LANDLOCK = {"landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self"}

#: Of launchd.plist(5); a key that launchd does not know, or of another type, it passes over without a word.
LAUNCHD_KEYS = {
    "Label": str,
    "ProgramArguments": list,
    "UserName": str,
    "WorkingDirectory": str,
    "EnvironmentVariables": dict,
    "Umask": int,
    "RunAtLoad": bool,
    "KeepAlive": bool,
    "ThrottleInterval": int,
    "ExitTimeOut": int,
    "AbandonProcessGroup": bool,
    "ProcessType": str,
    "StandardOutPath": str,
    "StandardErrorPath": str,
}

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")


def read_unit(path: Path) -> dict[str, dict[str, list[str]]]:
    """Return section -> key -> values; a key may be given more than once."""
    sections: dict[str, dict[str, list[str]]] = {}
    section: dict[str, list[str]] = {}
    for line in path.read_text("utf-8").splitlines():
        if line.startswith("["):
            section = sections.setdefault(line.strip("[]"), {})
        elif line and not line.startswith("#"):
            key, equals, value = line.partition("=")
            assert equals, line
            section.setdefault(key, []).append(value)
    return sections


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("Type", "notify"),
        ("NotifyAccess", "main"),
        ("WatchdogSec", "30"),
        ("Restart", "always"),
        ("KillMode", "process"),
        ("OOMPolicy", "continue"),
        ("TasksMax", "infinity"),
        ("LimitNOFILE", "524288"),
        ("User", "openwa"),
        ("UMask", "0077"),
        ("ExecStart", "/opt/openwa-manager/bin/openwa-manager serve"),
    ],
)
def test_the_unit_keeps_the_daemon_alive_and_touches_nothing_else(key: str, value: str) -> None:
    assert read_unit(UNIT)["Service"][key] == [value]


@pytest.mark.parametrize(
    ("key", "value"),
    [("PrivateTmp", "no"), ("RemoveIPC", "no"), ("PrivateUsers", "no"), ("ProtectProc", "default")],
)
def test_engines_that_live_on_share_with_the_next_daemon_what_it_needs_of_them(key: str, value: str) -> None:
    assert read_unit(UNIT)["Service"][key] == [value]


def test_chromium_gets_its_sandbox_and_v8_its_compiler() -> None:
    service = read_unit(UNIT)["Service"]

    assert service["MemoryDenyWriteExecute"] == ["no"]
    assert {"user", "pid", "net"} <= set(service["RestrictNamespaces"][0].split())
    assert {"chroot", "seccomp", "@system-service", *LANDLOCK} <= set(service["SystemCallFilter"][0].split())
    assert service["SystemCallErrorNumber"] == ["EPERM"]
    assert {"/opt/openwa", "/tmp"} <= set(service["ReadWritePaths"][0].split())


def test_the_unit_never_gives_up_and_starts_at_boot() -> None:
    unit = read_unit(UNIT)

    assert unit["Unit"]["StartLimitIntervalSec"] == ["0"]
    assert unit["Install"]["WantedBy"] == ["multi-user.target"]


@needs_systemd
def test_systemd_understands_every_line(tmp_path: Path) -> None:
    program = tmp_path / "openwa-manager"
    program.touch(0o755)
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text("utf-8").replace("/opt/openwa-manager/bin/openwa-manager", f'"{program}"'), "utf-8")

    done = subprocess.run(
        ("systemd-analyze", "verify", "--man=no", unit), capture_output=True, text=True, check=False, timeout=30
    )

    complaints = [line for line in done.stderr.splitlines() if UNIT.name in line]
    assert (complaints, done.returncode) == ([], 0)


@needs_systemd
def test_the_unit_exposes_little() -> None:
    argv = ("systemd-analyze", "security", "--offline=true", "--no-pager", UNIT)

    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=30)

    if "exposure level" not in done.stdout:
        pytest.skip(f"this systemd cannot tell offline: {done.stderr}")
    exposure = re.search(r"exposure level for \S+: ([0-9.]+)", done.stdout)
    assert exposure is not None
    assert float(exposure[1]) <= EXPOSURE_MAX


def test_the_property_list_keeps_the_daemon_alive_and_lets_engines_outlive_it() -> None:
    job = plistlib.loads(PLIST.read_bytes())

    assert job["Label"] == PLIST.stem
    assert job["ProgramArguments"] == ["/opt/openwa-manager/bin/openwa-manager", "serve"]
    assert job["KeepAlive"] is True
    assert job["RunAtLoad"] is True
    assert job["AbandonProcessGroup"] is True
    assert job["ExitTimeOut"] == 30
    assert job["ProcessType"] == "Interactive"
    assert job["Umask"] == 0o077
    assert job["UserName"] == "_openwa"
    assert job["EnvironmentVariables"]["OPENWA_MANAGER_HOME"] == job["EnvironmentVariables"]["HOME"] == "/opt/openwa"
    places = job["EnvironmentVariables"]["PATH"].split(":")
    assert places.index("/usr/local/bin") < places.index("/opt/homebrew/bin")  # what is root's, such as nodejs.org's
    assert job["StandardErrorPath"] == job["StandardOutPath"]


def test_the_property_list_limits_nothing_of_the_whole_system() -> None:
    job = plistlib.loads(PLIST.read_bytes())

    assert not {"SoftResourceLimits", "HardResourceLimits"} & job.keys()


def test_every_key_of_the_property_list_is_one_that_launchd_knows() -> None:
    job = plistlib.loads(PLIST.read_bytes())

    assert {key: type(value) for key, value in job.items()} == LAUNCHD_KEYS


INSTALL = ROOT / "openwa_manager" / "docs" / "install.md"
GUIDES = (ROOT / "launchd" / "README.md", ROOT / "systemd" / "README.md", INSTALL)
AS_ITS_USER = (
    'sudo -u _openwa -H sh -c \'PATH="/opt/homebrew/opt/node@22/bin:$PATH"; cd /opt/openwa &&',
    "runuser -u openwa -- env HOME=/opt/openwa sh -c 'cd /opt/openwa &&",
)


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: str(path.relative_to(ROOT)))
def test_npm_and_git_run_as_the_services_user_with_its_own_home(guide: Path) -> None:
    text = guide.read_text("utf-8")
    clones = ("git clone https://github.com/rmyndharis/OpenWA", "npm ")
    lines = [line for line in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) for line in line.splitlines()]
    lines = [line for line in lines if any(words in line for words in clones)]

    assert lines or guide == INSTALL  # there the daemon does it
    assert [line for line in lines if not any(words in line for words in AS_ITS_USER)] == []
    assert "chown -R openwa" not in text


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_guide_has_a_user_made_that_is_in_the_group_of_all(guide: Path) -> None:
    blocks = re.findall(r"```sh\n(.*?)```", guide.read_text("utf-8"), re.DOTALL)

    assert not [block for block in blocks if re.search(r"sysadminctl|newsyslog|fuser", block)]


def test_the_guide_for_an_empty_machine_is_short_and_asks_for_a_self_test() -> None:
    text = INSTALL.read_text("utf-8")

    assert words_in(prose_of("openwa_manager/docs/install.md")) <= 600
    assert "openwa-manager doctor --selftest > selftest.json" in text


@pytest.mark.parametrize("folder", ["systemd", "launchd"])
def test_the_admin_is_told_how_to_install_upgrade_and_uninstall(folder: str) -> None:
    headings = re.findall(r"^## (\w+)", (ROOT / folder / "README.md").read_text("utf-8"), re.MULTILINE)

    assert {"Install", "Upgrade", "Uninstall"} <= set(headings)
