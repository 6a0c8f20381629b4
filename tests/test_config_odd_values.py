"""Settings of odd users: with a byte order mark, with a password in a URL, without a home directory."""

import os
import pwd
from pathlib import Path

import pytest

from openwa_manager.config import load, masked
from openwa_manager.domain.errors import ConfigError
from tests.test_config import in_home, refusal


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


def test_a_byte_order_mark_before_a_secret_in_a_file_is_passed_over(home: Path) -> None:
    (home / "secret").write_bytes(b"\xef\xbb\xbflong-secret\r\n")
    (home / "secret").chmod(0o600)

    secret = load({}, in_home(home, WEBHOOK_SECRET_FILE=str(home / "secret"))).settings.upstream_secret

    assert secret is not None
    assert secret.get_secret_value() == "long-secret"


@pytest.mark.parametrize("kind", ["link", "pipe", "directory", "open"])
def test_a_secrets_file_that_another_could_have_made_is_refused(home: Path, kind: str) -> None:
    place = home / "secret"
    match kind:
        case "link":
            (home / "target").write_text("strong")
            place.symlink_to(home / "target")
        case "pipe":
            os.mkfifo(place)
        case "directory":
            place.mkdir()
        case _:
            place.write_text("strong")
            place.chmod(0o666)

    text = refusal({}, in_home(home, WEBHOOK_SECRET_FILE=str(place)))

    assert text.startswith(f"WEBHOOK_SECRET_FILE: {place} ")


def test_passwords_in_urls_are_shown_masked(home: Path) -> None:
    environ = in_home(
        home, WEBHOOK_URL="https://hook:pa55@ex.example/h", OPENWA_MANAGER_COMMAND_ARGV='["a://b:pa55@c"]'
    )

    assert "pa55" not in str(masked(load({}, environ).settings))


def test_a_user_without_a_home_directory_is_told_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_such_user(uid: int) -> pwd.struct_passwd:
        raise KeyError(uid)

    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", no_such_user)

    with pytest.raises(ConfigError, match=r"no home directory.*set HOME"):
        load({}, {})
