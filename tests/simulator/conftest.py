"""Fixtures of the simulator's tests."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.simulator.harness import Receiver, Simulator, serving


@pytest.fixture
def simulator(tmp_path: Path) -> Iterator[Simulator]:
    with Simulator(tmp_path) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """One process for all tests of a module that need neither a restart nor an instance of their own."""
    with Simulator(tmp_path_factory.mktemp("shared"), {"VALIDATION_ERROR_DETAIL": "true"}) as simulator:
        yield simulator


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """Return a session name that belongs to one test."""
    return re.sub(r"[^a-zA-Z0-9]+", "-", request.node.name)[-50:]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with serving() as receiver:
        yield receiver
