"""Refuses requests that would have an engine fetch from this host or its network.

OpenWA has a guard of its own, which pins the connection to what it has checked. This one stands before it, for engines
that may have none, or one that was told too much. A name that cannot be resolved here is left to OpenWA's.
"""

import asyncio
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from urllib.parse import parse_qsl

from yarl import URL

from openwa_manager.api.bodies.forms import form_of
from openwa_manager.api.bodies.readings import readings_of
from openwa_manager.api.gateway.errors import GatewayError
from openwa_manager.api.gateway.media.addresses import authority_of, media_in, media_in_form
from openwa_manager.api.gateway.media.skeletons import CUT, FormSkeleton, JsonSkeleton
from openwa_manager.domain import foreign_json
from openwa_manager.domain.delivery.events import Json
from openwa_manager.domain.errors import InvalidInputError, UnreadableJsonError
from openwa_manager.webhooks.address import AddressGuard, is_literal, is_public
from openwa_manager.webhooks.names import Resolve

_FORM, _JSON = "application/x-www-form-urlencoded", "application/json"
_CHARSET = re.compile(r'charset\*?\s*=\s*"?([^\s;"]*)')
_CHARSETS = frozenset({"utf-8", "utf8", "utf_8", "us-ascii", "ascii", "iso-8859-1", "latin1"})
#: OpenWA reads as many fields of a form (`qs`: parameterLimit).
_FIELDS_MAX = 1_000
_VALUES_MAX = 100_000
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
#: A bulk send has 100 messages.
_HOSTS_MAX = 200
#: What takes longer is read beside the loop.
_QUICK_BYTES = 64 * 1024


class MediaGuard:
    """Knows from where engines may fetch: any public address, and the hosts that the admin's `engine_env` names."""

    def __init__(self, allowed_hosts: Iterable[str], resolve: Resolve, addresses: AddressGuard) -> None:
        self._allowed_hosts = frozenset(host.strip().strip("[]").lower() for host in allowed_hosts) - {""}
        self._resolve = resolve
        self._addresses = addresses

    def inspection(self, content_type: str, header: str) -> "Inspection":
        """Return what looks at a body of this kind; `header` is the whole of `Content-Type`.

        Raises:
            GatewayError: it is in a character set in which nothing is found.
        """
        for charset in _CHARSET.findall(header.lower()):  # of several OpenWA takes the last, others the first
            if charset not in _CHARSETS:
                raise GatewayError(415, f'unsupported charset "{charset.upper()}"')  # OpenWA's words
        return Inspection(self, content_type)

    async def require_public(self, texts: Iterable[str]) -> None:
        """Return if OpenWA may fetch what these texts name, if they name anything.

        Raises:
            GatewayError: one leads to this host or its network, or nowhere that is known.
        """
        authorities = {_checked(text, authority) for text in texts if (authority := authority_of(text)) is not None}
        if len(authorities) > _HOSTS_MAX:
            raise _refusal(f"it names more than {_HOSTS_MAX} hosts")
        hosts = {host for authority in authorities if (host := self._host_to_ask(authority)) is not None}
        async with asyncio.TaskGroup() as tasks:
            asked = {host: tasks.create_task(self._private_address_of(host)) for host in hosts}
        for host, answer in asked.items():
            if (address := answer.result()) is not None:
                raise _refusal(f"{host} has the address {address}, which is not public")

    def _host_to_ask(self, authority: str) -> str | None:
        """Return the name to be resolved; None when all is known of it already."""
        url = f"http://{authority}/"
        try:
            host = URL(url).raw_host or ""
            if host.lower() in self._allowed_hosts:
                return None
            self._addresses.check_url(url)
        except (InvalidInputError, ValueError, IndexError) as error:  # a host that is no name, as in AddressGuard
            raise _refusal(f"{error}".replace(" (allow_private_endpoints permits it)", "")) from error
        return None if is_literal(host) else host

    async def _private_address_of(self, host: str) -> str | None:
        try:
            found = await self._resolve(host)
        except OSError:  # a time-out is one too
            return None
        return next((address for address in sorted(found) if not is_public(address)), None)


