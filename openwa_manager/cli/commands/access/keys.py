"""The commands that make, list, change, rotate and revoke API keys."""

import argparse
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NotRequired, TypedDict, cast
from urllib.parse import quote

from openwa_manager.cli.command import Command, Invocation, declare_all
from openwa_manager.cli.errors import CommandFailedError, UsageError, complain
from openwa_manager.cli.terminal.output import record
from openwa_manager.cli.terminal.tables import Column, ColumnKind, Listing

if TYPE_CHECKING:
    from openwa_manager.domain.delivery.events import Json

_PATH = "/v1/keys"
_RESETTABLE = ("rate_per_s", "rate_burst", "expires_at")
_ROLES = ("viewer", "sender", "operator", "admin")


class _Key(TypedDict):
    """What is read here of the API's key."""

    id: str
    name: str
    role: str
    sessions: Sequence[str]
    qr: bool
    chats: bool
    disabled: bool
    expires_at: str | None
    last_used_at: str | None


class _Keys(TypedDict):
    keys: Sequence[_Key]


class _NewKey(TypedDict):
    key: str


class _System(TypedDict):
    url: NotRequired[str]


def _list(invocation: Invocation) -> None:
    answer = invocation.client.get(_PATH)
    invocation.output.show_list(answer, lambda: _listed(cast("_Keys", answer)["keys"]))


_COLUMNS = (
    Column("KEY", 9),
    Column("NAME", 8),
    Column("ROLE", 7),
    Column("STATUS", 6, ColumnKind.STATUS),
    Column("SESSIONS", 5),
    Column("ALSO", 4),
    Column("LAST USED", 3, ColumnKind.TIME),
    Column("EXPIRES", 2, ColumnKind.TIME),
)


def _listed(keys: Sequence[_Key]) -> Listing:
    rows = [
        (
            each["id"],
            each["name"],
            each["role"],
            "disabled" if each["disabled"] else "active",
            each["sessions"],
            [right for right, is_given in (("qr", each["qr"]), ("chats", each["chats"])) if is_given],
            each["last_used_at"],
            each["expires_at"],
        )
        for each in keys
    ]
    return Listing(_COLUMNS, rows, "no keys")


def _create(invocation: Invocation) -> None:
    given, url = invocation.arguments, _url_of_env(invocation)
    body: dict[str, Json] = {
        "name": given.name,
        "role": given.role,
        "sessions": given.session,
        "qr": given.qr,
        "chats": given.chats,
        "allowed_ips": given.allow_ip or [],
        "rate_per_s": given.rate_per_s,
        "rate_burst": given.rate_burst,
        "expires_at": given.expires_at,
    }
    _show_new(invocation, invocation.client.post(_PATH, body=body), url)


def _rotate(invocation: Invocation) -> None:
    url = _url_of_env(invocation)
    body: dict[str, Json] = {"overlap_s": invocation.arguments.overlap}
    _show_new(invocation, invocation.client.post(f"{_path(invocation)}/rotate", body=body), url)


def _show_new(invocation: Invocation, answer: "Json", url: str) -> None:
    """Print the key, which is shown this once; with a URL only the two lines of a backend's `.env`."""
    if url:
        invocation.output.write(f"OPENWA_BASE_URL={url}\nOPENWA_API_KEY={cast('_NewKey', answer)['key']}")
    else:
        _show(invocation, answer)


def _url_of_env(invocation: Invocation) -> str:
    if invocation.arguments.env:
        return _base_url(invocation)
    if invocation.arguments.base_url is not None:
        raise UsageError("--base-url belongs to --env")
    return ""


def _base_url(invocation: Invocation) -> str:
    """Return where a backend reaches the daemon: as it was named here, else where the daemon says that it listens.

    Raises:
        CommandFailedError: the daemon does not say.
    """
    named: str | None = (
        invocation.arguments.base_url or invocation.arguments.url or invocation.environ.get("OPENWA_BASE_URL")
    )
    if named:
        return named.rstrip("/")
    url = cast("_System", invocation.client.get("/v1/system")).get("url")
    if url is None:
        raise CommandFailedError("this daemon does not tell where it listens: name it with --base-url")
    complain(f"{url} is this host's own address: --base-url names the one that backends elsewhere use")
    return url


