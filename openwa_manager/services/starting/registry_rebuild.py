"""Rebuilds the registry after the database was lost: from its newest copy, session directories and live engines."""

import asyncio
import secrets
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import structlog

from openwa_manager.domain.errors import FilesStuckError, StoreDamagedError
from openwa_manager.domain.foreign_path import ForeignPath, of_session
from openwa_manager.domain.ports import Clock, FoundEngine
from openwa_manager.domain.session.lifecycle import Decided, begin
from openwa_manager.domain.session.reasons import Reason, ReasonCode, Rebuilt
from openwa_manager.domain.session.session import (
    Desired,
    LaunchId,
    ProcessState,
    Session,
    SessionId,
    Spec,
    Step,
    is_session_id,
    user_of,
)
from openwa_manager.domain.values import dataclass
from openwa_manager.engines.credentials import read_engine_key
from openwa_manager.engines.registry import name_of
from openwa_manager.host.foreign.engine_files import EngineFiles
from openwa_manager.host.foreign.opening import names_in
from openwa_manager.host.home import Home
from openwa_manager.processes.locks import SessionLocks
from openwa_manager.processes.reading.discovery import find_engines
from openwa_manager.services.starting.launching import key_of, launch_of
from openwa_manager.store.backup.epochs import begin_epoch, is_copy
from openwa_manager.store.backup.restore import restore_newest
from openwa_manager.store.database import Connection, Database
from openwa_manager.store.delivery import outbox
from openwa_manager.store.delivery.enrichment import HOOKS, Hook
from openwa_manager.store.sessions import registry

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseLoss:
    """Why the database was lost, and which copy was put in its place; None means that it begins empty."""

    why: str
    copy: Path | None


async def open_safely(
    home: Home, clock: Clock, hooks: Mapping[str, Hook] = HOOKS
) -> tuple[Database, DatabaseLoss | None]:
    """Return the open database, and what was lost if it was damaged or missing; the damaged file is put aside.

    `hooks` say what it makes of the events that are stored.

    Raises:
        ConfigError | SchemaTooNewError | CopyFailedError | StorageFullError: as `Database.open`.
        StoreDamagedError: the copy is damaged as well.
        OSError: the damaged file cannot be put aside.
    """
    database = Database(home.database, home.copies, hooks)
    await asyncio.to_thread(database.reserve.make_way_for_start)
    is_missing = not _has_content(home.database) and bool(await asyncio.to_thread(_session_ids, home.sessions))
    why = "manager.db is missing or empty"
    if not is_missing:
        try:
            await database.open()
        except StoreDamagedError as error:
            why = str(error)
        else:
            return database, await _find_copy(database, home)
    copy = await asyncio.to_thread(restore_newest, home.database, home.copies, clock.now().at)
    _log.error("database_lost", why=why, restored=str(copy) if copy else None, database=str(home.database))
    database = Database(home.database, home.copies, hooks)
    await database.open()
    return database, DatabaseLoss(why=why, copy=copy)


async def _find_copy(database: Database, home: Home) -> DatabaseLoss | None:
    """Return what was lost if somebody has put a copy in the place of the database."""
    if not await database.read(is_copy):
        return None
    why = "it is a copy that was put back"
    _log.error("database_lost", why=why, restored=None, database=str(home.database))
    return DatabaseLoss(why=why, copy=None)


