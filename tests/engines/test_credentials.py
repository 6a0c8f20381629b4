import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwa_manager.domain.foreign_path import of_session
from openwa_manager.domain.session.stimuli import LinkReport, QrProduced
from openwa_manager.engines.credentials import (
    BROKEN_FILE,
    KEPT_FILE,
    can_restore_credentials,
    find_set_aside,
    forget_credentials,
    keep_credentials,
    restore_credentials,
)
from openwa_manager.engines.mapping import inner_name
from tests.engines.rig import SESSION_ID, Rig

WHOLE = json.dumps(
    {"noiseKey": {"private": "x" * 40}, "me": {"id": "628@s.whatsapp.net", "name": "Ann"}, "registered": True}
)
NEWER = WHOLE.replace("Ann", "Bea")
UNPAIRED = json.dumps({"noiseKey": {}, "registered": False})


@pytest.fixture
def creds(tmp_path: Path) -> Path:
    creds = tmp_path / "data" / "baileys" / inner_name(SESSION_ID) / "creds.json"
    creds.parent.mkdir(parents=True)
    creds.write_text(WHOLE)
    return creds


def test_whole_credentials_are_kept_once_until_they_change(tmp_path: Path, creds: Path) -> None:
    assert keep_credentials(of_session(tmp_path), SESSION_ID)
    assert not keep_credentials(of_session(tmp_path), SESSION_ID)
    creds.write_text(NEWER)
    assert keep_credentials(of_session(tmp_path), SESSION_ID)

    kept = tmp_path / KEPT_FILE
    assert kept.read_text() == NEWER
    assert kept.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", ["", "{}", UNPAIRED, WHOLE[:-1], "null", "x" * (1 << 21)])
def test_broken_credentials_never_replace_the_copy(tmp_path: Path, creds: Path, content: str) -> None:
    keep_credentials(of_session(tmp_path), SESSION_ID)
    creds.write_text(content)

    assert not keep_credentials(of_session(tmp_path), SESSION_ID)
    assert (tmp_path / KEPT_FILE).read_text() == WHOLE
    assert can_restore_credentials(of_session(tmp_path), SESSION_ID)


@given(length=st.integers(0, len(WHOLE) - 1))
def test_every_half_of_a_file_is_broken(tmp_path_factory: pytest.TempPathFactory, length: int) -> None:
    directory = tmp_path_factory.mktemp("session")
    creds = directory / "data" / "baileys" / inner_name(SESSION_ID) / "creds.json"
    creds.parent.mkdir(parents=True)
    creds.write_text(WHOLE)
    keep_credentials(of_session(directory), SESSION_ID)

    creds.write_text(WHOLE[:length])

    assert can_restore_credentials(of_session(directory), SESSION_ID)


def test_broken_credentials_are_restored_once(tmp_path: Path, creds: Path) -> None:
    keep_credentials(of_session(tmp_path), SESSION_ID)
    creds.write_text(WHOLE[:20])

    assert restore_credentials(of_session(tmp_path), SESSION_ID)
    assert creds.read_text() == WHOLE
    assert (tmp_path / BROKEN_FILE).read_text() == WHOLE[:20]
    creds.write_text(UNPAIRED)
    assert not restore_credentials(of_session(tmp_path), SESSION_ID)
    assert creds.read_text() == UNPAIRED


def test_whole_missing_or_never_kept_credentials_are_left_alone(tmp_path: Path, creds: Path) -> None:
    creds.write_text(UNPAIRED)
    assert not restore_credentials(of_session(tmp_path), SESSION_ID)

    creds.write_text(WHOLE)
    keep_credentials(of_session(tmp_path), SESSION_ID)
    assert not restore_credentials(of_session(tmp_path), SESSION_ID)

    creds.unlink()
    assert not restore_credentials(of_session(tmp_path), SESSION_ID)


def test_after_a_logout_nothing_is_restored(tmp_path: Path, creds: Path) -> None:
    keep_credentials(of_session(tmp_path), SESSION_ID)

    forget_credentials(of_session(tmp_path))
    forget_credentials(of_session(tmp_path / "gone"))
    creds.write_text(UNPAIRED)

    assert not restore_credentials(of_session(tmp_path), SESSION_ID)


async def test_a_paired_session_with_half_its_credentials_comes_back_without_a_scan(rig: Rig) -> None:
    creds = rig.directory / "data" / "baileys" / inner_name(SESSION_ID) / "creds.json"
    await rig.bring_up()
    await rig.intake.first(QrProduced)
    await rig.play("scan")
    await rig.link(LinkReport.CONNECTED)
    assert keep_credentials(of_session(rig.directory), SESSION_ID)
    await rig.end()
    creds.write_bytes(creds.read_bytes()[:100])
    await rig.start_again()
    await rig.link(LinkReport.QR_READY)  # the engine noticed nothing and asks for a scan
    assert can_restore_credentials(of_session(rig.directory), SESSION_ID)

    await rig.end()
    assert restore_credentials(of_session(rig.directory), SESSION_ID)
    await rig.start_again()

    await rig.link(LinkReport.CONNECTED)


def test_credentials_that_openwa_set_aside_are_found_the_newest_of_them(tmp_path: Path, creds: Path) -> None:
    assert find_set_aside(of_session(tmp_path), SESSION_ID) is None

    for name in ("corrupt-1795332124000-a1b2", "corrupt-999-z", "corrupt-x-y", "other"):
        (creds.parent / name).mkdir()
    (creds.parent / "corrupt-1995332124000-file").touch()

    assert find_set_aside(of_session(tmp_path), SESSION_ID) == "corrupt-1795332124000-a1b2"
    (creds.parent.parent / "corrupt-1795332125000-beside").mkdir()
    assert find_set_aside(of_session(tmp_path), SESSION_ID) == "corrupt-1795332125000-beside"
