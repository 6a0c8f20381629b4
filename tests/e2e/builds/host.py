"""A daemon with builds, as its admin sees it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from openwa_manager.domain.delivery.events import Json
from openwa_manager.processes.reading.identity import live_identity_of
from tests.e2e.peers.daemon import Answer, Daemon, eventually

#: An installation runs npm four times.
INSTALL_S = 90.0
ROLLOUT_S = 90.0

Object = dict[str, Json]


@dataclass(frozen=True, slots=True)
class Host:
    """One daemon; `folder` is where a test keeps its trees."""

    daemon: Daemon
    folder: Path

    def begin(self, **source: Json) -> Answer:
        """Ask for an installation."""
        return self.daemon.ask("POST", "/v1/builds", source)

    def install(self, **source: Json) -> Object:
        """Install a build and return it once that has ended, well or not."""
        begun = self.begin(**source)
        assert begun.status == 202, begun.raw
        return self.until_installed(begun.text("version"))

    def until_installed(self, name: str) -> Object:
        """Return a build once it is not being installed any more."""
        return eventually(
            lambda: found if (found := self.build(name))["state"] != "installing" else None, within_s=INSTALL_S
        )

    def build(self, name: str) -> Object:
        """Return a build, with its checks."""
        answer = self.daemon.ask("GET", f"/v1/builds/{name}")
        assert answer.status == 200, answer.raw
        return answer.body

    def builds(self) -> Object:
        """Return all there is to know of builds."""
        return self.daemon.ask("GET", "/v1/builds").body

    def roll_out(self, version: str, **fields: Json) -> str:
        """Begin a roll-out and return its id."""
        answer = self.daemon.ask("POST", "/v1/builds/rollouts", {"version": version, **fields})
        assert answer.status == 202, answer.raw
        return answer.text("id")

    def rollout(self, rollout_id: str) -> Object:
        """Return a roll-out."""
        return self.daemon.ask("GET", f"/v1/builds/rollouts/{rollout_id}").body

    def until_rolled(self, rollout_id: str) -> Object:
        """Return a roll-out once it is over."""
        return eventually(
            lambda: found if (found := self.rollout(rollout_id))["ended_at"] else None, within_s=ROLLOUT_S
        )

    def connect(self, *session_ids: str) -> None:
        """Create sessions and wait until all are connected."""
        for session_id in session_ids:
            self.daemon.create(session_id)
        for session_id in session_ids:
            self.daemon.until(session_id, "connected")

    def running(self, session_ids: Sequence[str]) -> dict[str, tuple[str, str]]:
        """Return of each session its status, and the build that it runs."""
        found = {each: self.daemon.session(each) for each in session_ids}
        return {each: (answer.text("status"), answer.text("build")) for each, answer in found.items()}

    @property
    def folders(self) -> list[str]:
        """Return what lies in the folder of builds."""
        return sorted(each.name for each in (self.daemon.home / "builds").iterdir())


def moves_of(rollout: Object) -> dict[str, str]:
    """Return how far each session of a roll-out is."""
    return {str(each["session_id"]): str(each["state"]) for each in cast("list[Object]", rollout["sessions"])}


def processes_below(folder: Path) -> list[int]:
    """Return the live processes whose working directory lies below a folder, also one that was removed or moved."""
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                cwd = Path(str((entry / "cwd").readlink()).removesuffix(" (deleted)"))
            except OSError:
                continue
            if cwd.is_relative_to(folder) and live_identity_of(int(entry.name)) is not None:
                found.append(int(entry.name))
    return found
