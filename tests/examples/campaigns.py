"""Campaigns in the Laravel example: how tests write them down, and what the app says of them."""

from collections.abc import Sequence

from openwa_manager.domain.delivery.events import Json
from tests.examples.laravel_site import Site


def recipients(endings: Sequence[str]) -> list[dict[str, Json]]:
    """Return people whose numbers end so, each with a number of their own."""
    return [
        {"to": f"+852{6000 + place}{ending}" if ending.isdecimal() else ending, "variables": {"name": f"No. {place}"}}
        for place, ending in enumerate(endings)
    ]


def start(site: Site, session_id: str, people: Sequence[Json], **more: Json) -> int:
    """Write a campaign down, as a user does, and return its number."""
    body = {"session_id": session_id, "name": "Autumn", "text": "Hello {{name}}", "recipients": [*people], **more}
    body = {name: value for name, value in body.items() if value is not None}
    reply = site.ask_app("POST", "/openwa/campaigns", body)
    assert reply.status == 202, reply.body
    number = reply.body["id"]
    assert isinstance(number, int)
    return number


def statuses(site: Site) -> dict[str, str]:
    """Return what the app's table says, by the recipient."""
    return {str(to): str(status) for to, status in site.rows('SELECT "to", status FROM openwa_campaign_messages')}
