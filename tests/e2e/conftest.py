from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e.peers.daemon import Daemon
from tests.e2e.peers.upstream import Upstream
from tests.fakes.ports import free_ports
from tests.run.measured import MEASURED


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream(free_ports(1)[0]) as backend:
        yield backend


#: The daemons of these tests are measured: together they do most of what daemons do.
MEASURED_TESTS = frozenset({"tests.e2e.test_events", "tests.e2e.test_main_job", "tests.e2e.test_stopping"})


@pytest.fixture
def serve(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., Daemon]]:
    """Start daemons that end with the test."""
    measured = MEASURED if request.module.__name__ in MEASURED_TESTS else {}
    with ExitStack() as stack:

        def start(*, environ: Mapping[str, str] | None = None, **fields: object) -> Daemon:
            environ = {**measured, **(environ or {})}
            daemon = Daemon(home=tmp_path / "home", environ=environ, **fields)  # type: ignore[arg-type]  # real fields
            return stack.enter_context(daemon)

        yield start
