import sqlite3
from dataclasses import replace

from openwa_manager.domain.delivery.delivery import DEFAULT_ENDPOINT, Endpoint
from openwa_manager.domain.delivery.events import EndpointId, Event
from openwa_manager.store.delivery.deliveries import count_pending
from openwa_manager.store.delivery.endpoints import (
    DefaultEndpoint,
    configure_default,
    disable_endpoint,
    drop_unwanted,
    forget_deliveries,
    load_endpoint,
    load_endpoints,
    new_endpoint_id,
    remove_endpoint,
    rotate_secret,
    save_endpoint,
)
from openwa_manager.store.delivery.outbox import append

ONE = "one"
ENDPOINT = Endpoint(
    endpoint_id=EndpointId("ep_1"),
    url="https://example.org/hook",
    secret="whsec_b25l",
    previous_secret="older",
    rotated_at=5.0,
    events=("session.*", "message.received"),
    sessions=("user_1_*",),
    is_active=False,
    disabled_reason="gone",
    created_at=1.0,
    updated_at=2.0,
)


def configure(connection: sqlite3.Connection, url: str | None, secret: str | None = ONE, at: float = 10.0) -> None:
    configure_default(connection, DefaultEndpoint(url=url, secret=secret), fallback_secret="made up", at=at)


def default(connection: sqlite3.Connection) -> Endpoint:
    endpoint = load_endpoint(connection, DEFAULT_ENDPOINT)
    assert endpoint is not None
    return endpoint


def test_every_field_of_an_endpoint_comes_back(connection: sqlite3.Connection) -> None:
    other = Endpoint(endpoint_id=new_endpoint_id(3.0), url="http://x", secret="s", created_at=3.0, updated_at=3.0)
    save_endpoint(connection, other)
    save_endpoint(connection, ENDPOINT)

    assert load_endpoints(connection) == [ENDPOINT, other]
    assert other.endpoint_id.startswith("ep_")


def test_a_changed_endpoint_keeps_when_it_was_made(connection: sqlite3.Connection) -> None:
    save_endpoint(connection, ENDPOINT)
    changed = replace(ENDPOINT, url="https://example.org/other", is_active=True, disabled_reason=None, updated_at=9.0)

    save_endpoint(connection, changed)

    assert load_endpoint(connection, ENDPOINT.endpoint_id) == changed


def test_an_endpoint_can_be_disabled_and_removed(connection: sqlite3.Connection) -> None:
    save_endpoint(connection, replace(ENDPOINT, is_active=True, disabled_reason=None))

    disable_endpoint(connection, ENDPOINT.endpoint_id, "gone", at=7.0)

    assert load_endpoint(connection, ENDPOINT.endpoint_id) == replace(ENDPOINT, updated_at=7.0)
    assert remove_endpoint(connection, ENDPOINT.endpoint_id)
    assert not remove_endpoint(connection, ENDPOINT.endpoint_id)
    assert load_endpoint(connection, ENDPOINT.endpoint_id) is None


def test_deliveries_are_forgotten_a_part_at_a_time_and_those_of_others_stay(connection: sqlite3.Connection) -> None:
    one = replace(ENDPOINT, is_active=True, events=("*",), sessions=("*",))
    save_endpoint(connection, one)
    save_endpoint(connection, replace(one, endpoint_id=EndpointId("ep_2")))
    stored = append(connection, [Event(type="session.status", occurred_at=1.0)] * 2500)

    behind = forget_deliveries(connection, one.endpoint_id)
    half = count_pending(connection)
    end = forget_deliveries(connection, one.endpoint_id, behind or 0)

    assert behind == stored[1999].seq
    assert half == {"ep_1": 500, "ep_2": 2500}
    assert count_pending(connection) == {"ep_2": 2500}
    assert (end, forget_deliveries(connection, one.endpoint_id, end or 0)) == (stored[-1].seq, None)


def test_a_rotated_secret_keeps_the_one_before(connection: sqlite3.Connection) -> None:
    save_endpoint(connection, ENDPOINT)

    rotated = rotate_secret(connection, ENDPOINT, "new", at=8.0)

    assert rotated == replace(ENDPOINT, secret="new", previous_secret="whsec_b25l", rotated_at=8.0, updated_at=8.0)
    assert load_endpoint(connection, ENDPOINT.endpoint_id) == rotated


