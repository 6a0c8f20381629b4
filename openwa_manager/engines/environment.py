"""What every engine gets from its daemon: its environment, and where it posts and logs."""

import hmac
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from openwa_manager.domain.delivery.events import Json
from openwa_manager.domain.delivery.user_webhooks import KeptChanges, UserWebhook
from openwa_manager.domain.foreign_path import ForeignPath
from openwa_manager.domain.isolation import Confinement, IsolationRules, LaunchFacts, Needs, confinement_of
from openwa_manager.domain.ports import ListenerProof
from openwa_manager.domain.session.session import (
    BUILD_VARIABLE,
    INTAKE_NAME_VARIABLE,
    INTAKE_VARIABLE,
    LAUNCH_ID_VARIABLE,
    SECRET_VARIABLE,
    SOCKET_VARIABLE,
    Launch,
    Session,
    SessionId,
    log_path_of,
)
from openwa_manager.domain.values import dataclass
from openwa_manager.engines.variables import HOST_LISTS, is_any_of

#: All that an engine inherits; a trailing `*` stands for any ending.
INHERITED = (
    "PATH",
    "HOME",
    "LANG",
    "LC_*",
    "TZ",
    "SSL_CERT_FILE",
    "NODE_EXTRA_CA_CERTS",
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "ALL_PROXY",
    "all_proxy",
    "NO_PROXY",
    "no_proxy",
    "PUPPETEER_*",
)
#: Both spellings are in use: curl reads `http_proxy` in small letters only, most programs read either.
_NO_PROXY = ("NO_PROXY", "no_proxy")
_PROXIES = frozenset({"http_proxy", "https_proxy", "all_proxy"})
#: Never asked through a proxy: an engine posts to us there.
_LOOPBACK = ("127.0.0.1", "localhost", "::1")

#: What the name of the intake is made with; `.invalid` belongs to nobody (RFC 2606).
_NAME_LABEL, _NAME_DOMAIN = b"name of the intake", "openwa-intake.invalid"

#: The address of a launch's webhook; the host part is left open: each launch has a name of its own for the intake, and
#: that may listen elsewhere after a restart.
_WEBHOOK_URL = re.compile(r"http://[^/]+/hooks/([^/]+)/[0-9a-f-]{32,36}")

#: The address of a user's webhook as its engine has it; the host part is left open for the same reasons.
_RELAY_URL = re.compile(r"http://[^/]+/relay/([^/]+)/([0-9a-f]{32})")

#: What Chromium makes below its directory for temporary files; all of it is the address of a socket, for which macOS
#: has 103 bytes (chrome/browser/process_singleton_posix.cc, ProcessSingleton::Create; base/files/scoped_temp_dir.cc).
_CHROMIUM_SOCKET = "/.org.chromium.Chromium.scoped_dir.XXXXXX/SingletonSocket"
_SOCKET_PATH_MAX_BYTES = 103


def temporary_env(tmp: Path, *, is_browsers: bool = False) -> dict[str, str]:
    """Return what has an engine and its browser keep their temporary files in this directory, if that is possible.

    On macOS Chromium heeds a variable of its own only (base/files/file_util_apple.mm, GetTempDir). Where its socket
    would not fit it is left to itself; so is all that it starts from, where the engine `is_browsers` first of all.
    """
    fits = len(os.fsencode(tmp)) + len(_CHROMIUM_SOCKET) <= _SOCKET_PATH_MAX_BYTES
    if fits:
        return {"TMPDIR": str(tmp), "MAC_CHROMIUM_TMPDIR": str(tmp)}
    return {} if is_browsers else {"TMPDIR": str(tmp)}


def relay_token(url: str, session_id: SessionId) -> str | None:
    """Return which of the session's user webhooks an engine posts to us for; None when it is no such address."""
    match = _RELAY_URL.fullmatch(url)
    return match[2] if match is not None and match[1] == session_id else None


def is_own_webhook(url: str, session_id: SessionId) -> bool:
    """Tell whether this is where some launch of the session posts to us, and not a webhook of the session's owner."""
    match = _WEBHOOK_URL.fullmatch(url)
    return match is not None and match[1] == session_id


def intake_name(launch: Launch) -> str | None:
    """Return the name by which the engine of this launch, and nobody else, finds the intake; None: by its address.

    Our shim in the engine answers it. So OpenWA can be allowed to post to this one name, and not to all of loopback.
    It is made from the launch's secret, and does not tell it. An engine without a socket has no such shim: a `command`,
    or one that version 0.2 or earlier launched.
    """
    if launch.socket is None:
        return None
    return f"{hmac.digest(launch.secret.encode(), _NAME_LABEL, 'sha256').hex()[:32]}.{_NAME_DOMAIN}"


class OfflineChanges(Protocol):
    """What callers changed of sessions while no engine ran."""

    async def load(self, session_id: SessionId) -> KeptChanges:
        """Return what a session's engine is to be told."""
        ...

    async def webhooks(self, session_id: SessionId) -> Sequence[UserWebhook]:
        """Return all webhooks that are known of a session."""
        ...

    async def save_webhooks(self, webhooks: Iterable[UserWebhook]) -> None:
        """Record webhooks as the engine has them now."""
        ...

    async def save_config(self, session_id: SessionId, whole: Json) -> None:
        """Record the configuration as the engine has it now; nothing is pending."""
        ...


