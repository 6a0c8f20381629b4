"""The command that hands over many messages at once, and looks after them."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, cast

from openwa_manager.cli.command import Command, Invocation, declare_all, takes_session
from openwa_manager.cli.commands.messaging.addresses import batch_path
from openwa_manager.cli.commands.messaging.answers import (
    Hold,
    count_ended,
    count_lost,
    counts_said,
    said_hold,
)
from openwa_manager.cli.commands.messaging.content import (
    content_of,
    key_headers,
    positive_count,
    present,
    read_file,
    takes_file,
    takes_times,
    takes_wait_for_end,
    text_of,
)
from openwa_manager.cli.commands.messaging.recipients import (
    FILE_MAX_BYTES,
    Recipients,
    read_recipients,
    recipients_body,
)
from openwa_manager.cli.commands.messaging.waiting import wait_until
from openwa_manager.cli.errors import FAILED, UsageError, complain
from openwa_manager.cli.terminal.output import moment, record, table
from openwa_manager.cli.terminal.progress import bar
from openwa_manager.cli.terminal.tables import Column, ColumnKind, Listing
from openwa_manager.domain.errors import InvalidInputError
from openwa_manager.domain.messaging.templates import template_of

if TYPE_CHECKING:
    from openwa_manager.cli.client import Query
    from openwa_manager.domain.delivery.events import Json

_REJECTIONS_SHOWN = 20
_LIMIT = 20
#: The most that the API lists at once.
_PAGE = 100
_OVER = ("done", "cancelled")


class _Rejection(TypedDict):
    index: int
    line: int
    code: str
    detail: str


class _Taken(TypedDict):
    """What is read here of the API's answer to many messages; a dry run has no `batch_id`."""

    batch_id: str | None
    accepted: int
    rejected: Sequence[_Rejection]
    first_contacts: int
    finish_at: str | None
    quota_left: int | None


class _Batch(TypedDict):
    """What is read here of the API's batch."""

    batch_id: str
    name: str | None
    state: str
    accepted: int
    rejected: Mapping[str, int]
    counts: Mapping[str, int]
    hold: Hold | None
    estimated_at: str | None
    created_at: str


class _Page(TypedDict):
    batches: "Sequence[Json]"
    next_cursor: str | None


def _create(invocation: Invocation) -> int | None:
    given = invocation.arguments
    path, headers = f"{invocation.session_path}/messages/bulk", key_headers(given)
    if given.dry_run and given.wait is not None:
        raise UsageError("a dry run sends nothing to --wait for")
    template = content_of(given, text_of(given.template), "--template TEXT (- for stdin)")
    window = _window(given)
    found = read_recipients(read_file(given.file, FILE_MAX_BYTES), str(given.file))
    body = present(
        {
            "template": template,
            "recipients": recipients_body(found, _wanted(template, found, given), keeps_empty=given.keep_empty),
            "name": given.batch_name,
            "window": window,
            "send_after": given.send_after,
            "expires_at": given.expires_at,
            "dry_run": given.dry_run or None,
        }
    )
    answer = _with_lines(invocation.client.post(path, body=body, headers=headers), found)
    taken = cast("_Taken", answer)
    invocation.output.show(answer, lambda: _drawn_taken(taken, str(given.file)))
    if not taken["accepted"]:
        return FAILED
    return _wait(invocation, taken["batch_id"])


def _wanted(template: "Mapping[str, Json]", found: Recipients, given: argparse.Namespace) -> Sequence[str]:
    """Return the variables that a template uses; each must be a column.

    Raises:
        UsageError: one is none, or the template cannot be read.
    """
    texts = [text for name in ("text", "caption", "fallback_text") if isinstance(text := template.get(name), str)]
    try:
        wanted = [name for text in texts for name in template_of(text, "--template").names]
    except InvalidInputError as error:
        raise UsageError(str(error)) from error
    missing = [name for name in dict.fromkeys(wanted) if name not in found.columns]
    if missing:
        names = ", ".join(found.columns)
        raise UsageError(f"{given.file} has no column {', '.join(missing)}, which the template uses; it has {names}")
    return wanted


def _window(given: argparse.Namespace) -> "Json":
    """Return the hours in which may be sent, as the API takes them; None: at any time.

    Raises:
        UsageError: a time zone or days go with no hours.
    """
    if given.window is None:
        if given.time_zone is not None or given.days is not None:
            raise UsageError("--time-zone and --days go with --window, as in --window 09:00-20:00")
        return None
    first, to = given.window
    days: list[Json] | None = None if given.days is None else list(given.days)
    return present({"from": first, "to": to, "time_zone": given.time_zone, "days": days})


