"""The command `engine` on a terminal, with a daemon: a whole upgrade and the way back."""

import os
import pty
import subprocess
import sys
from collections.abc import Sequence

from tests.e2e.builds.host import INSTALL_S, Host
from tests.e2e.builds.trees import write_source


def on_terminal(host: Host, *words: str) -> tuple[int, str]:
    """Run a command on a terminal of its own; return its exit code and what was drawn."""
    ours, theirs = pty.openpty()
    argv: Sequence[str] = (sys.executable, "-m", "openwa_manager", "--home", str(host.daemon.home), *words)
    try:
        process = subprocess.Popen(argv, stdin=theirs, stdout=theirs, stderr=theirs)
    finally:
        os.close(theirs)
    drawn = b""
    try:
        while chunk := os.read(ours, 65536):
            drawn += chunk
    except OSError:  # Linux says so when the other side is closed
        pass
    finally:
        os.close(ours)
    return process.wait(INSTALL_S), drawn.decode()


def test_an_upgrade_and_the_way_back_on_a_terminal(host: Host) -> None:
    source = write_source(host.folder / "source", "0.23.1")
    host.connect("a")

    installed = on_terminal(host, "engine", "install", str(source))
    checked = on_terminal(host, "engine", "check", "0.23.1")
    used = on_terminal(host, "engine", "use", "0.23.1")
    moved = host.running(["a"])
    listed = on_terminal(host, "engine", "list")
    back = on_terminal(host, "engine", "rollback")
    removed = on_terminal(host, "engine", "remove", "0.23.1")

    assert [each[0] for each in (installed, checked, used, listed, back, removed)] == [0, 0, 0, 0, 0, 1], (
        installed,
        used,
        back,
    )
    assert "0.23.1: get the packages" in installed[1]
    assert "run it with: openwa-manager engine use 0.23.1" in installed[1]
    assert "OpenWA 0.23.1" in checked[1]
    assert "moving to 0.23.1" in used[1]
    assert "1 session on 0.23.1, which is the default now" in used[1]
    assert moved == {"a": ("connected", "0.23.1")}
    assert "rollback goes here" in listed[1]
    assert "1 session on openwa_home, which is the default now" in back[1]
    assert "a rollback goes back to" in removed[1]
    assert host.running(["a"]) == {"a": ("connected", "openwa_home")}


def test_what_is_not_installed_can_be_checked_and_a_setting_that_leads_nowhere_is_told(host: Host) -> None:
    source = write_source(host.folder / "source", "0.23.1")
    home = host.folder / "openwa"

    of_source = on_terminal(host, "engine", "check", str(source))
    of_version = on_terminal(host, "engine", "check", "0.99.0")
    well = on_terminal(host, "engine", "list")
    found = host.daemon.ask("GET", "/v1/doctor").body["findings"]
    (home / "dist" / "main.js").unlink()
    lost = on_terminal(host, "engine", "list")
    checked = on_terminal(host, "engine", "check")

    assert (of_source[0], of_version[0], checked[0]) == (1, 0, 1)
    assert "it is not built" in of_source[1]
    assert "newer than what was tested" in of_version[1]
    assert "ready" in well[1]
    assert "0.22.0" in well[1]
    assert "failed" in lost[1]
    assert "dist/main.js is missing" in checked[1]
    told = {str(each["code"]): str(each["detail"]) for each in found}  # type: ignore[union-attr,index,call-overload]
    assert "the default build openwa_home: 0.22.0" in told["openwa"]
    assert "v22.23.0" in told["node"]
    assert "clock" in told
