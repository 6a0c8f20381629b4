"""What makes a build may read programs, and no home of anybody."""

from pathlib import Path

import pytest

from openwa_manager.domain.isolation import IsolationRules
from openwa_manager.engines.builds.steps import InstallPlace, StepMaker


@pytest.mark.parametrize("prefix", ["", ".local"])
def test_programs_in_a_home_open_themselves_and_not_the_home(tmp_path: Path, prefix: str) -> None:
    home, place = tmp_path / "home", InstallPlace(tmp_path / "install")
    secret = home / ".local" / "share" / "openwa-manager"
    programs = home / prefix / "bin"
    programs.mkdir(parents=True)
    for name in ("node", "npm"):
        (programs / name).write_text("#!/bin/sh\n")
        (programs / name).chmod(0o755)
    maker = StepMaker(environ={"HOME": str(home), "PATH": ""}, rules=IsolationRules(hidden=(secret,)))

    confinement = maker.making(programs / "node", place)[0].confinement

    opened = {*confinement.readable, *confinement.programs}
    assert {programs, programs.parent / "lib"} <= opened
    assert [each for each in opened for hidden in (home, secret) if hidden.is_relative_to(each)] == []
