"""A Chromium that lies in a build runs confined, as an engine of that build starts it."""

import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from openwa_manager.domain.isolation import Confinement
from openwa_manager.engines.builds.browsers import browser_in, programs_of
from openwa_manager.processes.confinement.support import system_support
from openwa_manager.processes.launcher import HostLauncher
from tests.processes.conftest import Stage

CHROMIUM = Path("/usr/lib/chromium")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        sys.platform != "linux" or not system_support().is_possible, reason="this kernel has no Landlock"
    ),
    pytest.mark.skipif(not (CHROMIUM / "chromium").exists(), reason="no Chromium to put into a build"),
]


@pytest.fixture
def build(tmp_path: Path) -> Path:
    """Return a build in which a Chromium lies as puppeteer puts it."""
    folder = tmp_path / "build" / ".cache" / "puppeteer" / "chrome" / "linux-131.0.6778.204" / "chrome-linux64"
    shutil.copytree(CHROMIUM, folder)
    (folder / "chromium").rename(folder / "chrome")
    return tmp_path / "build"


@pytest.fixture
def short(stage: Stage) -> Iterator[Stage]:
    """Return a session whose directory leaves room for the address of a browser's socket."""
    with tempfile.TemporaryDirectory(prefix="b", dir="/tmp") as folder:
        yield replace(stage, directory=Path(folder, "s"))


async def test_the_browser_of_a_build_runs_confined(launcher: HostLauncher, short: Stage, build: Path) -> None:
    stage = short
    browser = browser_in(build)
    assert browser is not None
    env = {"PUPPETEER_EXECUTABLE_PATH": str(browser)}
    confinement = Confinement(
        programs=programs_of(env, browser),
        readable=(build,),
        writable=(stage.directory,),
        hidden=(),
        connect_ports=(),
        bind_ports=(),
    )
    profile, page = stage.directory / "profile", stage.directory / "page.html"
    page.write_text("<p id=a></p><script>document.getElementById('a').textContent = 6 * 7</script>")
    options = ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu")
    words = (*options, f"--user-data-dir={profile}", "--dump-dom", page.as_uri())
    plan = replace(
        stage.python(""),
        argv=(str(browser), *words),
        env={"PATH": os.environ["PATH"], "HOME": str(stage.directory), "TMPDIR": str(stage.directory)},
        confinement=confinement,
    )

    async with asyncio.timeout(60):
        await launcher.wait(await launcher.launch(plan))

    assert "42</p>" in (stage.directory / "logs" / "engine.log").read_text(errors="replace")