class NoChanges:
    """Implements `OfflineChanges` where nothing is ever kept."""

    async def load(self, session_id: SessionId) -> KeptChanges:
        """Return nothing."""
        del session_id
        return KeptChanges()

    async def webhooks(self, session_id: SessionId) -> Sequence[UserWebhook]:
        """Return none."""
        del session_id
        return ()

    async def save_webhooks(self, webhooks: Iterable[UserWebhook]) -> None:
        """Keep nothing."""

    async def save_config(self, session_id: SessionId, whole: Json) -> None:
        """Keep nothing."""


def _sparing(env: dict[str, str], own: tuple[str, ...]) -> dict[str, str]:
    """Return an environment in which a proxy, if there is one, is never asked for these hosts of our own."""
    if not any(env.get(name) for name in env if name.lower() in _PROXIES):
        return env
    named = [host.strip() for name in _NO_PROXY for host in env.get(name, "").split(",") if host.strip()]
    spared = ",".join(dict.fromkeys([*named, *own]))
    return {**env, **dict.fromkeys(_NO_PROXY, spared)}


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineContext:
    """What all engines of this daemon have in common.

    `changes` are what callers changed while no engine ran. `environ` is the daemon's own environment, `engine_env`
    what the admin adds to every engine's. `intake_url` is where engines post, without a path. `proof` tells who
    listens where an engine should. `logs_root` None means the log lies in the session's directory. `isolation` says
    which engines are kept apart.
    """

    environ: Mapping[str, str] = field(repr=False)
    intake_url: str
    proof: ListenerProof = field(repr=False)
    engine_env: Mapping[str, str] = field(default_factory=dict, repr=False)
    logs_root: Path | None = None
    changes: OfflineChanges = field(default_factory=NoChanges)
    isolation: IsolationRules = field(default_factory=IsolationRules)

    def intake_host(self, launch: Launch) -> str:
        """Return the one host that this launch's engine must be allowed to post to."""
        return intake_name(launch) or urlsplit(self.intake_url).hostname or _LOOPBACK[0]

    def intake_of(self, launch: Launch) -> str:
        """Return where this launch's engine finds the intake, without a path."""
        name = intake_name(launch)
        return self.intake_url if name is None else f"http://{name}:{self._intake_port}"

    def webhook_url(self, session_id: SessionId, launch: Launch) -> str:
        """Return where this launch posts its events."""
        return f"{self.intake_of(launch)}/hooks/{session_id}/{launch.launch_id}"

    def relay_url(self, session_id: SessionId, launch: Launch, token: str) -> str:
        """Return where this launch posts what one of the session's users wants."""
        return f"{self.intake_of(launch)}/relay/{session_id}/{token}"

    @property
    def allowed_hosts(self) -> Sequence[str]:
        """Return which hosts the admin lets engines fetch from and post to, whatever their address."""
        return self.engine_env.get("SSRF_ALLOWED_HOSTS", "").split(",")

    @property
    def _intake_port(self) -> int:
        return urlsplit(self.intake_url).port or 80

    def _intake_env(self, launch: Launch) -> dict[str, str]:
        """Return what tells our shim in an engine where the intake is."""
        name, host = intake_name(launch), urlsplit(self.intake_url).hostname
        if name is None:
            return {}
        address = _LOOPBACK[0] if host in (None, "localhost") else host
        return {INTAKE_NAME_VARIABLE: name, INTAKE_VARIABLE: f"{address} {self._intake_port}"}

    def log_path(self, session_id: SessionId, directory: Path) -> ForeignPath:
        """Return the file the engine's output is appended to."""
        return log_path_of(session_id, directory.parent, self.logs_root)

    def env(
        self, session: Session, launch: Launch, recipe: Mapping[str, str], accepts: Callable[[str], bool]
    ) -> dict[str, str]:
        """Return an engine's whole environment; `accepts` tells what a session may set.

        Of one name the last counts: inherited, the recipe's, the admin's `engine_env`, the session's `env`, our own.
        Of a list of hosts both the recipe's and the admin's count.
        """
        kept = {name: value for name, value in self.environ.items() if is_any_of(name, INHERITED)}
        admin = dict(self.engine_env)
        for name in HOST_LISTS:
            if name in recipe and name in admin:
                admin[name] = f"{recipe[name]},{admin[name]}"
        asked = {name: value for name, value in session.spec.env.items() if accepts(name)}
        own: dict[str, str] = {LAUNCH_ID_VARIABLE: launch.launch_id}
        if launch.socket is not None:
            own |= {SOCKET_VARIABLE: str(launch.socket), SECRET_VARIABLE: launch.secret}
        if launch.build is not None:
            own[BUILD_VARIABLE] = launch.build
        own |= self._intake_env(launch)
        hosts = (*_LOOPBACK, self.intake_host(launch))
        return _sparing({**kept, **recipe, **admin, **asked, **own}, hosts)

    def confinement(
        self, session: Session, launch: Launch, directory: Path, env: Mapping[str, str], needs: Needs
    ) -> Confinement | None:
        """Return what this launch with its environment may reach; None when nobody keeps it apart."""
        admin_env = {**self.environ, **self.engine_env}
        facts = LaunchFacts(
            session=session,
            launch=launch,
            directory=directory,
            env=env,
            intake_url=self.intake_url,
            admin_env=admin_env,
        )
        return confinement_of(self.isolation, needs, facts)
