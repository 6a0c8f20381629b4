import ctypes
from pathlib import Path

import pytest

from openwa_manager.host.system_library import load_library
from openwa_manager.processes.reading.darwin.libproc import Libproc
from tests.fakes.darwin.building import build_libproc


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the calls of macOS, answered from this system's /proc."""
    return build_libproc(tmp_path_factory.mktemp("libproc"))


@pytest.fixture
def calls(library: Path) -> ctypes.CDLL:
    return load_library(library)


@pytest.fixture
def libproc(calls: ctypes.CDLL) -> Libproc:
    return Libproc(calls)
