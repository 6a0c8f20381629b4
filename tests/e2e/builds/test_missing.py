"""Builds that are registered and gone, as in a home that was moved to another host (docs/operations.md)."""

import shutil

from tests.e2e.builds.host import Host
from tests.e2e.builds.trees import write_source


def test_a_build_that_is_gone_is_installed_again_and_its_sessions_run(host: Host) -> None:
    source = write_source(host.folder / "source", "0.23.1")
    host.install(path=str(source))
    host.connect("a")
    host.until_rolled(host.roll_out("0.23.1"))
    host.daemon.ask("POST", "/v1/sessions/stop", {"until_start": True})
    host.daemon.until("a", "stopped")
    host.daemon.terminate()
    shutil.rmtree(host.daemon.home / "builds")

    host.daemon.start()
    waiting = host.daemon.until("a", "failed")
    installed = host.install(path=str(source))
    host.daemon.ask("POST", "/v1/sessions/a/start")
    back = host.daemon.until("a", "connected")

    assert "is missing" in str(waiting.body["reason"])
    assert installed["state"] == "ready"
    assert back.text("build") == "0.23.1"
