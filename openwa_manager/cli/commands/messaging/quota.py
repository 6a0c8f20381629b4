"""The command that shows and sets how many messages a user may send in a month."""

import argparse
from typing import TypedDict, cast

from openwa_manager.cli.command import Command, Invocation
from openwa_manager.cli.commands.messaging.addresses import quota_path
from openwa_manager.cli.terminal.output import moment, record


class _Quota(TypedDict):
    """What is read here of the API's quota; no limit: None."""

    messages_limit: int | None
    messages_used_this_month: int
    messages_reserved: int
    resets_at: str


def _quota(invocation: Invocation) -> None:
    given = invocation.arguments
    path = quota_path(given.user_id)
    if given.limit is None:
        answer = invocation.client.get(path)
    else:
        limit = None if given.limit == _NONE else int(given.limit)
        answer = invocation.client.put(path, {"messages_limit": limit})
    invocation.output.show(answer, lambda: _drawn(cast("_Quota", answer)))


def _drawn(quota: _Quota) -> str:
    limit = quota["messages_limit"]
    used, reserved = quota["messages_used_this_month"], quota["messages_reserved"]
    return record(
        {
            "limit a month": "no limit" if limit is None else f"{limit:,}",
            "sent this month": f"{used:,}",
            "reserved": f"{reserved:,}",
            "left": "no limit" if limit is None else f"{max(0, limit - used - reserved):,}",
            "begins anew at": f"{moment(quota['resets_at'])}",
        }
    )


_NONE = "none"


def _limit(text: str) -> str:
    if text != _NONE and not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is neither a count nor {_NONE}")
    return text


def _declare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("user_id", metavar="USER", help="the user")
    parser.add_argument("--limit", metavar="N", type=_limit, help="allow N messages a month; none takes the limit away")


COMMANDS = (Command("quota", "show or set how many messages a user may send a month", _quota, _declare),)
