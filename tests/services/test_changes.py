from openwa_manager.domain.delivery.events import Event, StoredEvent
from openwa_manager.services.changes import Changes, Topic


def stored(event_type: str) -> StoredEvent:
    return StoredEvent(seq=1, id="e", event=Event(type=event_type, occurred_at=0.0))


def test_all_who_subscribed_hear_of_a_change_in_their_order() -> None:
    topic, heard = Topic[int](), list[str]()
    topic.subscribe(lambda change: heard.append(f"first {change}"))
    topic.subscribe(lambda change: heard.append(f"second {change}"))

    topic.publish(7)

    assert heard == ["first 7", "second 7"]


def test_only_a_stored_status_is_a_change_of_status() -> None:
    changes, count = Changes(), list[None]()
    changes.status_changed.subscribe(count.append)

    changes.events_stored.publish([stored("session.qr")])
    before = len(count)
    changes.events_stored.publish([stored("session.qr"), stored("session.status")])

    assert (before, len(count)) == (0, 1)
