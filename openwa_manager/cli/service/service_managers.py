"""The two service managers: where each keeps a service, and how it is told of it."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from openwa_manager.cli.service.definitions import LABEL, PLIST_NAME, UNIT_NAME, Installation, job_of, unit_of
from openwa_manager.cli.service.mac_exclusions import UNINDEXED, exclusion_of
from openwa_manager.cli.service.steps import Action, MakeDirectory, MakeFile, Owner, RemoveFile, Run, WriteFile, ask
from openwa_manager.domain.values import dataclass

_BOOTSTRAP_TRIES = 60
#: launchd has no domain for a user who is not logged in at the screen ("Domain does not support specified action").
_HOPELESS = {125: "log in at the screen first, and install there: a login by ssh does not do"}
_BACKED_UP = "Time Machine will copy the sessions' credentials; give the terminal Full Disk Access and install again"


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What a service manager knows of the service; `pid` None means that it does not run."""

    is_running: bool
    detail: str
    pid: int | None


class Host(Protocol):
    """One service manager."""

    @property
    def path(self) -> Path:
        """Return where the service's definition lies."""
        ...

    def install(self, installation: Installation, *, is_upgrade: bool) -> Sequence[Action]:
        """Return what installs and starts the service; an upgrade also restarts it."""
        ...

    def uninstall(self) -> Sequence[Action]:
        """Return what ends and removes the service."""
        ...

    def state(self, environ: Mapping[str, str]) -> State:
        """Return how the service is."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Systemd:
    """systemd; `configuration` is a user's own directory of settings, None means the system's service."""

    configuration: Path | None

    @property
    def path(self) -> Path:
        """Return where the unit lies."""
        folder = Path("/etc/systemd/system") if self.configuration is None else self.configuration / "systemd" / "user"
        return folder / UNIT_NAME

    def install(self, installation: Installation, *, is_upgrade: bool) -> Sequence[Action]:
        """Return what installs and starts the service; an upgrade also restarts it."""
        actions: list[Action] = [
            MakeDirectory(path=installation.home, owner=_owner_of(installation)),
            WriteFile(path=self.path, content=unit_of(installation)),
            self._run("daemon-reload"),
            self._run("enable", "--now", UNIT_NAME),
        ]
        return [*actions, self._run("restart", UNIT_NAME)] if is_upgrade else actions

    def uninstall(self) -> Sequence[Action]:
        """Return what ends and removes the service."""
        return [self._run("disable", "--now", UNIT_NAME), RemoveFile(path=self.path), self._run("daemon-reload")]

    def state(self, environ: Mapping[str, str]) -> State:
        """Return how the service is."""
        said = ask((*self._systemctl, "show", UNIT_NAME, "-p", "ActiveState,SubState,MainPID,StatusText"), environ)
        facts = dict(line.split("=", 1) for line in said.stdout.splitlines() if "=" in line)
        words = (facts.get("ActiveState", "unknown"), facts.get("SubState", ""), facts.get("StatusText", ""))
        pid = int(facts.get("MainPID", "0") or 0)
        return State(is_running=words[0] == "active", detail=" · ".join(filter(None, words)), pid=pid or None)

    @property
    def _systemctl(self) -> tuple[str, ...]:
        return ("systemctl",) if self.configuration is None else ("systemctl", "--user")

    def _run(self, *words: str) -> Run:
        return Run(argv=(*self._systemctl, *words))


@dataclass(frozen=True, slots=True, kw_only=True)
class Launchd:
    """launchd; `domain` is `system`, or `gui/<uid>` with the user's `library`."""

    domain: str
    library: Path = Path("/Library")

    @property
    def path(self) -> Path:
        """Return where the property list lies."""
        return self.library / ("LaunchDaemons" if self.domain == "system" else "LaunchAgents") / PLIST_NAME

    def install(self, installation: Installation, *, is_upgrade: bool) -> Sequence[Action]:
        """Return what installs and starts the service; an upgrade also restarts it."""
        actions = [
            *_places(installation),
            WriteFile(path=self.path, content=job_of(installation).decode()),
        ]
        if is_upgrade:
            actions.append(Run(argv=("launchctl", "bootout", self._job), may_fail=True))
        enable = Run(argv=("launchctl", "enable", self._job))
        argv = ("launchctl", "bootstrap", self.domain, str(self.path))
        bootstrap = Run(argv=argv, tries=_BOOTSTRAP_TRIES, hopeless=_HOPELESS)
        return [*actions, enable, bootstrap]

    def uninstall(self) -> Sequence[Action]:
        """Return what ends and removes the service."""
        return [Run(argv=("launchctl", "bootout", self._job), may_fail=True), RemoveFile(path=self.path)]

    def state(self, environ: Mapping[str, str]) -> State:
        """Return how the service is."""
        said = ask(("launchctl", "print", self._job), environ).stdout
        state = re.search(r"^\s*state = (.+)$", said, re.MULTILINE)
        pid = re.search(r"^\s*pid = (\d+)$", said, re.MULTILINE)
        word = state[1] if state else "not loaded"
        failure = re.search(r"^\s*(last exit code = [1-9].*)$", said, re.MULTILINE)
        detail = f"{word} · {failure[1]}" if failure else word
        return State(is_running=word == "running", detail=detail, pid=int(pid[1]) if pid else None)

    @property
    def _job(self) -> str:
        return f"{self.domain}/{LABEL}"


def _owner_of(installation: Installation) -> Owner | None:
    return Owner(name=installation.run_as, numbers=installation.numbers) if installation.run_as else None


def _places(installation: Installation) -> list[Action]:
    """Return what makes the places that launchd, Spotlight and Time Machine look at before the daemon runs.

    launchd makes the log itself, but as whose is told nowhere: the daemon rotates only its own.
    """
    home, owner = installation.home, _owner_of(installation)
    sessions = home / "sessions"
    return [
        *(MakeDirectory(path=path, owner=owner) for path in (home, home / "logs", sessions)),
        MakeFile(path=home / "logs" / "manager.log", owner=owner),
        MakeFile(path=sessions / UNINDEXED, owner=owner),
        Run(argv=exclusion_of(sessions, is_fixed=owner is not None), may_fail=True, without=_BACKED_UP),
    ]
