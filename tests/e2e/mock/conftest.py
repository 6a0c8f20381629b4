from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.mock.running import Mock, mocking


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mock]:
    """Run one mock for all tests of a file."""
    with mocking(tmp_path_factory.mktemp("m"), "--scan-after", "0") as mock:
        yield mock


@pytest.fixture
def mock(shared: Mock) -> Mock:
    """Begin anew with the mock of the file."""
    shared.reset()
    return shared


@pytest.fixture
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make an empty folder for temporary homes, with a path short enough for sockets."""
    return tmp_path_factory.mktemp("p")
