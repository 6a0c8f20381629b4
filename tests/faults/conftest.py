"""The fixtures of the black-box tests for faults, and daemons that all tests of a module share."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.e2e.conftest import serve, upstream
from tests.e2e.peers.daemon import Daemon
from tests.e2e.peers.upstream import Upstream
from tests.fakes.ports import free_ports

__all__ = ["serve", "share", "upstream"]


@pytest.fixture(scope="module")
def share(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Daemon]]:
    """Start daemons that end with the module; its tests keep apart by using sessions of their own."""
    with ExitStack() as stack:

        def start(**fields: object) -> Daemon:
            home = tmp_path_factory.mktemp("shared") / "home"
            return stack.enter_context(Daemon(home=home, **fields))  # type: ignore[arg-type]  # real fields

        yield start


@pytest.fixture(scope="module")
def backend() -> Iterator[Upstream]:
    """Run a backend for all tests of a module."""
    with Upstream(free_ports(1)[0]) as upstream:
        yield upstream
