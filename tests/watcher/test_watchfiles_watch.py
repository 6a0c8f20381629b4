from pathlib import Path

import pytest

from openwa_manager.domain.session.session import SessionId
from openwa_manager.watcher.directory_watch import ROOT
from openwa_manager.watcher.watchfiles_watch import owner_of


@pytest.mark.parametrize(
    ("path", "owner"),
    [
        ("/s/alice/qr.png", "alice"),
        ("/s/user_1_session_550e8400/qr.png", "user_1_session_550e8400"),
        ("/s", ROOT),
        ("/s/alice", ROOT),
        ("/s/qr.png", ROOT),
        ("/s/alice/data/qr.png", None),
        ("/s/alice/.qr.png.new", None),
        ("/s/Not an id/qr.png", None),
        ("/elsewhere/alice/qr.png", None),
    ],
)
def test_a_path_tells_whose_code_it_is(path: str, owner: str | None) -> None:
    assert owner_of(Path("/s"), path) == (SessionId(owner) if owner else None)