def _hours(text: str) -> tuple[str, str]:
    first, dash, to = text.partition("-")
    if not (first and dash and to):
        raise argparse.ArgumentTypeError(f"{text!r} is not written as 09:00-20:00")
    return first.strip(), to.strip()


def _days(text: str) -> list[int]:
    """Return days of the week from `1-5` or `1,3,5`."""
    try:
        spans = [list(map(int, span.split("-"))) for span in text.split(",")]
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not written as 1-5 or 1,3,5 (1 is Monday)") from error
    days = [day for span in spans for day in range(span[0], span[-1] + 1)]
    if not days or any(not 1 <= day <= 7 for day in days) or any(len(span) > 2 for span in spans):
        raise argparse.ArgumentTypeError(f"{text!r} names other days than 1 (Monday) to 7")
    return sorted(set(days))


def _with_lines(answer: "Json", found: Recipients) -> "Json":
    """Return the answer with the line of the file where each rejected recipient stands."""
    document = cast("dict[str, Json]", answer)
    rejected = cast("list[dict[str, Json]]", document["rejected"])
    lines = [found.rows[cast("int", each["index"])].line for each in rejected]
    return {**document, "rejected": [{"line": line, **each} for line, each in zip(lines, rejected, strict=True)]}


def _drawn_taken(taken: _Taken, file: str) -> str:
    facts: dict[str, object] = {
        "batch": taken["batch_id"] or "none: a dry run",
        "accepted": f"{taken['accepted']:,}",
        "rejected": f"{len(taken['rejected']):,}",
        "first contacts": f"{taken['first_contacts']:,}",
        "finished at": f"{moment(taken['finish_at'])}" if taken["finish_at"] else None,
        "quota left": "no limit" if taken["quota_left"] is None else f"{taken['quota_left']:,}",
    }
    rejected = taken["rejected"]
    if not rejected:
        return record(facts)
    rows = [(each["line"], each["code"], each["detail"]) for each in rejected[:_REJECTIONS_SHOWN]]
    hidden = len(rejected) - len(rows)
    more = f"\nand {hidden:,} more: --json shows all" if hidden else ""
    return f"{record(facts)}\n\n{file}:\n{table(('LINE', 'REJECTED', 'WHY'), rows)}{more}"


def _wait(invocation: Invocation, batch_id: str | None) -> int | None:
    """Wait if that is asked for; return 1 unless all has left by then."""
    within_s: float | None = invocation.arguments.wait
    if within_s is None or batch_id is None:
        return None
    path = batch_path(batch_id)
    answer = wait_until(
        lambda: invocation.client.get(path),
        lambda answer: _is_over(_read(answer)),
        lambda answer: _progress(_read(answer)),
        within_s,
    )
    batch = _read(answer)
    if invocation.output.is_for_people:
        invocation.output.write(_progress(batch))
    if _is_over(batch) and not count_lost(batch["counts"]):
        return None
    lost_count = count_lost(batch["counts"])
    told = f"{lost_count:,} messages were not sent" if _is_over(batch) else "not all messages have ended"
    complain(f"{batch_id}: {told}: {counts_said(batch['counts'])}")
    return FAILED


def _is_over(batch: _Batch) -> bool:
    """Tell whether all has ended; the daemon says so some seconds after the last message."""
    return batch["state"] in _OVER or count_ended(batch["counts"]) >= batch["accepted"]


def _progress(batch: _Batch) -> str:
    """Return how far a batch is, in a line."""
    counts = batch["counts"]
    parts = [bar(count_ended(counts), batch["accepted"]), counts_said(counts)]
    if held := said_hold(batch["hold"]):
        parts.append(held)
    elif batch["estimated_at"]:
        parts.append(f"done at {moment(batch['estimated_at'])}")
    return "  ".join(filter(None, parts))


def _show(invocation: Invocation) -> int | None:
    path = batch_path(invocation.arguments.batch_id)
    answer = invocation.client.get(path)
    if invocation.arguments.wait is not None:
        code = _wait(invocation, invocation.arguments.batch_id)
        answer = invocation.client.get(path)
        if not invocation.output.is_for_people:
            _say(invocation, answer)
        return code
    _say(invocation, answer)
    return None


