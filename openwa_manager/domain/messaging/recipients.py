"""Whom a message is for: a person's number, as people write it, or any chat, as WhatsApp does.

Two names for one person are compared by their chat id, so there is one way to write each: `<digits>@c.us`,
`<digits>@lid`, `<digits>@g.us`, `<digits>@newsletter`. Numbers that people write are read by `phonenumbers`; an id that
WhatsApp has given keeps its digits, because some of them are no numbers any more (see `_OLD_MOBILE`).
"""

import re
from enum import StrEnum, unique
from typing import TYPE_CHECKING

from openwa_manager.domain.errors import InvalidRecipientError

if TYPE_CHECKING:  # importing it takes 0.1 s, so that is left until the first number comes
    from phonenumbers import PhoneNumber

#: Of what somebody names as a recipient; the longest chat id has some 40, a number with all its decoration fewer.
TO_MAX_CHARS = 128

#: What people write between digits, and the invisible marks that come along when a number is copied from a phone.
_DECORATION = re.compile(
    r"[\s().\-/\u00ad\u200b-\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff\u2010-\u2015\u2212\uff0d]+"
)
#: A national number may have a leading 0 that its international form has not, so this is longer than `_DIGITS`.
_NUMBER = re.compile(r"(\+?)([0-9]{6,20})")
#: The number of a person, without +: no country's code begins with 0, and E.164 allows 15 digits.
_DIGITS = re.compile(r"[1-9][0-9]{5,14}")
#: Until 2019 mobile numbers of Mexico had a 1 after the country's code; accounts of that time keep it for WhatsApp.
_OLD_MOBILE = re.compile(r"521[0-9]{10}")
#: Digits of WhatsApp's own, with the device that some ids name as well: `85212345678:12@s.whatsapp.net`.
_WITH_DEVICE = re.compile(r"([0-9]{1,25})(?:(?:\.[0-9]{1,3})?:[0-9]{1,5})?")
_GROUP = re.compile(r"[0-9]{1,25}(?:-[0-9]{1,25})?")
_NEWSLETTER = re.compile(r"[0-9]{1,25}")
_LEADING_0 = "to begins with 0: write the number in international form, the country code first, no leading 0 or 00"


@unique
class ChatKind(StrEnum):
    """What a chat is; the value is the part of its id behind the @."""

    PERSON = "c.us"
    #: A person whose number WhatsApp does not tell.
    HIDDEN_PERSON = "lid"
    GROUP = "g.us"
    NEWSLETTER = "newsletter"
    #: Anything else that an engine may name; nobody can write to it through the queue.
    OTHER = ""


#: The part behind the @ -> the kind. WhatsApp's own programs and the engines name a person's in two ways.
_KINDS = {
    **{kind.value: kind for kind in ChatKind if kind is not ChatKind.OTHER},
    "s.whatsapp.net": ChatKind.PERSON,
}
_PEOPLE = frozenset({ChatKind.PERSON, ChatKind.HIDDEN_PERSON})


def chat_id_of(to: str, default_region: str | None = None) -> str:
    """Return the chat a message to `to` goes to.

    `+85212345678`, `852 1234-5678`, `85212345678@c.us` and `85212345678@s.whatsapp.net` are one person. Digits without
    + are an international number; with a `default_region` (as in `HK`) they are first read as a number of that country.

    Raises:
        InvalidRecipientError: that is neither a possible number nor a chat id; the message never repeats it.
    """
    if len(to) > TO_MAX_CHARS:
        raise InvalidRecipientError(f"to is longer than {TO_MAX_CHARS} characters")
    name, at, server = to.strip().partition("@")
    if at:
        return _chat_id(name, server)
    sign, digits = _plus_and_digits(name)
    number = _international(digits) if sign or default_region is None else _national(digits, default_region)
    return f"{number}@{ChatKind.PERSON}"


def seen_chat_id(raw: str) -> str | None:
    """Return the chat id, as we write it, of a chat that an engine names; None when it names none that we know."""
    name, at, server = raw[:TO_MAX_CHARS].partition("@")
    try:
        return _chat_id(name, server) if at else f"{_known_digits(name)}@{ChatKind.PERSON}"
    except InvalidRecipientError:
        return None


def kind_of(chat_id: str) -> ChatKind:
    """Return what kind of chat has this id, however its name is written."""
    return _KINDS.get(chat_id.rpartition("@")[2].lower(), ChatKind.OTHER)


