"""Every call of OpenWA's SDK, in an order that a session lives through: what is asked, and what is kept for later."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from openwa_manager.domain.delivery.events import Json

NAME = "acme"
CHAT = "628123456789@c.us"
OTHER = "628123456788@c.us"
GROUP = "120363021234567890@g.us"
CHANNEL = "120363021234567890@newsletter"
NOBODY = "00000000-0000-4000-8000-000000000000"
#: A PNG of one pixel.
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
IMAGE: Mapping[str, Json] = {"base64": PIXEL, "mimetype": "image/png"}


@dataclass
class Memory:
    """What earlier answers told: ids, and where a webhook may post."""

    hook_url: str
    ids: dict[str, str] = field(default_factory=dict)

    def __getitem__(self, name: str) -> str:
        return self.ids.get(name, NOBODY)  # of a call that this OpenWA has not

    @property
    def session(self) -> str:
        """Return the id of the session, as its creation told it."""
        return self.ids["session"]


Arguments = Callable[[Memory], tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Step:
    """One call, or something that happens between two.

    `when` tells two calls of the same method apart. `keep` is under which name the answer's `field` is kept.
    """

    call: str
    arguments: Arguments = lambda memory: (memory.session,)
    when: str = ""
    keep: tuple[str, str] | None = None
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Return the call, and when it is made."""
        return f"{self.call} ({self.when})" if self.when else self.call


@dataclass(frozen=True, slots=True)
class Phone:
    """The phone scans, or the session, or a batch of it, is waited for."""

    until: str
    scan: bool = False
    batch: str = ""


def nothing(_: Memory) -> tuple[Any, ...]:
    return ()


def with_session(*values: object) -> Arguments:
    """Return arguments of which the first is the session; a callable is asked for its value."""
    return lambda memory: (memory.session, *(value(memory) if callable(value) else value for value in values))


def kept(name: str) -> Callable[[Memory], str]:
    return lambda memory: memory[name]


def about_message(**more: Json) -> Arguments:
    return lambda memory: (memory.session, {"chatId": CHAT, "messageId": memory["message"], **more})


_HELLO: Mapping[str, Json] = {"chatId": CHAT, "text": "Hello"}
_MEDIA: Mapping[str, Json] = {"chatId": CHAT, **IMAGE}

BEFORE_ITS_START: tuple[Step | Phone, ...] = (
    Step("health.check", nothing),
    Step("health.live", nothing),
    Step("health.ready", nothing),
    Step("auth", nothing),
    Step("sessions.list", nothing, when="none is there"),
    Step("sessions.stats", nothing, when="none is there"),
    Step("sessions.get", lambda _: (NOBODY,), when="of nobody"),
    Step("sessions.start", lambda _: (NOBODY,), when="of nobody"),
    Step("messages.send_text", lambda _: (NOBODY, _HELLO), when="of nobody"),
    Step("webhooks.list", lambda _: (NOBODY,), when="of nobody"),
    Step("sessions.create", lambda _: ({"name": "not a name!"},), when="with a bad name"),
    Step("sessions.create", lambda _: ({"name": NAME},), keep=("session", "id")),
    Step("sessions.create", lambda _: ({"name": NAME},), when="once more"),
    Step("sessions.list", nothing),
    Step("sessions.list", lambda _: ({"limit": 1, "offset": 1},), when="beyond the last"),
    Step("sessions.get"),
    Step("sessions.stats", nothing),
    Step("sessions.get_config"),
    Step("sessions.update_config", with_session({"maxReconnectAttempts": 5})),
    Step("sessions.get_proxy"),
    Step("sessions.update_proxy", with_session({"proxyUrl": None})),
    Step("sessions.get_qr_code", when="before the start"),
    Step("sessions.request_pairing_code", with_session({"phoneNumber": "628123456789"}), when="before the start"),
    Step("sessions.stop", when="before the start"),
    Step("sessions.logout", when="before the start"),
    Step("sessions.force_kill", when="before the start"),
    Step("messages.send_text", with_session(_HELLO), when="before the start"),
    Step("messages.list", when="before the start"),
    Step("chats.list", when="before the start"),
    Step("webhooks.create", lambda m: (m.session, {"url": m.hook_url, "events": ["*"]}), keep=("hook", "id")),
    Step("webhooks.create", with_session({"url": "http://127.0.0.1:1/", "events": ["no.event"]}), when="of no event"),
    Step("webhooks.list"),
    Step("webhooks.get", with_session(kept("hook"))),
    Step("webhooks.update", with_session(kept("hook"), {"retryCount": 2})),
    Step("webhooks.list_all", nothing),
    Step("webhooks.get", with_session(NOBODY), when="of nobody"),
    Step("webhooks.delivery_failures", nothing),
    Step("webhooks.redrive_delivery_failures", nothing),
    Step("templates.list", when="before the start"),
    Step("templates.create", with_session({"name": "hi", "body": "Hello {{name}}"}), when="before the start"),
)

