import os
from pathlib import Path

import pytest

from openwa_manager.domain.errors import ConfigError
from openwa_manager.host.home import DaemonLock
from openwa_manager.host.own_files import read_own, read_private, require_own, require_private

NEEDS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "admin.key"
    path.write_text("secret")
    path.chmod(0o600)
    return path


def test_a_file_of_ours_alone_is_read(secret: Path) -> None:
    assert read_private(secret) == b"secret"


def test_what_is_not_there_yet_is_no_trouble(tmp_path: Path) -> None:
    require_private(tmp_path / "none")


def test_a_file_that_others_can_read_is_refused(secret: Path) -> None:
    secret.chmod(0o640)

    with pytest.raises(ConfigError, match="chmod 600"):
        read_private(secret)


def test_a_link_is_refused_wherever_it_leads(secret: Path, tmp_path: Path) -> None:
    for number, target in enumerate((secret, tmp_path / "nowhere")):
        link = tmp_path / f"link{number}"
        link.symlink_to(target)
        with pytest.raises(ConfigError, match="is a link"):
            require_own(link)


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)

    with pytest.raises(ConfigError, match="no plain file"):
        read_private(tmp_path / "pipe")


@NEEDS_ROOT
@pytest.mark.parametrize("given", ["admin.key", "."])
def test_what_another_user_could_change_is_refused(secret: Path, given: str) -> None:
    os.chown(secret.parent / given, 12345, 12345)

    with pytest.raises(ConfigError, match=r"another user .12345."):
        read_private(secret)


def test_a_mounted_secret_may_be_readable_but_not_writable_by_others(secret: Path) -> None:
    secret.chmod(0o444)
    content = read_own(secret)
    secret.chmod(0o606)

    with pytest.raises(ConfigError, match="chmod o-w"):
        read_own(secret)

    assert content == b"secret"


def test_a_file_without_an_end_is_not_read(secret: Path) -> None:
    with secret.open("wb") as file:
        file.truncate(1 << 40)

    with pytest.raises(OSError, match="too large"):
        read_own(secret)


def test_where_a_link_is_allowed_its_target_is_looked_at(secret: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("other")
    (tmp_path / "other").symlink_to(secret)

    require_own(tmp_path / "link", may_be_link=True)
    secret.chmod(0o606)

    with pytest.raises(ConfigError, match="chmod o-w"):
        require_own(tmp_path / "link", may_be_link=True)


@pytest.mark.parametrize("target", ["loop", "pipe"])
def test_a_link_to_no_file_is_refused(tmp_path: Path, target: str) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    (tmp_path / "loop").symlink_to(target)

    with pytest.raises((ConfigError, OSError)):
        require_own(tmp_path / "loop", may_be_link=True)


@NEEDS_ROOT
@pytest.mark.parametrize("given", ["link", "target", "target/cert.pem"])
def test_a_link_that_another_user_could_lead_elsewhere_is_refused(tmp_path: Path, given: str) -> None:
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "cert.pem").write_text("certificate")
    (tmp_path / "target" / "cert.pem").chmod(0o644)
    (tmp_path / "link").symlink_to("target/cert.pem")
    os.chown(tmp_path / given, 12345, 12345, follow_symlinks=False)

    with pytest.raises(ConfigError, match=r"another user .12345."):
        require_own(tmp_path / "link", may_be_link=True)


@pytest.mark.parametrize("target", ["victim", "nowhere"])
def test_the_daemons_lock_never_follows_a_link(tmp_path: Path, target: str) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "daemon.lock").symlink_to(tmp_path / target)

    with pytest.raises(ConfigError, match="cannot be locked"):
        DaemonLock(tmp_path / "daemon.lock").__enter__()

    assert victim.read_text() == "precious"
    assert not (tmp_path / "nowhere").exists()
