"""The two service managers: where each keeps a service, and how it is told of it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from openwa_manager.cli.service.definitions import LABEL, PLIST_NAME, UNIT_NAME, Installation, job_of, unit_of
from openwa_manager.cli.service.steps import Action, MakeDirectory, RemoveFile, Run, WriteFile, ask

_BOOTSTRAP_TRIES = 60


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
            MakeDirectory(path=installation.home, owner=installation.run_as),
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
        actions: list[Action] = [
            MakeDirectory(path=installation.home, owner=installation.run_as),
            MakeDirectory(path=installation.home / "logs", owner=installation.run_as),
            WriteFile(path=self.path, content=job_of(installation).decode()),
        ]
        if is_upgrade:
            actions.append(Run(argv=("launchctl", "bootout", self._job), may_fail=True))
        enable = Run(argv=("launchctl", "enable", self._job))
        bootstrap = Run(argv=("launchctl", "bootstrap", self.domain, str(self.path)), tries=_BOOTSTRAP_TRIES)
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
        return State(is_running=word == "running", detail=word, pid=int(pid[1]) if pid else None)

    @property
    def _job(self) -> str:
        return f"{self.domain}/{LABEL}"
