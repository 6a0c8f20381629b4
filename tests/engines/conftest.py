from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.engines.rig import Rig, real_program, rigged

REAL = pytest.mark.skipif(real_program() is None, reason="OPENWA_HOME and OPENWA_MOCK name no OpenWA")


@pytest.fixture(params=["simulator", pytest.param("openwa", marks=(pytest.mark.openwa, REAL))])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def rig(kind: str, tmp_path: Path) -> AsyncIterator[Rig]:
    async with rigged(kind, tmp_path) as rig:
        await rig.spawn()
        yield rig
