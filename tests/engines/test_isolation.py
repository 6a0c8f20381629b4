"""What each recipe asks for its engines."""

import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from openwa_manager.domain.isolation import Confinement, IsolationRules
from openwa_manager.domain.ports import LaunchPlan
from openwa_manager.engines import registry
from openwa_manager.engines.environment import EngineContext
from openwa_manager.engines.program import LOOPBACK_SHIM
from openwa_manager.engines.recipe import EngineValues
from openwa_manager.host.foreign.engine_files import EngineFiles
from openwa_manager.processes.reading.listeners import EngineListeners
from tests.engines.rig import new_launch, new_session
from tests.fakes.clock import FakeClock


@pytest.fixture
def values(tmp_path: Path) -> EngineValues:
    home = tmp_path / "openwa"
    (home / "dist").mkdir(parents=True)
    (home / "dist" / "main.js").touch()
    node = tmp_path / "node"
    node.write_text("#!/bin/sh\necho v24.0.0\n")
    node.chmod(0o755)
    context = EngineContext(
        environ={"PATH": os.environ["PATH"]},
        intake_url="http://127.0.0.1:2791",
        proof=EngineListeners(),
        isolation=IsolationRules(is_possible=True),
    )
    return EngineValues(
        clock=FakeClock(),
        files=EngineFiles(),
        context=context,
        answer_timeout_s=5.0,
        node=str(node),
        openwa_home=home,
        builds=home / "builds",
        engine_type="baileys",
        command_argv=("sh", "/opt/engine.sh", "{session_id}"),
        command_env={},
    )


async def planned(values: EngineValues, recipe: str, directory: Path) -> Confinement | None:
    plan = await registry.build_engines(values)[recipe].plan(new_session(), new_launch(28100), directory)
    return plan.confinement


async def test_openwa_executes_node_and_reads_its_build_and_our_shim(values: EngineValues, tmp_path: Path) -> None:
    confinement = await planned(values, registry.OPENWA, tmp_path)

    assert confinement is not None
    assert confinement.programs == (Path(values.node),)
    assert confinement.readable == (values.openwa_home, LOOPBACK_SHIM)
    assert confinement.writable == (tmp_path,)


async def test_openwa_with_a_browser_is_not_confined_unless_that_is_asked_for(
    values: EngineValues, tmp_path: Path
) -> None:
    chromium = replace(values, engine_type="whatsapp-web.js")

    assert await planned(chromium, registry.OPENWA, tmp_path) is None


async def test_the_simulator_is_confined_whatever_it_stands_in_for(values: EngineValues, tmp_path: Path) -> None:
    confinement = await planned(replace(values, engine_type="whatsapp-web.js"), registry.SIMULATOR, tmp_path)

    assert confinement is not None
    assert confinement.programs == (Path(sys.executable),)
    assert Path(registry.__file__).parents[1] in confinement.readable


def asking(values: EngineValues, **rules: object) -> EngineValues:
    isolation = IsolationRules(is_possible=True, **rules)  # type: ignore[arg-type]  # the test names real fields
    return replace(values, context=replace(values.context, isolation=isolation))


async def test_a_command_is_confined_only_when_that_is_asked_for(values: EngineValues, tmp_path: Path) -> None:
    assert await planned(values, registry.COMMAND, tmp_path) is None

    confinement = await planned(asking(values, asked="kernel"), registry.COMMAND, tmp_path)

    assert confinement is not None
    assert confinement.programs[0].name == "sh"
    assert Path("/opt/engine.sh") in confinement.readable


async def test_a_browser_that_is_named_may_be_executed_when_isolation_is_asked_for(
    values: EngineValues, tmp_path: Path
) -> None:
    engine_env: Mapping[str, str] = {"PUPPETEER_EXECUTABLE_PATH": "/opt/chrome/chrome"}
    asked = asking(replace(values, engine_type="whatsapp-web.js"), asked="kernel")

    confinement = await planned(
        replace(asked, context=replace(asked.context, engine_env=engine_env)), registry.OPENWA, tmp_path
    )

    assert confinement is not None
    assert Path("/opt/chrome/chrome") in confinement.programs


def fetch_browser(home: Path, version: str) -> Path:
    """Leave a browser where puppeteer puts it while a build is made."""
    program = home / ".cache" / "puppeteer" / "chrome" / f"linux-{version}" / "chrome-linux64" / "chrome"
    program.parent.mkdir(parents=True)
    program.touch()
    return program


async def plan_of(values: EngineValues, tmp_path: Path) -> LaunchPlan:
    engine = registry.build_engines(values)[registry.OPENWA]
    return await engine.plan(new_session(), new_launch(28100), tmp_path)


async def test_the_browser_of_a_build_is_told_to_its_engine_and_may_be_executed(
    values: EngineValues, tmp_path: Path
) -> None:
    fetch_browser(values.openwa_home, "99.0.4844.51")
    newest = fetch_browser(values.openwa_home, "131.0.6778.204")
    (values.openwa_home / ".cache" / "puppeteer" / "chrome" / "linux-999.0").symlink_to("/usr")
    asked = asking(replace(values, engine_type="whatsapp-web.js"), asked="kernel")

    plan = await plan_of(asked, tmp_path)

    assert plan.env["PUPPETEER_EXECUTABLE_PATH"] == str(newest)
    assert plan.confinement is not None
    assert newest.parent in plan.confinement.programs  # it starts others that lie beside it
    assert any(newest.is_relative_to(each) for each in plan.confinement.readable)


async def test_a_browser_that_the_admin_has_named_goes_before_that_of_the_build(
    values: EngineValues, tmp_path: Path
) -> None:
    fetch_browser(values.openwa_home, "131.0.6778.204")
    named = {"PUPPETEER_EXECUTABLE_PATH": "/opt/chrome/chrome"}
    chromium = replace(values, engine_type="whatsapp-web.js")
    own = replace(chromium, context=replace(chromium.context, environ={**chromium.context.environ, **named}))
    added = replace(chromium, context=replace(chromium.context, engine_env=named))

    for each in (own, added):
        assert (await plan_of(each, tmp_path)).env["PUPPETEER_EXECUTABLE_PATH"] == "/opt/chrome/chrome"


async def test_an_engine_without_a_browser_is_told_of_none(values: EngineValues, tmp_path: Path) -> None:
    fetch_browser(values.openwa_home, "131.0.6778.204")

    assert "PUPPETEER_EXECUTABLE_PATH" not in (await plan_of(values, tmp_path)).env


async def test_where_the_host_cannot_nobody_is_confined(values: EngineValues, tmp_path: Path) -> None:
    unable = replace(values, context=replace(values.context, isolation=IsolationRules()))

    assert [await planned(unable, recipe, tmp_path) for recipe in registry.NAMES] == [None, None, None]
