"""Finds who runs an engine in a session's directory: by working directory, arguments and browser profile."""

import os
import shlex
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import psutil

from openwa_manager.domain.ports import FoundEngine
from openwa_manager.domain.session.launch_facts import OwnedBy
from openwa_manager.domain.session.session import Identity, LaunchId, SessionId, is_session_id
from openwa_manager.domain.values import dataclass
from openwa_manager.processes import orphans
from openwa_manager.processes.engine_processes import ancestors
from openwa_manager.processes.locks import SessionLocks
from openwa_manager.processes.reading.identity import environment_in_launch, environment_of, is_alive, live_identity_of
from openwa_manager.processes.reading.ownership import holds_lock, is_proven, launch_of
from openwa_manager.processes.reading.places import find_about, open_paths_of, read_places, roots_of, working_dir_of
from openwa_manager.processes.reading.table import read_processes, tag_of

#: Tells from arguments and environment whether a process is an engine of any kind, whoever started it.
Recognizes = Callable[[Sequence[str], Mapping[str, str]], bool]

_COMMAND_MAX = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Occupant:
    """A live process that runs an engine in a session's directory, or belongs to one.

    `launch_id` None: it was not started by us, or shows no environment, holds no lock and descends from no other
    occupant. `is_ours`: it runs as our own user; `is_browser`: it was found by its profile; `is_nameless`: it is a
    browser of ours that shows no environment (as Google Chrome on macOS), or a process of one, and whoever started it
    has ended.
    """

    identity: Identity
    launch_id: LaunchId | None
    is_ours: bool
    is_browser: bool
    arguments: Sequence[str]
    is_nameless: bool = False

    def is_left_of(self, over: LaunchId | None) -> bool:
        """Tell whether it is a remnant of this launch, which is over; a browser may be one of any launch of ours.

        Beside a browser whose engine lives there is that engine.
        """
        return self.is_ours and self.launch_id is not None and (self.is_browser or self.launch_id == over)

    def owned_by(self, at: float) -> OwnedBy:
        """Return the facts for people, at this wall time."""
        return _owned_by(self.identity, self.arguments, at)


def occupants_among(pids: Iterable[int], recognizes: Recognizes) -> list[Occupant]:
    """Return which of these processes, which are about a session's directory, run an engine there, oldest first.

    A shell that stands there, or whoever looks at a log, is nobody's engine. Blocks for about 0.1 ms per process.
    """
    found = [occupant for pid in pids if (occupant := _occupant_of(pid, recognizes)) is not None]
    known = {each.identity.pid: each.launch_id for each in found if each.launch_id is not None}
    browsers = {each.identity.pid for each in found if each.is_browser}
    traced = (each if each.launch_id is not None else _traced(each, known, browsers) for each in found)
    return sorted(traced, key=lambda each: (each.identity.started, each.identity.pid))


def _occupant_of(pid: int, recognizes: Recognizes) -> Occupant | None:
    identity, tag = live_identity_of(pid), tag_of(pid)
    if identity is None or tag is None:
        return None
    launch_id = launch_of(pid, tag)
    is_engine = launch_id is not None or tag.user_data_dir is not None
    if not (is_engine or recognizes(tag.arguments, environment_of(identity))) or not is_alive(identity):
        return None
    return Occupant(
        identity=identity,
        launch_id=launch_id,
        is_ours=tag.is_ours,
        is_browser=tag.user_data_dir is not None,
        arguments=tag.arguments,
    )


def _traced(occupant: Occupant, known: Mapping[int, LaunchId], browsers: Collection[int]) -> Occupant:
    """Return an occupant that names no launch as one of the launch of its ancestors, or as one whose parent has ended.

    macOS tells nobody the environment of Google Chrome and of what it starts, and Node hands no lock on.
    """
    parents = [parent for _, parent, _ in ancestors(occupant.identity.pid)]
    launch_id = next((known[parent] for parent in parents if parent in known), None)
    starter = next((parent for parent in parents if parent not in browsers), None)
    is_orphan = starter == 1 or (orphans.is_adopting() and starter == os.getpid())
    is_nameless = occupant.is_browser and occupant.is_ours and is_orphan and not environment_of(occupant.identity)
    if not is_alive(occupant.identity):  # its number may have been another's already
        return occupant
    return replace(occupant, launch_id=launch_id, is_nameless=is_nameless and launch_id is None)


