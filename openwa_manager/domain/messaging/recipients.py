"""Whom a message is for: a person's number, as people write it, or any chat, as WhatsApp does."""

import re

from openwa_manager.domain.errors import InvalidRecipientError

_DECORATION = re.compile(r"[\s().-]")
_NUMBER = re.compile(r"\+?([0-9]{6,15})")
_PERSON = "c.us"


def chat_id_of(to: str) -> str:
    """Return the chat a message to `to` goes to.

    `+85212345678`, `852 1234-5678` and `85212345678@c.us` are one person; groups and other chats stay as they are. No
    country's code begins with 0, so a number that does is a national one, or has a dialling prefix, and would reach
    somebody else or nobody.

    Raises:
        InvalidRecipientError: that is neither a number in international form nor a chat id.
    """
    name, at, server = to.strip().partition("@")
    if at and server.lower() != _PERSON:
        if name and server:
            return f"{name}@{server}"
        raise InvalidRecipientError("to is no chat id: before and after the @ there must be something")
    number = _NUMBER.fullmatch(_DECORATION.sub("", name))
    if number is None:
        raise InvalidRecipientError("to must be a phone number in international form, or a chat id")
    if number[1].startswith("0"):
        raise InvalidRecipientError(
            "to begins with 0: write the number in international form, the country code first, no leading 0 or 00"
        )
    return f"{number[1]}@{_PERSON}"
