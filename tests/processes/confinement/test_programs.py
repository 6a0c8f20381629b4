import os
import sys
from pathlib import Path

import pytest

from openwa_manager.processes.confinement.programs import executed_with, installed_with

ELF = b"\x7fELF\x02\x01"
ENVIRON = {"PATH": "/usr/bin:/bin"}


def script(path: Path, first_line: str) -> Path:
    path.write_text(f"{first_line}\nexit\n")
    path.chmod(0o755)
    return path


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have other binaries")
def test_of_a_binary_its_loader_is_executed_too() -> None:
    binary, *loaders = executed_with(Path(sys.executable), ENVIRON)

    assert binary == Path(sys.executable)
    assert [os.access(loader, os.X_OK) for loader in loaders] == [True]


def test_of_a_script_its_interpreter_is_executed_too(tmp_path: Path) -> None:
    program = script(tmp_path / "program", "#! /bin/sh -e")

    assert list(executed_with(program, ENVIRON))[:2] == [program, Path("/bin/sh")]


def test_of_a_script_for_env_the_named_program_is_executed_too(tmp_path: Path) -> None:
    named = script(tmp_path / "named", "#!/bin/sh")
    program = script(tmp_path / "program", "#!/usr/bin/env -S A=b named --flag")

    found = list(executed_with(program, {"PATH": str(tmp_path)}))

    assert found[:3] == [program, Path("/usr/bin/env"), named]
    assert Path("/bin/sh") in found


def test_scripts_that_run_each_other_have_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    program = script(Path("program"), "#!program")

    assert set(executed_with(program, ENVIRON)) == {program}


@pytest.mark.parametrize("content", [b"", b"#!", b"#!\n", ELF, ELF + b"\xff" * 300, b"text"])
def test_a_file_that_is_no_program_stands_alone(tmp_path: Path, content: bytes) -> None:
    program = tmp_path / "program"
    program.write_bytes(content)

    assert list(executed_with(program, ENVIRON)) == [program]


def test_a_program_that_is_missing_stands_alone() -> None:
    assert list(executed_with(Path("/no/such"), ENVIRON)) == [Path("/no/such")]


def test_beside_a_program_in_bin_lie_its_libraries() -> None:
    found = list(installed_with([Path("/opt/node/bin/node"), Path("/home/me/node")]))

    assert found == [Path("/opt/node/lib"), Path("/opt/node/pyvenv.cfg")]
