import stat
from pathlib import Path

import pytest

from openwa_manager.domain.errors import ConfigError
from openwa_manager.services.access.admin_key import AdminKeyFile


def test_the_admin_key_is_made_for_its_owner_only_and_read_again(tmp_path: Path) -> None:
    path = tmp_path / "admin.key"
    file = AdminKeyFile(path)

    assert file.read() is None
    key = file.make()

    assert key.startswith("owm_admin_")
    assert file.read() == key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_an_admin_key_others_can_read_is_refused_with_the_fix(tmp_path: Path) -> None:
    path = tmp_path / "admin.key"
    AdminKeyFile(path).make()
    path.chmod(0o640)

    with pytest.raises(ConfigError, match="chmod 600"):
        AdminKeyFile(path).read()


@pytest.mark.parametrize("content", ["", "\n", "owm_admin_short", "password"])
def test_a_file_without_a_key_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "admin.key"
    path.write_text(content)
    path.chmod(0o600)

    with pytest.raises(ConfigError, match="remove it"):
        AdminKeyFile(path).read()


def test_a_half_written_key_of_a_crash_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / ".admin.key.new").write_text("owm_adm")

    assert AdminKeyFile(tmp_path / "admin.key").make().startswith("owm_admin_")
