"""Wall time is for people; what is decided by it, and why that is safe, is listed here.

The wall clock may be set at any moment, by an administrator, by NTP, by a host that wakes up. Two moments of it may
then lie on either side, and the difference between them means nothing. So durations are measured on the boot clock.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.source import FILES, PACKAGE, ROOT, functions, name_of, tree_of

_ORDERED = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)

#: Who measures by the wall clock nevertheless, and why a step of it does no harm there.
BY_WALL_CLOCK = {
    "cli/selftest/checks/host.py: _ahead_of_boot_time_s": "a figure for people: how far the clocks are apart",
    "cli/doctor/clock_checks.py: ahead_of_backend_s": "the wall clock is what is measured",
    "domain/access/keys.py: holds_previous": "people agree on a moment",
    "domain/access/keys.py: is_usable": "people agree on a moment",
    "domain/access/keys.py: outlasts": "compares two dates that were told",
    "domain/delivery/delivery.py: _poison": "outlives the daemon; it needs five refusals as well",
    "domain/delivery/delivery.py: is_signed_twice": "people agree on a day",
    "domain/delivery/streams.py: _schedule": "outlives the daemon; capped by the longest pause there is",
    "domain/diagnosis/session_rules.py: _of_start": "a figure for people",
    "domain/messaging/opt_out.py: counted": "a step back forgets nothing, one forward a few seconds' worth",
    "domain/messaging/pacing.py: day_number": "people agree on days",
    "domain/messaging/retries.py: after_uncertain": "outlives the daemon; the engine forgets by its wall clock too",
    "domain/messaging/sightings.py: ack_due_at": "outlives the daemon; the engine is asked a little early or late",
    "domain/messaging/windows.py: _next_span": "people agree on hours",
    "domain/messaging/windows.py: can_open": "people agree on hours",
    "domain/messaging/windows.py: opens_at": "people agree on hours",
    "domain/session/deadlines.py: _timers": "outlives the daemon; capped by the longest pause there is",
    "domain/session/deadlines.py: _timers_of_pairing": "outlives the daemon; capped by the window",
    "domain/session/link.py: qr_produced": "both times are of this very moment",
    "domain/session/restart.py: after_crash": "outlives the daemon; crashes dated later than now do not count",
    "domain/session/session.py: left_s": "codes of 0.2 or before only; capped by the life of a code",
    "domain/session/session.py: life_s": "both times were told by one reading",
    "domain/zones.py: local_time": "people agree on days",
    "domain/zones.py: next_day_at": "people agree on days",
    "engines/posting/missed_posts.py: _missed": "a line for people: the engine's times are all that is known",
    "domain/session/coming.py: kill_time": "a time shown to people; the end itself is timed on the boot clock",
    "engines/openwa.py: note_code": "an age measured on the boot clock, told as wall time",
    "api/pairing/pages.py: press": "both times are the link's own",
    "services/access/pairing/links.py: load": "outlives the daemon; capped by the link's whole time",
    "store/access/pairing_links.py: add_link": "days",
    "store/access/audit.py: _plausible": "a date for people: whether it is one at all",
    "services/access/keys.py: _change": "people agree on a moment",
    "services/access/key_upkeep.py: _find_over": "people agree on a moment",
    "services/access/key_upkeep.py: _next_look_boot_s": "people agree on a moment; looked at again every few seconds",
    "services/access/keys.py: _require_to_come": "people agree on a moment",
    "metrics/tallies.py: _note_link": "a figure for people; a step back counts as no time",
    "metrics/tallies.py: _note_start": "a figure for people; a step back counts as no time",
    "services/delivery/attempts.py: _note_delivered": "a figure for people; a step back counts as no time",
    "services/monitoring/metrics_collector.py: _read_outstanding": "a figure for people; it outlives the daemon",
    "services/sessions/supervisor.py: coming": "a boot time told as wall time, for people",
    "services/delivery/attempts.py: _conclude": "both times are of this very moment, or a figure for people",
    "services/diagnosis/gathering.py: of_session": "people are told of about an hour",
    "services/diagnosis/gathering.py: _of_batches": "people are told of about an hour",
    "services/messaging/control/first_contacts.py: require": "people agree on days",
    "services/messaging/acceptance/forecasting.py: empty_at": "a figure for people",
    "services/messaging/control/views.py: _empty_at": "a figure for people",
    "services/messaging/outlook.py: _after_holds": "a figure for people",
    "services/messaging/sending/choosing.py: boot_s_of": "both times are of this very moment",
    "services/messaging/sending/attempts.py: _note_limit": "both are times of WhatsApp's words",
    "services/messaging/sending/attempts.py: begin": "a figure for people",
    "services/messaging/sending/clock_guard.py: __init__": "compares both clocks: that is how it sees that one was set",
    "services/messaging/sending/choosing.py: _opening": "people agree on hours",
    "services/messaging/sending/clock_guard.py: odd": "compares both clocks: that is how it sees that one was set",
    "services/messaging/sending/expiry.py: settle_due": "outlives the daemon; does nothing once the clock was set",
    "services/messaging/sending/link_watch.py: _change": "outlives the daemon; a batch too many waits for a person",
    "services/messaging/sending/obstacles.py: facts": "an engine says a date, which outlives the daemon",
    "services/messaging/sending/queue.py: _ask": "outlives the daemon; the engine forgets by its wall clock too",
    "services/messaging/sending/queue.py: estimate_at": "a figure for people",
    "services/messaging/sending/queue.py: free": "outlives the daemon; a gap is a minute at most",
    "services/messaging/sending/queue.py: _refusal": "a figure for callers",
    "services/messaging/sending/queue.py: _resumed": "outlives the daemon; a gap is a minute at most",
    "services/messaging/acceptance/bulk.py: _finish_at": "the later of two dates that are told",
    "services/messaging/acceptance/bulk.py: _with_end": "the later of two dates that are told",
    "services/messaging/acceptance/bulk.py: look": "days",
    "services/messaging/acceptance/preparing.py: _timing": "the later of two dates that are told",
    "services/messaging/acceptance/rules.py: timing_of": "callers say dates",
    "services/messaging/acceptance/singles.py: _known": "days",
    "services/messaging/evidence.py: _ask": "outlives the daemon; the engine is asked a little early or late",
    "services/monitoring/host_monitor.py: _loss_of": "clamped by what has passed on the boot clock since the last look",
    "processes/reading/occupants.py: _age_s": "a figure for people",
    "services/starting/directory_check.py: look_ahead": "saves time only: the launch looks itself when this came late",
    "store/backup/epochs.py: begin_epoch": "numbers only rise: the last one given out counts too",
    "store/backup/epochs.py: last_number_before": "numbers only rise: the last one given out counts too",
    "store/delivery/retention.py: forget_dead": "days",
    "store/delivery/retention.py: forget_settled": "days",
    "store/messaging/people/checks.py: find_check": "days",
    "store/messaging/people/checks.py: forget_old": "days",
    "store/messaging/upkeep/retention.py: forget_old": "days",
    "store/access/audit.py: forget_old": "days",
    "store/messaging/proofs/acks.py: _is_awaited": "a step tells some words a little sooner or later",
    "store/ids.py: new_id": "an id needs no order",
    "watcher/qr.py: _age_s": "believed only where the boot clock agrees",
    "watcher/qr.py: _note": "an age measured on the boot clock, told as wall time",
    "webhooks/sender.py: _retry_after_s": "what a header says; capped",
    "services/upkeep/store_upkeep.py: _next_copy": "a name only; the names rise",
    "store/messaging/holding.py: restrict": "WhatsApp tells until when",
}
#: A lane that is played: its moments are to come, none was read from a clock.
FORECAST = {
    f"domain/messaging/forecast.py: {each}"
    for each in (
        *("finish_times", "opens_at", "send_known", "send_first"),
        *("_begin_day", "_go_on_first", "_send_known", "_send_first", "_starts_before"),
    )
}
#: A counter, a place in an image, or a time of the boot clock: no wall time.
NO_TIMES = (
    *("domain/delivery/delivery.py: after", "domain/delivery/endpoint_queue.py: health"),
    *("domain/delivery/endpoint_queue.py: _next_probe", "domain/delivery/endpoint_queue.py: next_heartbeat"),
    "domain/session/png.py: is_whole_png",
)


def is_wall_time(node: ast.expr) -> bool:
    """Tell whether a value is a moment of the wall clock, going by its name."""
    name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
    return name in ("at", "now_at") or name.endswith("_at") or name == "st_mtime"


def measures(node: ast.AST) -> bool:
    """Tell whether moments of the wall clock are subtracted, ordered, or the newest of them is taken."""
    match node:
        case ast.Compare(left=left, ops=ops, comparators=others):
            return any(isinstance(op, _ORDERED) for op in ops) and any(map(holds_wall_time, (left, *others)))
        case ast.BinOp(left=left, op=ast.Sub(), right=right):
            return holds_wall_time(left) or holds_wall_time(right)
        case ast.Call(func=ast.Name(id="min" | "max"), args=arguments):
            return any(map(holds_wall_time, arguments))
        case _:
            return False


def holds_wall_time(node: ast.AST) -> bool:
    """Tell whether a moment of the wall clock is in there; what a method is given is its own affair."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return holds_wall_time(node.func.value)
    if isinstance(node, ast.expr) and is_wall_time(node):
        return True
    return any(map(holds_wall_time, ast.iter_child_nodes(node)))