_GROUPS: tuple[Step | Phone, ...] = (
    Step("groups.list"),
    Step("groups.create", with_session({"name": "Friends", "participants": [CHAT]})),
    Step("groups.get", with_session(GROUP)),
    Step("groups.add_participants", with_session(GROUP, [CHAT])),
    Step("groups.remove_participants", with_session(GROUP, [CHAT])),
    Step("groups.promote_participants", with_session(GROUP, [CHAT])),
    Step("groups.demote_participants", with_session(GROUP, [CHAT])),
    Step("groups.set_subject", with_session(GROUP, "Old friends")),
    Step("groups.set_description", with_session(GROUP, "of mine")),
    Step("groups.get_picture", with_session(GROUP)),
    Step("groups.set_picture", with_session(GROUP, IMAGE)),
    Step("groups.delete_picture", with_session(GROUP)),
    Step("groups.invite_code", with_session(GROUP)),
    Step("groups.revoke_invite_code", with_session(GROUP)),
    Step("groups.join_info", with_session("AbCdEfGhIjKlMnOpQrStUv")),
    Step("groups.join_group", with_session({"inviteCode": "AbCdEfGhIjKlMnOpQrStUv"})),
    Step("groups.get_group_settings", with_session(GROUP)),
    Step("groups.update_group_settings", with_session(GROUP, {"announce": True})),
    Step("groups.get_membership_requests", with_session(GROUP)),
    Step("groups.approve_membership_requests", with_session(GROUP, [CHAT])),
    Step("groups.reject_membership_requests", with_session(GROUP, [CHAT])),
    Step("groups.leave", with_session(GROUP)),
)

