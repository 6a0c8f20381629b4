"""Whom a message is for: a person's number, as people write it, or any chat, as WhatsApp does."""

import re

_DECORATION = re.compile(r"[\s().-]")
_NUMBER = re.compile(r"\+?([0-9]{6,15})")
_PERSON = "c.us"


def chat_id_of(to: str) -> str | None:
    """Return the chat a message to `to` goes to; None when that is neither a number nor a chat id.

    `+85212345678`, `852 1234-5678` and `85212345678@c.us` are one person; groups and other chats stay as they are.
    """
    number, at, server = to.strip().partition("@")
    if at and server.lower() != _PERSON:
        return f"{number}@{server}" if number and server else None
    match = _NUMBER.fullmatch(_DECORATION.sub("", number))
    return f"{match[1]}@{_PERSON}" if match else None
