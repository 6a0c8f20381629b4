from pathlib import Path

from openwa_manager.domain.foreign_path import of_session


def test_a_place_below_a_session_keeps_what_is_the_admins_apart() -> None:
    directory = of_session(Path("/data/sessions/a"))

    child = directory.child("data", "qr.png")

    assert (child.root, child.parts, child.name) == (Path("/data/sessions"), ("a", "data", "qr.png"), "qr.png")
    assert child.parent == directory.child("data")
    assert child.sibling("qr.txt") == directory.child("data", "qr.txt")
    assert str(child) == str(child.path) == "/data/sessions/a/data/qr.png"