_CHATS: tuple[Step | Phone, ...] = (
    Step("chats.list"),
    Step("chats.subscribe_presence", with_session({"chatId": CHAT})),
    Step("chats.get_presence", with_session(CHAT)),
    Step("chats.mark_read", with_session({"chatId": CHAT})),
    Step("chats.mark_unread", with_session({"chatId": CHAT})),
    Step("chats.archive", with_session({"chatId": CHAT, "archive": True})),
    Step("chats.pin", with_session({"chatId": CHAT, "pin": True})),
    Step("chats.mute", with_session({"chatId": CHAT, "muteUntil": None})),
    Step("chats.send_state", with_session({"chatId": CHAT, "state": "typing"})),
    Step("chats.clear_messages", with_session(CHAT)),
    Step("chats.delete", with_session({"chatId": CHAT})),
    Step("contacts.list"),
    Step("contacts.get", with_session(CHAT)),
    Step("contacts.check", with_session("628123456789")),
    Step("contacts.profile_picture", with_session(CHAT)),
    Step("contacts.profile_pictures", with_session([CHAT])),
    Step("contacts.phone", with_session(CHAT)),
    Step("contacts.upsert", with_session(CHAT, {"firstName": "Ann"})),
    Step("contacts.block", with_session(CHAT)),
    Step("contacts.list_blocked"),
    Step("contacts.unblock", with_session(CHAT)),
    Step("contacts.delete", with_session(CHAT)),
    Step("labels.list"),
    Step("labels.get", with_session("1")),
    Step("labels.chats", with_session("1")),
    Step("labels.upsert", with_session("1", {"name": "New", "color": 1})),
    Step("labels.for_chat", with_session(CHAT)),
    Step("labels.add_to_chat", with_session(CHAT, {"labelId": "1"})),
    Step("labels.remove_from_chat", with_session(CHAT, "1")),
    Step("labels.delete", with_session("1")),
    Step("channels.list"),
    Step("channels.get", with_session(CHANNEL)),
    Step("channels.messages", with_session(CHANNEL)),
    Step("channels.create", with_session({"name": "News"})),
    Step("channels.mute", with_session(CHANNEL, {"mute": True})),
    Step("channels.subscribe", with_session({"inviteCode": "AbCdEfGh"})),
    Step("channels.unsubscribe", with_session(CHANNEL)),
    Step("channels.demote_admin", with_session(CHANNEL, {"userId": CHAT})),
    Step("channels.transfer_ownership", with_session(CHANNEL, {"newOwnerId": CHAT})),
    Step("channels.delete", with_session(CHANNEL)),
    Step("status.list"),
    Step("status.from_contact", with_session(CHAT)),
    Step("status.media", with_session("3EB0123456789ABCDEF012")),
    Step("status.send_text", with_session({"text": "Open", "recipients": [CHAT]})),
    Step("status.send_image", with_session({"image": IMAGE, "recipients": [CHAT]})),
    Step("status.send_video", with_session({"video": {**IMAGE, "mimetype": "video/mp4"}, "recipients": [CHAT]})),
    Step("status.send_voice", with_session({"audio": {**IMAGE, "mimetype": "audio/ogg"}, "recipients": [CHAT]})),
    Step("status.delete", with_session("3EB0123456789ABCDEF012")),
    Step("profile.set_profile_name", with_session({"name": "Ann"})),
    Step("profile.set_profile_status", with_session({"status": "here"})),
    Step("profile.set_profile_picture", with_session(IMAGE)),
    Step("profile.delete_profile_picture"),
    Step("calls.create_link", with_session({"type": "audio", "startTime": 1_800_000_000_000})),
    Step("calls.reject_call", with_session("call-1")),
    Step("catalog.info"),
    Step("catalog.products"),
    Step("catalog.product", with_session("1")),
    Step("catalog.send_product", with_session({"chatId": CHAT, "productId": "1"})),
    Step("media.conversion_status"),
    Step("media.convert_voice", options={"base64": PIXEL}),
    Step("media.convert_video", options={"base64": PIXEL}),
    Step("search.search", lambda _: ({"q": "Hello"},), when="over all sessions"),
    Step("search.search", lambda memory: ({"q": "Hello", "sessionId": memory.session},)),
)

