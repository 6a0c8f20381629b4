"""What the services need from the outside world, where a test needs a second implementation of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Protocol, runtime_checkable

from openwa_manager.domain.delivery.delivery import AttemptResult, Endpoint
from openwa_manager.domain.delivery.events import Json
from openwa_manager.domain.foreign_path import ForeignPath
from openwa_manager.domain.isolation import Confinement
from openwa_manager.domain.messaging.outcomes import Outgoing, SendAnswer
from openwa_manager.domain.messaging.retries import EngineMemory
from openwa_manager.domain.messaging.sightings import ContactFound, SeenMessage
from openwa_manager.domain.session.reasons import Restriction
from openwa_manager.domain.session.session import DataState, Exit, Identity, Launch, LaunchId, Session, SessionId
from openwa_manager.domain.session.stimuli import Observation
from openwa_manager.domain.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Instant:
    """One moment on two clocks: `at` is wall time, `boot_s` never jumps and counts the host's sleep."""

    at: float
    boot_s: float


class Flag(Protocol):
    """Something others set and somebody waits for, as an `asyncio.Event` is."""

    def is_set(self) -> bool:
        """Tell whether it is set now."""
        ...

    async def wait(self) -> bool:
        """Return True once it is set."""
        ...


class Clock(Protocol):
    """The only source of time for the services."""

    def now(self) -> Instant:
        """Return this moment."""
        ...

    async def sleep_until(self, boot_s: float) -> None:
        """Return once the boot clock has reached `boot_s`, also when the host slept in between.

        At least one turn of the event loop passes.
        """
        ...

    async def wait(self, flag: Flag, until_boot_s: float | None) -> bool:
        """Return once `flag` is set, or the boot clock has reached `until_boot_s` (None: never); tell if it is set.

        At least one turn of the event loop passes.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchPlan:
    """How to start one engine; `env` is the whole environment, nothing is inherited.

    `socket` is where it is to listen, in a directory made for this launch; None means that it listens on a port.
    `confinement` None: it may do whatever our user may.
    """

    session_id: SessionId
    launch_id: LaunchId
    argv: Sequence[str]
    env: Mapping[str, str] = field(repr=False)
    cwd: Path
    log_path: ForeignPath
    socket: Path | None = None
    confinement: Confinement | None = None


class ListenerProof(Protocol):
    """Tells whether who listens belongs to an engine, before anything is said to him."""

    def has(self, pid: int, engine: Identity) -> bool:
        """Tell whether this process is the engine or descends from it."""
        ...

    async def owns(self, port: int, engine: Identity) -> bool | None:
        """Tell whether what listens on this port of 127.0.0.1 is the engine's; None when nobody listens."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundEngine:
    """A live engine of ours that the registry does not know, and what it was started with."""

    session_id: SessionId
    launch_id: LaunchId
    identity: Identity
    environment: Mapping[str, str] = field(repr=False)
    arguments: Sequence[str]


class Launcher(Protocol):
    """Starts, recognises, awaits and ends engine processes."""

    async def launch(self, plan: LaunchPlan, prepare: Callable[[], None] = lambda: None) -> Identity:
        """Start the engine holding its session's lock, once `prepare`, which may block, has made its files ready.

        Raises:
            LaunchFailedError: the program is missing or cannot be executed.
            OwnedElsewhereError: another live process holds the session's lock.
        """
        ...

    async def find_own(self, session_id: SessionId, directory: Path) -> FoundEngine | None:
        """Return the engine that runs in this directory and is proven ours; None once none runs there.

        What is left of a launch that is over is ended first.

        Raises:
            OwnedElsewhereError: a live process runs an engine there that is not proven ours.
        """
        ...

    def is_alive(self, identity: Identity) -> bool:
        """Tell whether this very process lives; a zombie is dead."""
        ...

    def holds_lock(self, session_id: SessionId, launch_id: LaunchId, identity: Identity) -> bool:
        """Tell whether somebody holds the session's lock, or this process its launch's, whose file may be gone."""
        ...

    async def wait(self, identity: Identity) -> Exit:
        """Return how the process ended, at once if it already has; works for children and adopted processes."""
        ...

    async def end(self, target: "Target", grace_s: float) -> Exit:
        """End the engine and every descendant; return only once all are proven dead."""
        ...

    async def sweep(self, target: "Target") -> int:
        """Kill what is left of this launch after its engine died; return how many processes that were."""
        ...

    def find(self, launch_id: LaunchId) -> Identity | None:
        """Return the oldest live process that carries this launch id in its environment."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Whose processes are meant: the engine's identity (None when it is unknown), its launch and its directory."""

    session_id: SessionId
    launch_id: LaunchId
    directory: Path
    identity: Identity | None


Report = Callable[[Observation], None]


class Tell(Protocol):
    """Puts what was observed, together, into a supervisor's inbox; nothing observed means: look at your state again."""

    def __call__(self, *observations: Observation) -> None:
        """Return at once."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What one kind of engine can be relied on to do.

    `answers_probes`: it answers every probe while it is well, so that unanswered ones mean that it hangs; of any other
    kind this is expected only once it has answered in the same launch. `reports_link`: it says by itself how the link
    is; of any other kind a sign of life after a silence means that the link is up again. `writes_qr_file`: it writes
    `qr.png` itself; the daemon writes it for every other kind. `listens_on_socket`: it listens on the unix socket that
    it is given; every other kind listens on a port, if at all. `is_ready_at_once`: it is, as soon as it was launched.
    """

    answers_probes: bool
    reports_link: bool
    writes_qr_file: bool
    listens_on_socket: bool
    is_ready_at_once: bool = False


