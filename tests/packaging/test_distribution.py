"""What is published: the archive of the sources, the wheel built from it, and the program that the wheel installs."""

import os
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).parents[2]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]

#: What lies at the top of the archive of the sources.
TOP = frozenset(
    {
        *("openwa_manager", "tests", "examples", "systemd", "launchd"),
        *("CHANGELOG.md", "LICENSE", "Makefile", "PKG-INFO", "README.md", "pyproject.toml", ".gitignore"),
    }
)
#: Every kind of file we write; whatever else gets into the archive was left lying about.
KINDS = frozenset(
    {".py", ".typed", ".sql", ".cjs", ".md", ".lock", ".service", ".plist", ".json", ".php", ".c", ".h"}
    | {".html", ".css", ".js"}  # of the page of pairing links
    | {".yml", ".txt"}  # of Prometheus, and screens that were liked
    | {".timer"}  # of the backup
)
NO_SUFFIX = frozenset({"LICENSE", "Makefile", "PKG-INFO", "artisan", ".gitignore"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """The two files that are published."""

    sources: Path
    wheel: Path


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Build the archive of the sources, and the wheel from that archive, not from the checkout."""
    folder = tmp_path_factory.mktemp("dist")
    # Without isolation: the build's own packages are installed for development, so no registry is asked.
    argv = (sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT))
    subprocess.run(argv, check=True, timeout=300)
    (sources,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    return Built(sources=sources, wheel=wheel)


@pytest.fixture
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make an empty home, with a path short enough for the demo's socket."""
    return tmp_path_factory.mktemp("h")


def run_alone(program: Path, *arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
    """Run a program that sees nothing of the checkout: neither its folder nor a variable that points there."""
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(home), "TMPDIR": str(home)}
    return subprocess.run(
        (program, *arguments), check=False, cwd=home, env=environment, capture_output=True, text=True, timeout=120
    )


def files_in_checkout() -> set[str]:
    package = ROOT / "openwa_manager"
    files = (path for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {str(path.relative_to(ROOT)) for path in files}


def test_the_sources_hold_nothing_that_was_left_lying_about(built: Built) -> None:
    with tarfile.open(built.sources) as archive:
        names = [PurePosixPath(member.name) for member in archive.getmembers()]

    inside = [PurePosixPath(*name.parts[1:]) for name in names]
    assert {name.parts[0] for name in names} == {f"openwa_manager-{VERSION}"}
    assert {name.parts[0] for name in inside} == TOP
    assert [str(name) for name in inside if name.suffix not in KINDS and name.name not in NO_SUFFIX] == [
        "pyproject.toml"
    ]


def test_the_wheel_holds_the_package_the_units_and_nothing_else(built: Built) -> None:
    with zipfile.ZipFile(built.wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}

    units = {"openwa_manager/data/openwa-manager.service", "openwa_manager/data/com.openwa.manager.plist"}
    assert names == files_in_checkout() | units


def test_the_wheel_holds_what_is_no_python_and_yet_needed_to_run(built: Built) -> None:
    with zipfile.ZipFile(built.wheel) as archive:
        names = set(archive.namelist())

    assert "openwa_manager/py.typed" in names
    assert "openwa_manager/engines/loopback.cjs" in names
    assert "openwa_manager/store/migrations/0001_sessions.sql" in names


@pytest.mark.slow
@pytest.mark.registry
@pytest.mark.timeout(300)
def test_installed_with_the_locked_packages_alone_the_demo_tells_its_whole_story(
    built: Built, tmp_path: Path, home: Path
) -> None:
    with tarfile.open(built.sources) as archive:
        archive.extractall(tmp_path, filter="data")
    lock = tmp_path / f"openwa_manager-{VERSION}" / "systemd" / "requirements.lock"
    place = tmp_path / "installed"
    venv.create(place, symlinks=True, with_pip=False)
    pip = (sys.executable, "-m", "pip", "--python", str(place / "bin" / "python"), "--quiet", "--no-input")
    outside = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COV"))}

    for arguments in (
        ("install", "--require-hashes", "--requirement", str(lock)),
        ("install", "--no-deps", str(built.wheel)),
        ("check",),
    ):
        subprocess.run((*pip, *arguments), check=True, cwd=tmp_path, env=outside, timeout=300)
    version = run_alone(place / "bin" / "openwa-manager", "--version", home=home)
    demo = run_alone(place / "bin" / "openwa-manager", "demo", "--once", home=home)

    assert version.stdout.split()[-1] == VERSION
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert demo.stdout.endswith("All went as told.\n")
    assert list(home.iterdir()) == []


@pytest.mark.slow
@pytest.mark.registry
@pytest.mark.timeout(420)
def test_pipx_installs_a_program_that_runs_and_is_gone_again(built: Built, tmp_path: Path, home: Path) -> None:
    place = tmp_path / "pipx"
    venv.create(place / "own", symlinks=True, with_pip=False)
    outside = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COV", "PIPX"))}
    outside |= {"PIPX_HOME": str(place), "PIPX_BIN_DIR": str(place / "bin"), "PIPX_MAN_DIR": str(place / "man")}
    pip = (sys.executable, "-m", "pip", "--python", str(place / "own" / "bin" / "python"), "--quiet", "--no-input")
    pipx = str(place / "own" / "bin" / "pipx")

    for argv in ((*pip, "install", "pipx>=1.7,<2"), (pipx, "install", "--python", sys.executable, str(built.wheel))):
        subprocess.run(argv, check=True, cwd=tmp_path, env=outside, timeout=300)
    program = place / "bin" / "openwa-manager"
    version = run_alone(program, "--version", home=home)
    demo = run_alone(program, "demo", "--once", home=home)
    subprocess.run((pipx, "uninstall", "openwa-manager"), check=True, cwd=tmp_path, env=outside, timeout=60)

    assert version.stdout.split()[-1] == VERSION
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert list(home.iterdir()) == []
    assert not program.exists()