def is_person(chat_id: str) -> bool:
    """Tell whether a chat is one of two: only those are checked, are first contacts and can opt out."""
    return kind_of(chat_id) in _PEOPLE


def digits_of(chat_id: str) -> str | None:
    """Return the number of a person without its +, as in `85212345678`; None when the chat tells none."""
    name, _, server = chat_id.partition("@")
    return name if server == ChatKind.PERSON and _DIGITS.fullmatch(name) else None


def is_region(code: str) -> bool:
    """Tell whether this is a country that `default_region` may name, as in `HK`."""
    import phonenumbers  # see the top

    return code in phonenumbers.SUPPORTED_REGIONS


def _chat_id(name: str, server: str) -> str:
    """Return a chat id as we write it."""
    if not name or not server:
        raise InvalidRecipientError("to is no chat id: before and after the @ there must be something")
    kind = kind_of(f"@{server}")
    if kind is ChatKind.PERSON:
        return f"{_known_digits(name)}@{kind}"
    if kind is ChatKind.HIDDEN_PERSON and (found := _WITH_DEVICE.fullmatch(name)):
        return f"{found[1]}@{kind}"
    pattern = {ChatKind.GROUP: _GROUP, ChatKind.NEWSLETTER: _NEWSLETTER}.get(kind)
    if pattern is not None and pattern.fullmatch(name):
        return f"{name}@{kind}"
    raise InvalidRecipientError(
        "to is no chat id: write <digits>@c.us, <digits>@lid, <digits>@g.us or <digits>@newsletter"
    )


def _known_digits(name: str) -> str:
    """Return the digits of a person whom WhatsApp or its caller names by id: whether they are a number is known."""
    found = _WITH_DEVICE.fullmatch(name)
    digits = found[1] if found else _plus_and_digits(name)[1]
    return _checked(digits)


def _plus_and_digits(name: str) -> tuple[str, str]:
    """Return the + if there is one, and the digits, both in ASCII whatever the writing."""
    bare = _DECORATION.sub("", name).replace("\uff0b", "+")
    found = _NUMBER.fullmatch("".join(str(int(each)) if each.isdecimal() else each for each in bare))
    if found is None:
        raise InvalidRecipientError("to must be a phone number in international form, or a chat id")
    return found[1], found[2]


def _checked(digits: str) -> str:
    if digits.startswith("0"):
        raise InvalidRecipientError(_LEADING_0)
    if not _DIGITS.fullmatch(digits):
        raise InvalidRecipientError("to is no phone number: those have 6 to 15 digits, with the country's code")
    return digits


def _international(digits: str) -> str:
    """Return the digits of a number in international form, without a 0 that was written after the country's code."""
    number = None if digits.startswith("0") else _parsed(f"+{digits}", None)
    if number is not None:
        return _written(number)
    if _OLD_MOBILE.fullmatch(digits):
        return digits
    _checked(digits)
    raise InvalidRecipientError("to is no possible phone number: its country's code or its length is wrong")


def _national(digits: str, region: str) -> str:
    """Return the international digits of a number that may be written as within its country.

    Where both readings are possible a number that exists goes first: eleven digits are possible in Hong Kong, and
    nearly all who write eleven there name somebody abroad. What follows 00 is abroad, though a country may have longer
    prefixes that begin so: after the 008 of Hong Kong, 00852… would be a number of Mexico.
    """
    from phonenumbers import is_valid_number  # see the top

    if digits.startswith("00") and (abroad := _parsed(f"+{digits[2:]}", None)) is not None:
        return _written(abroad)
    home = _parsed(digits, region)
    abroad = None if digits.startswith("0") else _parsed(f"+{digits}", None)
    if home is None or abroad is None:
        return _written(home) if home is not None else _international(digits)
    if is_valid_number(home):
        return _written(home)
    names_home = abroad.country_code == home.country_code
    return _written(abroad if names_home or is_valid_number(abroad) else home)


def _parsed(text: str, region: str | None) -> "PhoneNumber | None":
    """Return the number that a short text of digits is; None when there can be none."""
    from phonenumbers import NumberParseException, is_possible_number, parse  # see the top

    try:
        number = parse(text, region)
    except NumberParseException:
        return None
    return number if is_possible_number(number) else None


def _written(number: "PhoneNumber") -> str:
    from phonenumbers import national_significant_number  # see the top

    return _checked(f"{number.country_code}{national_significant_number(number)}")