class Engine(Protocol):
    """One kind of engine: how it is launched and spoken to; what only some kinds can do follows below."""

    @property
    def capabilities(self) -> Capabilities:
        """Return what this kind can be relied on to do."""
        ...

    def accepts_env(self, name: str) -> bool:
        """Tell whether a session may set this variable of its engine."""
        ...

    async def require_program(self, build: str | None) -> None:
        """Return if what this kind runs is there; `build` names the OpenWA (None: this kind has no builds).

        Raises:
            ProgramMissingError: it is not; the message says what to do.
        """
        ...

    async def plan(self, session: Session, launch: Launch, directory: Path) -> LaunchPlan:
        """Return how to start this launch.

        Raises:
            LaunchFailedError: a requirement is missing; the message says what to do.
        """
        ...

    async def bring_up(self, session: Session, launch: Launch, report: Report) -> None:
        """Wait until the engine answers and is proven ours, start its session, then report what was learnt.

        Raises:
            EngineError: it answered wrongly or is a stranger; the caller's boot deadline bounds the wait.
        """
        ...

    async def observe(self, session: Session, launch: Launch) -> Sequence[Observation]:
        """Return how the link is now, as the engine says when it is asked.

        Raises:
            EngineError: it did not answer, or wrongly.
        """
        ...

    def read_event(
        self, session: Session, launch: Launch, event: str, data: Mapping[str, Json]
    ) -> Sequence[Observation]:
        """Return what an event posted by the engine means to us; empty when it means nothing."""
        ...

    async def release(self, session: Session, launch: Launch) -> None:
        """Close our connections to this launch, so that none delays its end, and forget what we remember of it."""
        ...


@runtime_checkable
class CanPair(Protocol):
    """An engine that can be linked by a code typed into the phone."""

    async def request_pairing_code(self, session: Session, launch: Launch, phone_number: str) -> str:
        """Return a pairing code for a phone number (digits only).

        Raises:
            EngineError: the engine refused.
        """
        ...


@runtime_checkable
class CanLogOut(Protocol):
    """An engine that can unlink its device."""

    async def log_out(self, session: Session, launch: Launch) -> None:
        """Unlink the device and wipe its credentials.

        Raises:
            EngineError: the engine refused, or this version of it has no such call.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialFindings:
    """What an engine's credentials look like: `can_be_restored` tells that they are broken and a whole copy is kept.

    `set_aside` is where the engine itself put some that it could not read (None: nowhere).
    """

    can_be_restored: bool
    set_aside: str | None


@runtime_checkable
class FindsProgramAhead(Protocol):
    """An engine whose program can be looked for while its launch is being recorded."""

    async def find_program_ahead(self) -> None:
        """Look for it now, so that a launch that follows soon need not."""
        ...


@runtime_checkable
class KeepsCredentials(Protocol):
    """An engine of whose credentials a copy is kept, because it may leave them half-written."""

    async def keep_credentials(self, session: Session, directory: Path) -> None:
        """Keep a copy of what links the session to its account, if it is whole."""
        ...

    async def examine_credentials(self, session: Session, directory: Path) -> CredentialFindings:
        """Return what is wrong with the credentials, and whether that can be mended."""
        ...

    async def restore_credentials(self, session: Session, directory: Path) -> bool:
        """Put the kept copy in place of broken credentials, once; tell whether that was done. No engine may run."""
        ...

    async def forget_credentials(self, session: Session, directory: Path) -> None:
        """Remove the copies, once the account is unlinked."""
        ...


@runtime_checkable
class ProvesKey(Protocol):
    """An engine whose API is opened by a key that nobody else's engine takes."""

    async def takes_key(self, session: Session, launch: Launch) -> bool:
        """Tell whether the engine of this launch takes the session's key, or says nothing yet."""
        ...


@runtime_checkable
class KeepsData(Protocol):
    """An engine that works on files of its own, which somebody may remove while it goes on."""

    async def inspect_data(self, session: Session, directory: Path) -> DataState:
        """Return which files there are now; an empty database is none.

        Raises:
            FilesStuckError | OSError: that cannot be seen now.
        """
        ...


@runtime_checkable
class CanSend(Protocol):
    """An engine that sends messages, and can be asked what became of them."""

    async def send(self, session: Session, launch: Launch, outgoing: Outgoing, key: str | None) -> SendAnswer:
        """Ask for this once, under a key that an engine which remembers keys knows it by; return what came of it.

        The request is made once, whatever becomes of it; no answer is an outcome too.
        """
        ...

    async def check_contact(self, session: Session, launch: Launch, digits: str) -> ContactFound:
        """Return whether a number is on WhatsApp.

        Raises:
            EngineError: it did not answer, or wrongly, or is not connected.
        """
        ...

    async def list_chats(self, session: Session, launch: Launch) -> Sequence[str]:
        """Return the ids of the account's chats, at most 5,000.

        Raises:
            EngineError: it did not answer, or wrongly, or is not connected.
        """
        ...

    async def find_sent(self, session: Session, launch: Launch, chat_id: str) -> Sequence[SeenMessage]:
        """Return what left through the account in this chat, of late, newest first.

        Raises:
            EngineError: it did not answer, or wrongly.
        """
        ...

    async def read_restriction(self, session: Session, launch: Launch) -> Restriction | None:
        """Return what WhatsApp took from the account, `banned` if that is all; None: nothing that is known.

        Raises:
            EngineError: it did not answer, or wrongly.
        """
        ...

    async def memory(self, session: Session, launch: Launch, directory: Path) -> EngineMemory:
        """Return where this launch keeps the keys of messages; a part that cannot be told is None."""
        ...


class WebhookSender(Protocol):
    """Posts to endpoints."""

    async def send(self, endpoint: Endpoint, event_id: str, body: bytes, at: float) -> AttemptResult:
        """Post `body`, signed at wall time `at`, and return what became of it; no answer is an outcome too."""
        ...