def _change(invocation: Invocation) -> None:
    given = invocation.arguments
    named: dict[str, Json] = {
        "name": given.name,
        "role": given.role,
        "sessions": given.session,
        "qr": given.qr,
        "chats": given.chats,
        "allowed_ips": given.allow_ip,
        "rate_per_s": given.rate_per_s,
        "rate_burst": given.rate_burst,
        "expires_at": given.expires_at,
    }
    body: dict[str, Json] = {name: value for name, value in named.items() if value is not None}
    undone: dict[str, Json] = dict.fromkeys(given.reset or ())
    if given.any_ip:
        undone["allowed_ips"] = []
    if both := sorted(body.keys() & undone):
        raise UsageError(f"{', '.join(both)} cannot be both set and reset")
    body |= undone
    if not body:
        raise UsageError("name what is to change: keys change --help")
    _show(invocation, invocation.client.patch(_path(invocation), body))


def _show_one(invocation: Invocation) -> None:
    _show(invocation, invocation.client.get(_path(invocation)))


def _disable(invocation: Invocation) -> None:
    _show(invocation, invocation.client.patch(_path(invocation), {"disabled": True}))


def _enable(invocation: Invocation) -> None:
    _show(invocation, invocation.client.patch(_path(invocation), {"disabled": False}))


def _delete(invocation: Invocation) -> None:
    invocation.client.delete(_path(invocation))
    key_id = invocation.arguments.key_id
    invocation.output.show({"id": key_id, "deleted": True}, lambda: f"{key_id} deleted: it opens nothing any more")


def _show(invocation: Invocation, key: "Json") -> None:
    invocation.output.show(key, lambda: record(cast("Mapping[str, object]", key)))


def _path(invocation: Invocation) -> str:
    return f"{_PATH}/{quote(invocation.arguments.key_id, safe='')}"


def _takes_key(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("key_id", metavar="ID", help="the key; `admin` is the one in the file admin.key")


def _takes_env(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--env", action="store_true", help="print OPENWA_BASE_URL and OPENWA_API_KEY for a .env file")
    parser.add_argument("--base-url", metavar="URL", help="with --env: where the backend reaches the daemon")


def _declare_create(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="what it is for, as the list and the audit show it")
    parser.add_argument("--role", choices=_ROLES, required=True, help="what it may do")
    parser.add_argument("--qr", action="store_true", help="it may see codes, which are logins")
    parser.add_argument("--chats", action="store_true", help="it may see what people write, and to whom")
    _takes_bounds(parser)
    _takes_env(parser)


def _takes_bounds(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        *("--session", "--sessions"),
        metavar="PATTERN",
        action="append",
        help="for these sessions, as 'user_1_*' (new: all)",
    )
    parser.add_argument("--allow-ip", metavar="NETWORK", action="append", help="only from there, as 192.0.2.0/24")
    parser.add_argument("--rate-per-s", metavar="N", type=float, help="so many requests a second (new: the setting's)")
    parser.add_argument("--rate-burst", metavar="N", type=float, help="so many at once (new: the setting's)")
    parser.add_argument("--expires-at", metavar="TIME", help="until then, as 2027-01-31T00:00:00Z")


def _declare_change(parser: argparse.ArgumentParser) -> None:
    _takes_key(parser)
    parser.add_argument("--name", metavar="NAME", help="what it is for")
    parser.add_argument("--role", choices=_ROLES, help="what it may do")
    on_or_off = argparse.BooleanOptionalAction
    parser.add_argument("--qr", action=on_or_off, help="whether it may see codes, which are logins")
    parser.add_argument("--chats", action=on_or_off, help="whether it may see what people write, and to whom")
    _takes_bounds(parser)
    parser.add_argument("--any-ip", action="store_true", help="from everywhere again")
    parser.add_argument("--reset", choices=_RESETTABLE, action="append", help="as if it had never been given")


def _declare_rotate(parser: argparse.ArgumentParser) -> None:
    _takes_key(parser)
    parser.add_argument(
        "--overlap", metavar="S", type=float, default=0.0, help="the key until now holds for so many seconds more (0)"
    )
    _takes_env(parser)


_VERBS = (
    Command("list", "list the keys", _list),
    Command("create", "make a key; prints it this once", _create, _declare_create),
    Command("show", "show what a key allows", _show_one, _takes_key),
    Command("change", "change what a key allows, what is given only", _change, _declare_change),
    Command("rotate", "give a key a new text; prints it this once", _rotate, _declare_rotate),
    Command("disable", "let nobody in with it until it is enabled", _disable, _takes_key),
    Command("enable", "let it in again", _enable, _takes_key),
    Command("delete", "revoke a key for good", _delete, _takes_key),
)


def _declare(parser: argparse.ArgumentParser) -> None:
    declare_all(_VERBS, parser, is_required=False)


COMMANDS = (Command("keys", "show and change who may do what", _list, _declare),)
