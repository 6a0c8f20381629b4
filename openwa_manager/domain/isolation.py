"""Which engines are kept apart from everything else on their host, and what each may reach: whatever enforces it."""

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

from openwa_manager.domain.session.session import Launch, Session
from openwa_manager.domain.values import dataclass

#: Where an engine may connect to in any case: WhatsApp, the web, what callers' media are fetched from.
WEB_PORTS = (range(80, 81), range(443, 444))
_PROXY_NAMES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
_DEFAULT_PORTS = {"http": 80, "https": 443, "socks4": 1080, "socks4a": 1080, "socks5": 1080, "socks5h": 1080}
#: Variables of the admin's that name a file or directory to be read.
_PATH_NAMES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS")


class Isolation(StrEnum):
    """Who keeps an engine apart: the kernel, or nobody."""

    KERNEL = "kernel"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Confinement:
    """What one engine may do beside what every program needs of the system; whatever can be forbidden beyond is.

    Of `programs` each is executed (a directory: all below it), `readable` is read. In `writable` everything is allowed
    but to execute, and making devices. `hidden` stays closed where a readable directory holds it. The ports are those
    of TCP.
    """

    programs: tuple[Path, ...]
    readable: tuple[Path, ...]
    writable: tuple[Path, ...]
    hidden: tuple[Path, ...]
    connect_ports: tuple[range, ...]
    bind_ports: tuple[range, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class IsolationRules:
    """What the settings and the host say of the isolation of all engines.

    `asked` None: each recipe's own default, where the host is able to (`is_possible`). `hidden` is what no engine may
    read though it lie in what engines do read. The rest comes on top of what an engine needs; ports are those of TCP.
    """

    asked: Isolation | None = None
    is_possible: bool = False
    read_paths: tuple[Path, ...] = ()
    hidden: tuple[Path, ...] = ()
    connect_ports: tuple[range, ...] = ()
    bind_ports: tuple[range, ...] = ()

    def isolation(self, default: Isolation) -> Isolation:
        """Return who keeps the engines of a recipe apart that has this default."""
        if self.asked is not None:
            return self.asked
        return default if self.is_possible else Isolation.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What the engines of one recipe need: the programs they execute, and what these read; see `Confinement`."""

    default: Isolation
    programs: tuple[Path, ...]
    readable: tuple[Path, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchFacts:
    """What of one launch decides what it may reach; `admin_env` is the part of `env` that no caller sets."""

    session: Session
    launch: Launch
    directory: Path
    env: Mapping[str, str]
    intake_url: str
    admin_env: Mapping[str, str]


def confinement_of(rules: IsolationRules, needs: Needs, facts: LaunchFacts) -> Confinement | None:
    """Return what this launch may reach; None when nobody keeps it apart."""
    if rules.isolation(needs.default) is Isolation.NONE:
        return None
    return Confinement(
        programs=needs.programs,
        readable=(*needs.readable, *rules.read_paths, *_named_paths(facts.admin_env)),
        writable=(facts.directory, *((facts.launch.socket.parent,) if facts.launch.socket is not None else ())),
        hidden=rules.hidden,
        connect_ports=(*WEB_PORTS, *ports_of(_addresses(facts)), *rules.connect_ports),
        bind_ports=(*_listening_ports(facts.launch), *rules.bind_ports),
    )


def _listening_ports(launch: Launch) -> Iterator[range]:
    if launch.listening_port is not None:
        yield range(launch.listening_port, launch.listening_port + 1)


def _addresses(facts: LaunchFacts) -> Iterator[str]:
    """Yield whom the engine connects to by our doing: the intake, and its proxies."""
    yield facts.intake_url
    for name, value in facts.env.items():
        if name.upper() in _PROXY_NAMES:
            yield value if "://" in value else f"http://{value}"
    if facts.session.spec.proxy_url is not None:
        yield facts.session.spec.proxy_url


def ports_of(urls: Iterable[str]) -> Iterator[range]:
    """Go through the ports at which these are reached; of what is no URL there is none."""
    for url in urls:
        try:
            parts = urlsplit(url)
            port = parts.port or _DEFAULT_PORTS.get(parts.scheme)
        except ValueError:  # whoever uses it says so
            continue
        if port is not None:
            yield range(port, port + 1)


def _named_paths(env: Mapping[str, str]) -> Iterator[Path]:
    return (Path(env[name]) for name in _PATH_NAMES if env.get(name, "").startswith("/"))