def find_own(
    occupants: Iterable[Occupant], session_id: SessionId, directory: Path, locks: SessionLocks
) -> FoundEngine | None:
    """Return the oldest of these that is proven to be the session's engine, launched by a daemon of ours. Blocks."""
    roots, occupants = roots_of(directory), list(occupants)
    for each in occupants:
        if each.launch_id is None or each.is_browser or working_dir_of(each.identity.pid) not in roots:
            continue
        if is_proven(each.identity.pid, session_id, each.launch_id, locks) and is_alive(each.identity):
            return FoundEngine(
                session_id=session_id,
                launch_id=each.launch_id,
                identity=each.identity,
                environment=environment_in_launch(each.launch_id, (own.identity for own in (each, *occupants))),
                arguments=each.arguments,
            )
    return None


def find_strangers(sessions_root: Path, locks: SessionLocks, recognizes: Recognizes) -> dict[SessionId, Occupant]:
    """Return the engines in sessions' directories that were not started by the last launch there, one for a session.

    One that is proven ours is none, nor one that holds a lock of an earlier version. Blocks, for about a millisecond
    per session.
    """
    places, found = read_places(), dict[SessionId, Occupant]()
    for directory in sorted(each for each in sessions_root.iterdir() if is_session_id(each.name)):
        session_id = SessionId(directory.name)
        occupants = occupants_among(find_about(places, directory), recognizes)
        own = find_own(occupants, session_id, directory, locks)
        last = locks.launch_of(session_id)
        ours = (last, None if own is None else own.launch_id)
        is_former = last is None and locks.is_held(session_id)
        for occupant in occupants:
            if occupant.is_nameless:
                continue  # the next launch ends it
            if occupant.launch_id is None:
                # Root, who asks so, sees another user's lock only if it knows which: it follows no path of his.
                is_ours = last is not None and holds_lock(occupant.identity.pid, session_id, last, locks)
            else:
                is_ours = occupant.launch_id in ours or is_former
            if not is_ours:
                found.setdefault(session_id, occupant)
    return found


def find_holder(locks: Collection[str]) -> Identity | None:
    """Return the oldest process that has one of these files open, under whatever number; None when none is seen.

    Blocks for about 0.1 ms per process.
    """
    by_age = sorted(read_processes(), key=lambda process: (process.started, process.pid))
    holders = (each.identity for each in by_age if any(path in locks for path in open_paths_of(each.pid)))
    return next(holders, None)


def owner_of(engine: FoundEngine, at: float) -> OwnedBy:
    """Return the facts about an engine of ours that is in somebody's way, at this wall time."""
    return _owned_by(engine.identity, engine.arguments, at)


def _owned_by(identity: Identity, arguments: Sequence[str], at: float) -> OwnedBy:
    return OwnedBy(pid=identity.pid, command=_shown(arguments), age_s=_age_s(identity.pid, at))


def owned_by(holder: Identity, at: float) -> OwnedBy:
    """Return the facts about the process that holds a session's lock, at this wall time."""
    tag = tag_of(holder.pid)
    command = "?" if tag is None else _shown(tag.arguments)
    return OwnedBy(pid=holder.pid, command=command, age_s=_age_s(holder.pid, at))


def _shown(arguments: Sequence[str]) -> str:
    """Return a command line for people, cut where it gets long."""
    command = shlex.join(arguments)
    return command if len(command) <= _COMMAND_MAX else f"{command[: _COMMAND_MAX - 1]}…"


def _age_s(pid: int, at: float) -> float | None:
    """Return for how long this process has been running at a wall time; None when it is gone."""
    try:
        return max(0.0, at - psutil.Process(pid).create_time())
    except psutil.Error:
        return None
