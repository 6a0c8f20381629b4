"""What the doctor reads of a Mac: outputs in the shape that its programs have."""

import shlex
from pathlib import Path

import pytest

from openwa_manager.cli.doctor import mac_checks
from openwa_manager.domain.diagnosis.findings import Finding

#: `pmset -g custom` of a desktop Mac (macOS 13), as it was published; and of one with a battery.
DESKTOP = """AC Power:
 Sleep On Power Button 1
 standby              1
 ttyskeepawake        1
 hibernatemode        3
 powernap             0
 hibernatefile        /var/vm/sleepimage
 displaysleep         10
 womp                 0
 networkoversleep     0
 sleep                1
 tcpkeepalive         0
 autorestart          0
 disksleep            10
"""
LAPTOP = f"""Battery Power:
 lowpowermode         0
 sleep                5
{DESKTOP}"""
#: `pmset -g` of a Mac mini.
IN_USE = """System-wide power settings:
Currently in use:
 disksleep            10
 Sleep On Power Button 1
 sleep                0 (sleep prevented by sharingd, powerd, bluetoothd)
 autorestart          1
"""

SETTINGS = mac_checks.power_settings(DESKTOP)
IN_USE_SETTINGS = mac_checks.power_settings(IN_USE)
PLACE = Path("/opt/openwa/sessions")


def test_the_settings_of_pmset_are_read_names_with_spaces_too() -> None:
    assert SETTINGS["Sleep On Power Button"] == "1"
    assert SETTINGS["hibernatefile"] == "/var/vm/sleepimage"
    assert len(SETTINGS) == 13


def test_those_on_mains_count_where_there_is_a_battery() -> None:
    assert mac_checks.power_settings(LAPTOP) == SETTINGS


@pytest.mark.parametrize(
    ("finding", "level", "said", "advice"),
    [
        (mac_checks.check_sleep(SETTINGS), "warn", "after 1 minutes", "sudo pmset -a sleep 0 disksleep 0"),
        (mac_checks.check_sleep(IN_USE_SETTINGS), "ok", "never by itself", None),
        (mac_checks.check_sleep(mac_checks.power_settings("")), "warn", "pmset does not tell", "pmset -g"),
        (mac_checks.check_restart(SETTINGS), "warn", "stays off", "sudo pmset -a autorestart 1"),
        (mac_checks.check_restart(IN_USE_SETTINGS), "ok", "starts again", None),
        (mac_checks.check_restart({"sleep": "0"}), "warn", "no such setting", "System Settings"),
        (mac_checks.check_restart({}), "warn", "pmset does not tell", "System Settings"),
        (mac_checks.check_filevault("FileVault is Off.\n"), "ok", "off", None),
        (mac_checks.check_filevault("FileVault is On.\n"), "warn", "on: after a power cut", "fdesetup"),
        (mac_checks.check_backup(f"[Excluded]    {PLACE}\n", PLACE), "ok", "passes over", None),
        (
            mac_checks.check_backup(f"[Included]    {PLACE}\n", PLACE),
            "warn",
            "copies the",
            "tmutil addexclusion -p /opt",
        ),
        (mac_checks.check_backup("", PLACE), "warn", "does not tell", "tmutil addexclusion -p /opt/openwa/sessions"),
    ],
)
def test_a_fact_of_a_mac_is_judged(finding: Finding, level: str, said: str, advice: str | None) -> None:
    assert finding.level == level
    assert said in finding.detail
    assert (finding.cure is None) == (advice is None)
    assert advice is None or advice in str(finding.cure)


def test_sessions_that_spotlight_may_index_are_found(tmp_path: Path) -> None:
    open_to_it = mac_checks.check_index(tmp_path)
    (tmp_path / ".metadata_never_index").touch()

    marker = shlex.quote(f"{tmp_path}/.metadata_never_index")
    assert (open_to_it.level, open_to_it.cure) == ("warn", f"sudo touch {marker}")
    assert mac_checks.check_index(tmp_path).level == "ok"
