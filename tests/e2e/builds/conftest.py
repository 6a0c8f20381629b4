from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.e2e.builds.host import Host
from tests.e2e.builds.trees import node_settings, write_built, write_node
from tests.e2e.peers.daemon import SCANNED, Daemon


@pytest.fixture
def host(serve: Callable[..., Daemon], tmp_path: Path) -> Host:
    """Return a host whose `openwa_home` is a working build of version 0.22.0."""
    home = write_built(tmp_path / "openwa", "0.22.0")
    settings: Mapping[str, str] = {**node_settings(write_node(tmp_path)), "OPENWA_HOME": str(home)}
    daemon = serve(engine="openwa", engine_env=SCANNED, settings=settings)
    return Host(daemon=daemon, folder=tmp_path)