def _list(invocation: Invocation) -> None:
    path, limit = f"{invocation.session_path}/batches", invocation.arguments.limit
    found: list[Json] = []
    cursor = None
    while len(found) < limit:
        query: Query = {"limit": min(_PAGE, limit - len(found)), "cursor": cursor}
        page = cast("_Page", invocation.client.get(path, query))
        found += page["batches"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    document: Json = {"batches": found, "has_more": cursor is not None}
    invocation.output.show_list(
        document, lambda: _listed([_read(batch) for batch in found], has_more=cursor is not None)
    )


_COLUMNS = (
    Column("CREATED", 5, ColumnKind.TIME),
    Column("BATCH", 9, ColumnKind.ID),
    Column("NAME", 6),
    Column("STATE", 8, ColumnKind.STATUS),
    Column("ENDED", 7),
    Column("NOT SENT", 4, ColumnKind.COUNT),
    Column("DONE AT", 3, ColumnKind.TIME),
    Column("HELD", 2),
)


def _listed(batches: Sequence[_Batch], *, has_more: bool) -> Listing:
    rows = [
        (
            each["created_at"],
            each["batch_id"],
            each["name"],
            each["state"],
            f"{count_ended(each['counts']):,} of {each['accepted']:,}",
            count_lost(each["counts"]),
            each["estimated_at"],
            said_hold(each["hold"]),
        )
        for each in batches
    ]
    return Listing(_COLUMNS, rows, "no batches", "there are more: --limit N" if has_more else "")


def _pause(invocation: Invocation) -> None:
    _say(invocation, invocation.client.patch(batch_path(invocation.arguments.batch_id), {"state": "paused"}))


def _resume(invocation: Invocation) -> None:
    _say(invocation, invocation.client.patch(batch_path(invocation.arguments.batch_id), {"state": "active"}))


def _cancel(invocation: Invocation) -> None:
    path = batch_path(invocation.arguments.batch_id)
    _say(invocation, invocation.client.delete(path) or invocation.client.get(path))


def _say(invocation: Invocation, batch: "Json") -> None:
    invocation.output.show(batch, lambda: _drawn(_read(batch)))


def _drawn(batch: _Batch) -> str:
    """Return a batch, one fact a line."""
    facts: dict[str, object] = dict(batch)
    facts["counts"] = counts_said(batch["counts"])
    facts["rejected"] = counts_said(batch["rejected"])
    facts["hold"] = said_hold(batch["hold"])
    return f"{record(facts)}\n{bar(count_ended(batch['counts']), batch['accepted'])}"


def _read(batch: "Json") -> _Batch:
    return cast("_Batch", batch)


def _declare_create(parser: argparse.ArgumentParser) -> None:
    takes_session(parser)
    parser.add_argument(
        "file",
        metavar="FILE",
        type=Path,
        help="CSV; its first line names the columns: `to` (or the first), `reference`, variables; - is stdin",
    )
    parser.add_argument(
        "--template",
        metavar="TEXT",
        help="what each gets, with {{column}} filled in; with a file its caption; - is stdin",
    )
    takes_file(parser)
    parser.add_argument("--name", dest="batch_name", metavar="TEXT", help="your own name for the batch")
    parser.add_argument(
        "--keep-empty", action="store_true", help="fill in empty cells as they are (else their recipients are rejected)"
    )
    parser.add_argument("--window", metavar="HOURS", type=_hours, help="send only in these hours, as 09:00-20:00")
    parser.add_argument("--time-zone", metavar="ZONE", help="where these hours are, as Asia/Hong_Kong (UTC)")
    parser.add_argument("--days", metavar="DAYS", type=_days, help="on these days only, as 1-5 or 1,3,5 (1 is Monday)")
    takes_times(parser)
    parser.add_argument("--dry-run", action="store_true", help="tell what would be accepted and when it would be done")
    takes_wait_for_end(parser, "until all has ended (exit 1 unless all was sent)")


def _takes_batch(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("batch_id", metavar="BATCH", help="the batch")


def _declare_show(parser: argparse.ArgumentParser) -> None:
    _takes_batch(parser)
    takes_wait_for_end(parser, "until all has ended (exit 1 unless all was sent)")


def _declare_list(parser: argparse.ArgumentParser) -> None:
    takes_session(parser)
    parser.add_argument("--limit", metavar="N", type=positive_count, default=_LIMIT, help="the newest N (%(default)s)")


_VERBS = (
    Command("create", "send one text to all recipients of a file", _create, _declare_create),
    Command("list", "list the batches of a session", _list, _declare_list),
    Command("show", "show how far a batch is", _show, _declare_show),
    Command("pause", "send nothing more of it until it is resumed", _pause, _takes_batch),
    Command("resume", "go on with it", _resume, _takes_batch),
    Command("cancel", "cancel what of it still waits", _cancel, _takes_batch),
)


def _declare(parser: argparse.ArgumentParser) -> None:
    declare_all(_VERBS, parser, is_required=True)


COMMANDS = (Command("batch", "send one text to many, and see how far it is", _show, _declare),)