_MESSAGES: tuple[Step | Phone, ...] = (
    Step("messages.send_text", with_session(_HELLO), keep=("message", "messageId")),
    Step("messages.send_text", with_session(_HELLO), when="with a key", options={"idempotency_key": "order-17"}),
    Step(
        "messages.send_text", with_session(_HELLO), when="with the key again", options={"idempotency_key": "order-17"}
    ),
    Step("messages.send_text", with_session({**_HELLO, "colour": "red"}), when="with an unknown field"),
    Step("messages.send_text", with_session({"chatId": CHAT}), when="without a text"),
    Step("messages.send_text", with_session({"to": "628123456789", "text": "Hello"}), when="with an older body"),
    Step("messages.send_image", with_session(_MEDIA)),
    Step("messages.send_video", with_session({**_MEDIA, "mimetype": "video/mp4"})),
    Step("messages.send_audio", with_session({**_MEDIA, "mimetype": "audio/mpeg"})),
    Step("messages.send_document", with_session({**_MEDIA, "filename": "a.png"})),
    Step("messages.send_sticker", with_session({**_MEDIA, "mimetype": "image/webp"})),
    Step("messages.send_location", with_session({"chatId": CHAT, "latitude": 22.3, "longitude": 114.2})),
    Step(
        "messages.send_contact", with_session({"chatId": CHAT, "contactName": "Ann", "contactNumber": "628123456788"})
    ),
    Step("messages.send_template", with_session({"chatId": CHAT, "templateName": "hello", "vars": {"name": "Ann"}})),
    Step("messages.send_poll", with_session({"chatId": CHAT, "name": "Tea?", "options": ["Yes", "No"]})),
    Step(
        "messages.reply",
        lambda m: (m.session, {"chatId": CHAT, "quotedMessageId": m["message"], "text": "Hello again"}),
    ),
    Step(
        "messages.forward",
        lambda m: (m.session, {"fromChatId": CHAT, "toChatId": OTHER, "messageId": m["message"]}),
    ),
    Step("messages.list"),
    Step("messages.history", with_session(CHAT)),
    # Behind the list: a bare OpenWA has a row of what it refused, here it is refused before.
    Step("messages.send_image", with_session({"chatId": CHAT, "url": "http://169.254.1.1/a.png"}), when="from inside"),
    Step("messages.reactions", with_session(CHAT, kept("message"))),
    Step("messages.media", with_session(CHAT, kept("message"))),
    Step("messages.react", about_message(emoji="👍")),
    Step("messages.edit_message", about_message(body="Hello!")),
    Step("messages.star", about_message(star=True)),
    Step("messages.pin", about_message()),
    Step("messages.unpin", about_message()),
    Step("messages.click_button", about_message(buttonId="1")),
    Step(
        "messages.vote_poll",
        lambda m: (m.session, {"chatId": CHAT, "pollMessageId": m["message"], "options": ["Yes"]}),
    ),
    Step("messages.delete", about_message()),
    Step(
        "messages.send_bulk",
        with_session(
            {"messages": [{"chatId": CHAT, "type": "text", "content": {"text": "Hello"}}], "batchId": "spring"}
        ),
    ),
    Step("messages.send_bulk", with_session({"messages": []}), when="of nothing"),
    Phone("completed", batch="spring"),
    Step("messages.batch_status", with_session("spring")),
    Step("messages.batch_status", with_session("autumn"), when="of nobody"),
    Step("messages.cancel_batch", with_session("autumn"), when="of nobody"),
    Step("messages.cancel_batch", with_session("spring")),
)

_TEMPLATES: tuple[Step | Phone, ...] = (
    Step("templates.create", with_session({"name": "hello", "body": "Hello {{name}}"}), keep=("template", "id")),
    Step("templates.list"),
    Step("templates.get", with_session(kept("template"))),
    Step("templates.update", with_session(kept("template"), {"body": "Good day, {{name}}"})),
)

AFTER_IT: tuple[Step | Phone, ...] = (
    Step("sessions.start"),
    Step("sessions.start", when="once more"),
    Phone("qr_ready"),
    Step("sessions.get_qr_code"),
    Step("messages.send_text", with_session(_HELLO), when="before the scan"),
    Step("sessions.request_pairing_code", with_session({"phoneNumber": "628123456789"})),
    Phone("ready", scan=True),
    Step("sessions.get_qr_code", when="after the scan"),
    Step("sessions.request_pairing_code", with_session({"phoneNumber": "628123456789"}), when="after the scan"),
    Step("sessions.get", when="after the scan"),
    Step("sessions.stats", nothing, when="after the scan"),
    Step("sessions.set_online_presence", with_session({"available": False})),
    Step("webhooks.test", with_session(kept("hook"))),
    *_TEMPLATES,
    *_MESSAGES,
    *_GROUPS,
    *_CHATS,
    Step("templates.delete", with_session(kept("template"))),
    Step("webhooks.delete", with_session(kept("hook"))),
    Step("webhooks.delete", with_session(kept("hook")), when="once more"),
    Step("sessions.stop"),
    Step("sessions.start", when="linked"),
    Phone("ready"),
    Step("sessions.force_kill"),
    Step("sessions.start", when="after the kill"),
    Phone("ready"),
    Step("sessions.logout"),
    Step("sessions.get", when="after the logout"),
    Step("sessions.delete"),
    Step("sessions.delete", when="once more"),
    Step("sessions.get", when="after the deletion"),
)

STEPS = BEFORE_ITS_START + AFTER_IT