class Inspection:
    """Looks at a body as it passes, or at once."""

    def __init__(self, guard: MediaGuard, content_type: str) -> None:
        self._guard = guard
        self._is_json = content_type == _JSON
        self._as_json = JsonSkeleton()
        self._as_form = FormSkeleton() if content_type == _FORM else None

    def feed(self, chunk: bytes) -> None:
        """Take what comes next."""
        self._as_json.feed(chunk)
        if self._as_form is not None:
            self._as_form.feed(chunk)

    async def finish(self) -> None:
        """Return if OpenWA may fetch what the body names.

        Raises:
            GatewayError: it may not, or nobody can tell.
        """
        is_quick = len(self._as_json.kept) <= _QUICK_BYTES
        texts = self._texts() if is_quick else await asyncio.to_thread(self._texts)
        await self._guard.require_public(texts)

    async def fields(self) -> Mapping[str, Json]:
        """Return the members of the body that has passed, long texts cut; empty when it is nothing that has any."""
        is_quick = len(self._as_json.kept) <= _QUICK_BYTES
        return self._fields() if is_quick else await asyncio.to_thread(self._fields)

    async def readings(self) -> Sequence[Mapping[str, Json]]:
        """Return the members of the body that has passed, in every way to read it; empty when nobody can."""
        return await asyncio.to_thread(self._readings)

    def _readings(self) -> Sequence[Mapping[str, Json]]:
        found = list(readings_of(self._as_json.kept, _JSON))
        if self._as_form is not None and (form := form_of(self._as_form.kept, _FORM)) is not None:
            found.append(form)
        return found

    def _fields(self) -> Mapping[str, Json]:
        raw = bytes(self._as_json.kept).removeprefix(_BYTE_ORDER_MARK)
        if self._as_form is not None and not raw.lstrip().startswith(b"{"):
            return form_of(bytes(self._as_form.kept), _FORM) or {}
        try:
            parsed = foreign_json.parse(raw.decode("utf-8", "replace"), max_values=_VALUES_MAX)
        except UnreadableJsonError:
            return {}
        return parsed if isinstance(parsed, dict) else {}

    def _texts(self) -> list[str]:
        # What is said to be a form may be JSON all the same, as PHP sends it (guide.py).
        in_form = [] if self._as_form is None else list(_texts_of_form(self._as_form))
        return [*in_form, *self._texts_of_json()]

    def _texts_of_json(self) -> Iterator[str]:
        raw = bytes(self._as_json.kept).removeprefix(_BYTE_ORDER_MARK)
        is_json = self._is_json or raw.lstrip().startswith(b"{")
        if not is_json or not _may_name_media(raw):
            return iter(())
        if self._as_json.is_overfull:
            raise GatewayError(400, ["there is too much in the body beside its media"])
        try:
            return media_in(foreign_json.parse(raw.decode("utf-8", "replace"), max_values=_VALUES_MAX))
        except UnreadableJsonError as error:
            raise GatewayError(400, [f"the body cannot be read: {error}"]) from error


def _texts_of_form(form: FormSkeleton) -> Iterator[str]:
    if form.is_overfull:
        raise GatewayError(400, ["there is too much in the form beside its media"])
    try:
        fields = parse_qsl(form.kept.decode("utf-8", "replace"), max_num_fields=_FIELDS_MAX)
    except ValueError as error:
        raise GatewayError(413, "too many parameters") from error  # OpenWA's words
    return media_in_form(fields)


def _may_name_media(raw: bytes) -> bool:
    """Tell whether an address may stand in a JSON text: as it is, with escapes, or put together of variables."""
    return b"http" in raw.lower() or b"\\" in raw or b"variables" in raw


def _checked(text: str, authority: str) -> str:
    """Return the authority of an address if it is known as a whole."""
    if CUT in text:
        raise _refusal("an address is longer than any that OpenWA takes")
    if "@" in authority:
        raise _refusal("an address must not carry credentials: OpenWA fetches none that does")
    if "{" in authority:
        raise _refusal("an address must not have a placeholder in its host")
    return authority.lower()


def _refusal(detail: str) -> GatewayError:
    return GatewayError(400, "Destination address is not allowed", detail=detail)