def measuring_functions(path: Path) -> Iterator[str]:
    for owner in functions(path):
        if any(map(measures, ast.walk(owner))):
            yield f"{name_of(path).removeprefix('openwa_manager/')}: {owner.name}"


def test_nothing_is_decided_by_the_wall_clock_without_a_reason() -> None:
    found = {each for path in PACKAGE for each in measuring_functions(path) if not each.startswith("simulator/")}

    assert found == {*BY_WALL_CLOCK, *FORECAST, *NO_TIMES}


_MEASURED = re.compile(r"process_time|perf_counter|time\.monotonic|\b(?:took|elapsed)_m?s\b")
#: A test may say that something does not wait for what takes a minute; what is less is the speed of a machine.
_HANGS_S = 5


def absolute_times(tree: ast.AST) -> Iterator[str]:
    """Yield the assertions that a measured time is below so many seconds."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Assert):
            continue
        for compared in (each for each in ast.walk(node.test) if isinstance(each, ast.Compare)):
            sides = [compared.left, *compared.comparators]
            for one, sign, other in zip(sides, compared.ops, sides[1:], strict=False):
                small, large = (one, other) if isinstance(sign, ast.Lt | ast.LtE) else (other, one)
                is_short = (
                    isinstance(large, ast.Constant) and isinstance(large.value, int | float) and large.value < _HANGS_S
                )
                if is_short and _MEASURED.search(ast.unparse(small)):
                    yield ast.unparse(node)


def test_no_test_asserts_how_fast_a_machine_is() -> None:
    """Machines are shared and slow at times; `tests/run/growth.py` compares costs, `make bench` measures them."""
    tests = [path for path in FILES if path.is_relative_to(ROOT / "tests")]

    assert {name_of(path): found for path in tests if (found := list(absolute_times(tree_of(path))))} == {}
    assert list(absolute_times(ast.parse("assert time.monotonic() - began_s < 0.5\nassert 3 >= took_s"))) != []
    assert list(absolute_times(ast.parse("assert 0.4 <= elapsed_s < 9"))) == []
