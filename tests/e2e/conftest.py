from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e.peers.daemon import Daemon
from tests.e2e.peers.upstream import Upstream
from tests.fakes.ports import free_ports


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream(free_ports(1)[0]) as backend:
        yield backend


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Daemon]]:
    """Start daemons that end with the test."""
    with ExitStack() as stack:

        def start(**fields: object) -> Daemon:
            daemon = Daemon(home=tmp_path / "home", **fields)  # type: ignore[arg-type]  # the test names real fields
            return stack.enter_context(daemon)

        yield start
