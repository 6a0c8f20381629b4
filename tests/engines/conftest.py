from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.engines.rig import ON_REAL_OPENWA, Rig, rigged


@pytest.fixture(params=["simulator", pytest.param("openwa", marks=ON_REAL_OPENWA)])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def rig(kind: str, tmp_path: Path) -> AsyncIterator[Rig]:
    async with rigged(kind, tmp_path) as rig:
        await rig.spawn()
        yield rig
