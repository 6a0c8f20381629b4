"""The home beside the user as whom the installed service runs."""

import getpass
import os
import shlex
from pathlib import Path

import pytest

from openwa_manager.cli.doctor.service_checks import check_service_home, service_findings, service_user
from openwa_manager.cli.service.definitions import Installation, job_of, unit_of


def installation(home: Path, run_as: str | None) -> Installation:
    return Installation(program=("/opt/p",), home=home, run_as=run_as, search_path="/bin")


@pytest.mark.parametrize("run_as", ["_openwa", "openwa"])
def test_the_user_is_read_from_what_was_installed(run_as: str) -> None:
    home = Path("/opt/openwa")
    ours = installation(home, run_as)

    definitions = [unit_of(ours), job_of(ours).decode()]

    assert [service_user(each, home) for each in definitions] == [run_as, run_as]
    assert [service_user(each, Path("/srv/other")) for each in definitions] == [None, None]


def test_a_service_of_ones_own_and_what_is_none_have_no_user() -> None:
    own = installation(Path("/opt/openwa"), None)

    for text in (unit_of(own), job_of(own).decode(), "", "<plist", "<plist></plist>", "User=x"):
        assert service_user(text, Path("/opt/openwa")) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory to another user")
def test_a_home_that_the_service_cannot_use_is_a_failure(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    unit = tmp_path / "unit"
    unit.write_text(unit_of(installation(home, getpass.getuser())))

    (fine,) = service_findings(home, (unit, tmp_path / "absent"))
    os.chown(home, 65534, 65534)
    (bad,) = service_findings(home, (unit,))

    assert fine.level == "ok"
    assert (bad.level, bad.cure) == ("fail", f"sudo chown -R {getpass.getuser()}: {shlex.quote(str(home))}")


def test_a_user_that_is_gone_is_a_failure(tmp_path: Path) -> None:
    finding = check_service_home(tmp_path, "nobody-of-this-name")

    assert (finding.level, finding.cure) == ("fail", "openwa-manager service install")
