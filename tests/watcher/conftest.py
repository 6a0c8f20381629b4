import pytest

from tests.watcher.watching import SOURCES, Watching, watching_by


@pytest.fixture(params=SOURCES)
def watching(request: pytest.FixtureRequest) -> Watching:
    """Watch by each source in turn."""
    return watching_by(request.param)