def test_the_settings_make_the_default_endpoint(connection: sqlite3.Connection) -> None:
    configure(connection, "http://127.0.0.1/hook")

    assert default(connection).url == "http://127.0.0.1/hook"
    assert default(connection).secret == "one"
    assert default(connection).is_active


def test_settings_that_did_not_change_change_nothing(connection: sqlite3.Connection) -> None:
    configure(connection, "http://x", at=10.0)
    disable_endpoint(connection, DEFAULT_ENDPOINT, "gone", at=11.0)
    before = default(connection)

    configure(connection, "http://x", at=12.0)

    assert default(connection) == before


def test_a_secret_the_settings_leave_out_is_made_once(connection: sqlite3.Connection) -> None:
    configure(connection, "http://x", secret=None)
    configure_default(connection, DefaultEndpoint(url="http://y"), fallback_secret="another", at=12.0)

    assert default(connection).secret == "made up"
    assert default(connection).url == "http://y"


def test_a_new_url_is_a_new_beginning(connection: sqlite3.Connection) -> None:
    configure(connection, "http://x")
    disable_endpoint(connection, DEFAULT_ENDPOINT, "gone", at=11.0)

    configure(connection, "http://y", at=12.0)

    assert default(connection).is_active
    assert default(connection).disabled_reason is None


def test_a_new_secret_of_the_settings_signs_alone(connection: sqlite3.Connection) -> None:
    configure(connection, "http://x")
    rotate_secret(connection, default(connection), "two", at=11.0)

    configure(connection, "http://x", secret="three", at=12.0)

    assert (default(connection).secret, default(connection).previous_secret) == ("three", None)


def test_settings_without_a_url_pause_the_default_endpoint_until_they_name_one(connection: sqlite3.Connection) -> None:
    configure(connection, None)
    assert load_endpoints(connection) == []
    configure(connection, "http://x")

    configure(connection, None)
    configure(connection, None)
    assert default(connection).disabled_reason == "not_in_settings"

    configure(connection, "http://x")
    assert default(connection).is_active


def test_what_waits_and_is_unwanted_is_found_in_the_order_of_the_table(connection: sqlite3.Connection) -> None:
    statements = list[str]()
    save_endpoint(connection, replace(ENDPOINT, is_active=True, events=("*",), sessions=("*",)))
    append(connection, [Event(type="session.stopped", occurred_at=1.0, data={})])
    connection.set_trace_callback(statements.append)

    drop_unwanted(connection, replace(ENDPOINT, events=("message.received",)))

    connection.set_trace_callback(None)
    plans = [
        str(row[3])
        for statement in statements
        if statement.lstrip().startswith("SELECT")
        for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}")
    ]
    by_the_table = "SEARCH delivery USING PRIMARY KEY (event_seq>? AND event_seq<?)"
    assert any(plan.startswith(by_the_table) for plan in plans), plans
    assert not any(plan.startswith("SCAN") for plan in plans), plans
    assert count_pending(connection) == {}


def asking_for(*events: str) -> DefaultEndpoint:
    return DefaultEndpoint(url="http://x", secret=ONE, events=events or None)


def test_the_settings_say_which_events_their_endpoint_asks_for(connection: sqlite3.Connection) -> None:
    configure_default(connection, asking_for("session.*"), fallback_secret="", at=1.0)
    first = default(connection).events

    configure_default(connection, asking_for("session.connected", "message.*"), fallback_secret="", at=2.0)
    then = default(connection).events
    configure_default(connection, asking_for(), fallback_secret="", at=3.0)

    assert first == ("session.*",)
    assert then == ("session.connected", "message.*")
    assert default(connection).events == then


def test_what_waits_and_is_not_asked_for_any_more_is_dropped(connection: sqlite3.Connection) -> None:
    configure(connection, "http://x")
    types = ("session.connected", "session.status", "message.sent")
    append(connection, [Event(type=each, occurred_at=1.0) for each in types])

    configure_default(connection, asking_for("session.connected", "message.*"), fallback_secret="", at=2.0)

    waiting = "SELECT type FROM delivery JOIN event ON event.seq = event_seq ORDER BY event_seq"
    assert [row[0] for row in connection.execute(waiting)] == ["session.connected", "message.sent"]
