import os
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from openwa_manager.domain.ports import Engine
from openwa_manager.engines import registry
from openwa_manager.engines.openwa import OpenwaEngine
from openwa_manager.engines.program import ProgramValues, find_program
from openwa_manager.engines.recipe import EngineValues
from openwa_manager.host.foreign.engine_files import EngineFiles
from tests.engines.rig import new_context, new_launch, new_session
from tests.fakes.clock import FakeClock


@pytest.fixture
def engines(tmp_path: Path) -> Mapping[str, Engine]:
    home = tmp_path / "openwa"
    (home / "dist").mkdir(parents=True)
    (home / "dist" / "main.js").touch()
    node = tmp_path / "node"
    node.write_text("#!/bin/sh\necho v24.0.0\n")
    node.chmod(0o755)
    values = EngineValues(
        clock=FakeClock(),
        files=EngineFiles(),
        context=new_context(),
        answer_timeout_s=5.0,
        node=str(node),
        openwa_home=home,
        builds=home / "builds",
        engine_type="baileys",
        command_argv=("sh", "-c", "sleep 1"),
        command_env={"LEVEL": "1"},
    )
    return registry.build_engines(values)


def test_every_recipe_is_built_by_its_name(engines: Mapping[str, Engine]) -> None:
    assert tuple(engines) == registry.NAMES


def test_the_two_that_speak_openwas_api_are_of_its_class(engines: Mapping[str, Engine]) -> None:
    speaking = [name for name, engine in engines.items() if isinstance(engine, OpenwaEngine)]

    assert speaking == [registry.OPENWA, registry.SIMULATOR]


@pytest.mark.parametrize("name", registry.NAMES)
async def test_what_a_recipe_launches_is_recognised_as_its_own(
    engines: Mapping[str, Engine], tmp_path: Path, name: str
) -> None:
    plan = await engines[name].plan(new_session(), new_launch(28100), tmp_path)

    assert registry.name_of(plan.argv, plan.env) == name


@pytest.mark.parametrize("name", registry.NAMES)
async def test_a_session_may_set_nothing_that_its_recipe_sets(
    engines: Mapping[str, Engine], tmp_path: Path, name: str
) -> None:
    plain = await engines[name].plan(new_session(), new_launch(28100), tmp_path)
    inherited = {name for name, value in plain.env.items() if os.environ.get(name) == value}

    assert [each for each in plain.env.keys() - inherited if engines[name].accepts_env(each)] == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("node", "/opt/openwa/dist/main"),
        ("/usr/bin/node", "dist/main.js"),
        ("python3", "-m", "openwa_manager.simulator"),
        ("python3", "/opt/engine", "--id=acme", "serve"),
        ("/opt/engine", "--id=x y", "serve"),
    ],
)
def test_an_engine_that_somebody_started_by_hand_is_recognised(arguments: tuple[str, ...]) -> None:
    assert registry.is_engine(arguments, {}, ("/opt/engine", "--id={session_id}", "serve"))


@pytest.mark.parametrize("arguments", [("vim", "dist/main.ts"), ("/opt/engine", "--id=acme", "check"), ("sh",)])
def test_what_is_no_engine_is_not_taken_for_one(arguments: tuple[str, ...]) -> None:
    assert not registry.is_engine(arguments, {}, ("/opt/engine", "--id={session_id}", "serve"))


def test_a_process_that_no_recipe_launched_is_nobodys() -> None:
    assert registry.name_of(("vim", "notes"), {"HOME": "/home/me"}) is None


def test_an_engine_is_known_by_its_script_and_not_by_its_interpreter(tmp_path: Path) -> None:
    release, home, engine = tmp_path / "release", tmp_path / "openwa", tmp_path / "engine.py"
    release.mkdir()
    home.symlink_to(release)
    engine.touch()

    scripts = registry.scripts_of(home, (sys.executable, str(engine), "{session_id}"))

    assert {f"{home}/dist/main", f"{release}/dist/main.js", "openwa_manager.simulator", str(engine)} <= scripts
    assert not scripts & {sys.executable, "node", "-m", "openwa_manager"}


@pytest.mark.parametrize("name", registry.NAMES)
async def test_what_would_be_run_is_what_is_launched(engines: Mapping[str, Engine], tmp_path: Path, name: str) -> None:
    values = ProgramValues(
        node=str(tmp_path / "node"),
        openwa_home=tmp_path / "openwa",
        builds=tmp_path / "builds",
        command_argv=("sh", "-c", "sleep 1"),
        environ=new_context().environ,
    )

    found = await find_program(registry.program_of(name, values))
    plan = await engines[name].plan(new_session(), new_launch(28100), tmp_path)

    assert tuple(plan.argv) == found.argv
