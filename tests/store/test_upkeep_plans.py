"""What the housekeeping removes in a slice is found without reading a table from its beginning."""

import sqlite3
from collections.abc import Callable
from functools import partial

import pytest

from openwa_manager.domain.messaging.policy import MessageRetention
from openwa_manager.store.access import audit
from openwa_manager.store.delivery.backlog import drop_passing
from openwa_manager.store.delivery.retention import Retention, forget_dead, forget_settled
from openwa_manager.store.messaging.idempotency import forget_keys
from openwa_manager.store.messaging.people import checks
from openwa_manager.store.messaging.upkeep.retention import forget_old
from openwa_manager.store.sessions import engine_events

FORGETTING: dict[str, Callable[[sqlite3.Connection], object]] = {
    "repeats": partial(engine_events.forget_old, now=1.0),
    "dead": partial(forget_dead, at=1.0, retention=Retention()),
    "settled": partial(forget_settled, at=1.0, retention=Retention()),
    "messages": partial(forget_old, at=1.0, retention=MessageRetention()),
    "checks": partial(checks.forget_old, at=1.0),
    "keys": partial(forget_keys, now=1.0),
    "passing": drop_passing,
    "audit": partial(audit.forget_old, before_at=1.0, now=1.0),
}
#: Few rows: of batches there are as many as callers made, of early acknowledgements as many as an hour brings.
_SMALL = ("SCAN batch", "SCAN early_ack", "SCAN json_each", "SCAN value", "SCAN session_backlog", "SCAN endpoint")
_PASSING = """SCAN delivery USING INDEX delivery_passing in DELETE FROM delivery WHERE (event_seq, endpoint_id) IN ( \
SELECT event_seq, endpoint_id FROM delivery WHERE state = 'pending' AND class = 'passing' ORDER BY event_seq LIMIT"""
#: These end after a slice: they are read in their own order, and every row is one that is looked for.
_IN_ORDER = (
    "SCAN audit in SELECT seq, at, hash FROM audit ORDER BY seq LIMIT",
    _PASSING,
)


@pytest.mark.parametrize("name", FORGETTING)
def test_only_a_slice_is_read(connection: sqlite3.Connection, name: str) -> None:
    statements = list[str]()
    connection.set_trace_callback(statements.append)
    FORGETTING[name](connection)
    connection.set_trace_callback(None)

    plan = [
        f"{row[3]} in {' '.join(statement.split())}"
        for statement in statements
        if statement.lstrip().startswith(("SELECT", "UPDATE", "DELETE"))
        for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}")
    ]

    assert plan
    scans = [step for step in plan if step.startswith("SCAN ") and not step.startswith((*_SMALL, *_IN_ORDER))]
    assert scans == []