class RegistryRebuild:
    """Completes a registry that is older than what runs; `default_engine` is taken where a directory does not tell."""

    def __init__(
        self,
        home: Home,
        locks: SessionLocks,
        clock: Clock,
        database: Database,
        files: EngineFiles,
        default_engine: str,
    ) -> None:
        self._home = home
        self._locks = locks
        self._files = files
        self._at = clock.now().at
        self._database = database
        self._default_engine = default_engine

    async def recorded(self) -> Sequence[Session]:
        """Return every session as the database has it, which takes a while where there are many."""
        return await self._database.read(registry.load_sessions)

    async def find_loss(self, sessions: Iterable[Session]) -> DatabaseLoss | None:
        """Return what shows that the database, with these sessions, is older than what runs; None: nothing does."""
        known = {each.launch.launch_id for each in sessions if each.launch}
        engines = await self._find_engines(known)
        unknown = sorted(engine.session_id for engine in engines)
        if not unknown:
            return None
        why = f"it does not know the live engines of {', '.join(unknown)}"
        _log.error("database_lost", why=why, restored=None, database=str(self._home.database))
        return DatabaseLoss(why=why, copy=None)

    async def run(self) -> tuple[int, int]:
        """Record what is missing; return how many live engines and how many stopped sessions that were.

        From here on numbers go on above all that the lost database can have given out.
        """
        known = {each.session_id: each for each in await self.recorded()}
        engines = await self._find_engines()
        adopted = [self._adopted(engine, known.get(engine.session_id)) for engine in engines]
        adopted = [session for session in adopted if session != known.get(session.session_id)]
        found = await asyncio.to_thread(_session_ids, self._home.sessions)
        alive = {engine.session_id for engine in engines}
        new = [session_id for session_id in found if session_id not in known and session_id not in alive]
        keys = await self._keys_of(new)
        unknown = [self._stopped(session_id, self._default_engine, keys[session_id]) for session_id in new]
        stopped = [*unknown, *_without_directory(known, alive.union(found))]
        recovered = [*adopted, *stopped]
        decisions = [_decision_on(session, is_new=session.session_id not in known) for session in recovered]
        await self._database.write(partial(_record, decisions=decisions, at=self._at))
        for session in recovered:
            _log.warning("session_recovered", session_id=session.session_id, pid=session.pid)
        return len(adopted), len(stopped)

    async def _find_engines(self, known: Collection[LaunchId] = ()) -> list[FoundEngine]:
        """Return the live engines, `known` ones aside; what is left of a launch that is over is none, but is ended."""
        over = (await self._database.read(registry.last_launches)).values()
        return await asyncio.to_thread(find_engines, self._home.sessions, self._locks, {*known, *over})

    def _adopted(self, engine: FoundEngine, known: Session | None) -> Session:
        """Return the session as it must be for its live engine to be adopted; one that knows its engine stays."""
        if known and known.launch and known.launch.launch_id == engine.launch_id:
            return known
        kind = name_of(engine.arguments, engine.environment) or self._default_engine
        session = known or self._stopped(engine.session_id, kind, None)
        launch = launch_of(engine, session.launch_count + 1, self._at)
        return replace(
            session,
            engine_key=key_of(engine) or session.engine_key,
            desired=Desired.RUNNING,
            process=ProcessState.STARTING,
            launch=launch,
            launch_count=launch.number,
            ending=None,
            reason=Reason(code=ReasonCode.ADOPTED, facts=Rebuilt(has_engine=True), at=self._at),
            updated_at=self._at,
        )

    async def _keys_of(self, session_ids: Iterable[SessionId]) -> dict[SessionId, str | None]:
        """Return the key each directory wants to be opened with; None where none is found, or the disk hangs."""
        keys: dict[SessionId, str | None] = {}

        async def find(session_id: SessionId) -> None:
            directory = of_session(self._home.sessions / session_id)
            keys[session_id] = None
            with suppress(FilesStuckError):
                keys[session_id] = await self._files.run(session_id, partial(read_engine_key, directory))

        async with asyncio.TaskGroup() as finding:
            for session_id in session_ids:
                finding.create_task(find(session_id))
        return keys

    def _stopped(self, session_id: SessionId, engine: str, key: str | None) -> Session:
        reason = Reason(code=ReasonCode.ADOPTED, facts=Rebuilt(has_engine=False), at=self._at)
        return Session(
            session_id=session_id,
            spec=Spec(user_id=user_of(session_id), engine=engine),
            engine_key=key or secrets.token_hex(32),
            created_at=self._at,
            updated_at=self._at,
            reason=reason,
        )


def _has_content(database: Path) -> bool:
    try:
        return database.stat().st_size > 0
    except FileNotFoundError:
        return False


def _session_ids(sessions_root: Path) -> list[SessionId]:
    """Return the sessions that have a directory; a link to one is none."""
    names = names_in(ForeignPath(root=sessions_root, parts=()))
    return sorted(SessionId(name) for name in names if is_session_id(name))


def _without_directory(known: Mapping[SessionId, Session], present: Collection[SessionId]) -> Iterator[Session]:
    """Yield as stopped those that have neither engine nor directory: they were deleted after the copy was made."""
    for session_id, session in known.items():
        if session_id not in present:
            yield replace(session, desired=Desired.STOPPED, process=ProcessState.STOPPED, launch=None, ending=None)


def _decision_on(session: Session, *, is_new: bool) -> Decided:
    """Return what is recorded of a recovered session; one that is new to the registry is created first."""
    first = begin(session) if is_new else Decided(session=session)
    detail = session.reason.detail if session.reason else ""
    decision = "adopted" if session.launch else "at rest"
    step = Step(
        session_id=session.session_id,
        at=session.updated_at,
        stimulus="Recovered",
        decision=decision,
        evidence={"detail": detail, "pid": session.pid},
    )
    return replace(first, steps=(*first.steps, step))


def _record(connection: Connection, decisions: Sequence[Decided], at: float) -> None:
    """Record the sessions, then what is told of them: the new epoch's numbers need all rows, and come before them."""
    for each in decisions:
        registry.save_session(connection, each.session, each.steps, [])
    begin_epoch(connection, at)
    outbox.append(connection, [event for each in decisions for event in each.events])
