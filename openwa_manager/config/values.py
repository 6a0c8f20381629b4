"""What a setting may be: the types of their values, and how each is read from a text."""

import ipaddress
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, NamedTuple

from pydantic import AfterValidator, BeforeValidator, Field, IPvAnyNetwork, StringConstraints
from yarl import URL

from openwa_manager.domain import foreign_json
from openwa_manager.domain.access.addresses import as_its_clients_say
from openwa_manager.domain.builds.builds import checked_git_url
from openwa_manager.domain.delivery.events import EVENT_PATTERN, EVENT_PATTERNS_MAX
from openwa_manager.domain.errors import ConfigError, InvalidInputError
from openwa_manager.domain.messaging.opt_out import keywords_of
from openwa_manager.domain.messaging.recipients import is_region
from openwa_manager.domain.urls import public_url_problem, url_problem
from openwa_manager.domain.zones import zone_of
from openwa_manager.engines import registry
from openwa_manager.host.user_paths import expanded, spelled_on_disk

#: RFC 6454, 6.2, as far as pages have it that come over HTTP.
_ORIGIN = re.compile(r"https?://(?:[a-z0-9.-]+|\[[0-9a-f:]+\])(?::[0-9]{1,5})?")
#: A busy disk can hold a healthy daemon up for less than this.
_FREEZE_MIN_S = 2.0


class Address(NamedTuple):
    """Where a listener listens."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Tell whether only this machine can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class PortRange(NamedTuple):
    """The ports from `first` to `last`, both included."""

    first: int
    last: int

    def __str__(self) -> str:
        return f"{self.first}-{self.last}"


def _parse_address(value: str | Address) -> Address:
    if isinstance(value, Address):
        return value
    host, colon, port = str(value).rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535 or not host.strip("[]"):
        raise ValueError("write it as host:port, such as 127.0.0.1:2790 or [::1]:2790")
    return Address(host=host.strip("[]"), port=int(port))


def _parse_ports(value: str | PortRange) -> PortRange:
    if isinstance(value, PortRange):
        return value
    first, _, last = str(value).partition("-")
    if not (first.isdecimal() and last.isdecimal() and 1024 <= int(first) <= int(last) <= 65535):
        raise ValueError("write it as first-last with 1024 <= first <= last <= 65535, such as 28100-29099")
    return PortRange(first=int(first), last=int(last))


def _parse_port_list(value: object) -> object:
    """Read a list of ports and ranges of them, such as [5222, "8000-8010"]."""
    parsed = _parse_json(value)
    if not isinstance(parsed, (list, tuple)):
        raise ValueError('write it as a list, such as [5222, "8000-8010"]')  # noqa: TRY004 pydantic reports this one
    return tuple(_parse_port_range(item) for item in parsed)


def _parse_port_range(item: object) -> PortRange:
    if isinstance(item, PortRange):
        return item
    first, _, last = str(item).partition("-")
    last = last or first
    if not (first.isdecimal() and last.isdecimal() and 1 <= int(first) <= int(last) <= 65535):
        raise ValueError(f'{item} is no port and no range of ports: write 5222 or "8000-8010"')
    return PortRange(first=int(first), last=int(last))


def _parse_json(value: object) -> object:
    """Read a list or table from the environment; a file brings it ready."""
    if not isinstance(value, str):
        return value
    try:
        parsed: object = foreign_json.parse(value)
    except ValueError as error:
        raise ValueError(f"write it as JSON ({error})") from error
    return parsed


def _check_engine(value: str) -> str:
    if value not in registry.NAMES:
        raise ValueError(f"must be one of {', '.join(registry.NAMES)}")
    return value


def _check_url(value: str) -> str:
    if problem := url_problem(value):
        raise ValueError(problem)
    return value


def _check_git_url(text: str) -> str:
    try:
        return checked_git_url(text)
    except InvalidInputError as error:
        raise ValueError(f"{text!r}: {error}") from error


def _check_public_url(value: str) -> str:
    """Return the address without the / at its end."""
    if problem := public_url_problem(value):
        raise ValueError(problem)
    return value.rstrip("/")


def _check_freeze_limit(value: float) -> float:
    if 0 < value < _FREEZE_MIN_S:
        raise ValueError(f"is less than {_FREEZE_MIN_S:g} s, which a healthy daemon may take; write 0 for never")
    return value


def _check_time_zone(name: str) -> str:
    try:
        zone_of(name)
    except InvalidInputError as error:
        raise ValueError(str(error)) from error
    return name


def _check_region(code: str) -> str:
    if not is_region(code):
        raise ValueError("there is no such country; write two capital letters, as in HK")
    return code


def _check_keywords(words: tuple[str, ...]) -> tuple[str, ...]:
    try:
        keywords_of(words)
    except InvalidInputError as error:
        raise ValueError(str(error)) from error
    return words


def _check_origin(origin: str) -> str:
    if _ORIGIN.fullmatch(origin) is None or str(URL(origin).origin()) != origin:
        raise ValueError(
            f"{origin!r} is no origin as browsers send it: write https://app.example.com, in small letters, "
            "with a port only if it is not the usual one, and nothing behind it; * and null would be every page"
        )
    return origin


def _expanded(path: Path) -> Path:
    try:
        return expanded(path)
    except ConfigError as error:
        raise ValueError(str(error)) from error


ListenAddress = Annotated[Address, BeforeValidator(_parse_address)]
Ports = Annotated[PortRange, BeforeValidator(_parse_ports)]
EngineName = Annotated[str, AfterValidator(_check_engine)]
Url = Annotated[str, AfterValidator(_check_url)]
GitUrl = Annotated[str, AfterValidator(_check_git_url)]
PublicUrl = Annotated[str, AfterValidator(_check_public_url)]
AbsolutePath = Annotated[Path, AfterValidator(lambda path: _expanded(path).absolute())]
RealPath = Annotated[Path, AfterValidator(lambda path: spelled_on_disk(_expanded(path)))]
Words = Annotated[tuple[str, ...], BeforeValidator(_parse_json)]
EventPatterns = Annotated[
    tuple[Annotated[str, StringConstraints(pattern=EVENT_PATTERN)], ...],
    BeforeValidator(_parse_json),
    Field(min_length=1, max_length=EVENT_PATTERNS_MAX),
]
Origins = Annotated[tuple[Annotated[str, AfterValidator(_check_origin)], ...], BeforeValidator(_parse_json)]
Networks = Annotated[
    tuple[Annotated[IPvAnyNetwork, AfterValidator(as_its_clients_say)], ...], BeforeValidator(_parse_json)
]
PortList = Annotated[tuple[PortRange, ...], BeforeValidator(_parse_port_list)]
Paths = Annotated[tuple[RealPath, ...], BeforeValidator(_parse_json)]
Table = Annotated[Mapping[str, str], BeforeValidator(_parse_json)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
#: Long enough for any purpose, and short enough for any calendar.
LongTime = Annotated[float, Field(gt=0, le=10 * 366 * 86_400, allow_inf_nan=False)]
FreezeLimit = Annotated[float, Field(ge=0, le=86_400), AfterValidator(_check_freeze_limit)]
Pauses = Annotated[tuple[Seconds, ...], BeforeValidator(_parse_json)]
Count = Annotated[int, Field(ge=1)]
Bytes = Annotated[int, Field(ge=0)]
Retries = Annotated[tuple[Seconds, ...], BeforeValidator(_parse_json), Field(max_length=20)]
TimeZone = Annotated[str, AfterValidator(_check_time_zone)]
Region = Annotated[str, AfterValidator(_check_region)]
Keywords = Annotated[Words, AfterValidator(_check_keywords)]
