from openwa_manager.domain.delivery.user_webhooks import UserWebhook
from openwa_manager.domain.session.session import SessionId


def webhook(webhook_id: str | None, **record: str) -> UserWebhook:
    return UserWebhook(token="t", session_id=SessionId("a"), url="http://a", webhook_id=webhook_id, record=record)


def test_a_webhook_is_known_by_the_id_that_its_user_was_told() -> None:
    assert webhook("engine", id="ours").shown_id == "ours"
    assert webhook("engine").shown_id == "engine"
    assert webhook(None).shown_id is None
