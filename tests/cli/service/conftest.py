from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.service.rig import Rig
from tests.fakes.api import Answer, Api, serving


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


@pytest.fixture
def api(rig: Rig) -> Iterator[Api]:
    """Answer for the daemon on the socket of its home."""
    with serving(Api(), rig.home / "run" / "manager.sock") as running:
        running.on("POST /v1/sessions/stop", Answer(status=202, body={"sessions": []}))
        running.on("GET /v1/registry", Answer(body={"a": 12, "b": 13}), Answer(body={}))
        running.on("GET /v1/system", Answer(body={"version": "0.1.0"}))
        yield running
