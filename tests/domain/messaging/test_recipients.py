import re
from contextlib import suppress

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from openwa_manager.domain.errors import InvalidRecipientError
from openwa_manager.domain.messaging.recipients import (
    TO_MAX_CHARS,
    ChatKind,
    chat_id_of,
    digits_of,
    is_person,
    is_region,
    kind_of,
    seen_chat_id,
)


def fullwidth(text: str) -> str:
    """Return ASCII as wide as the characters of Chinese."""
    return "".join(chr(ord(each) + 0xFEE0) for each in text)


CHAT_ID = re.compile(r"[1-9][0-9]{5,14}@c\.us|[0-9-]{1,51}@(?:lid|g\.us|newsletter)", re.ASCII)


@pytest.mark.parametrize(
    ("to", "chat_id"),
    [
        ("+85212345678", "85212345678@c.us"),
        ("85212345678", "85212345678@c.us"),
        ("85212345678@c.us", "85212345678@c.us"),
        ("85212345678@s.whatsapp.net", "85212345678@c.us"),
        ("85212345678:12@s.whatsapp.net", "85212345678@c.us"),
        ("+852 1234-5678", "85212345678@c.us"),
        (" (852) 1234.5678 ", "85212345678@c.us"),
        ("+49 30/1234567", "49301234567@c.us"),
        ("8521234.5678@c.us", "85212345678@c.us"),
        ("+85212345678@C.US", "85212345678@c.us"),
        ("120363041234567890@g.us", "120363041234567890@g.us"),
        ("12345-67890@g.us", "12345-67890@g.us"),
        ("9812345@lid", "9812345@lid"),
        ("9812345:3@lid", "9812345@lid"),
        ("120363041234567890@newsletter", "120363041234567890@newsletter"),
    ],
)
def test_numbers_become_chats_and_chats_stay(to: str, chat_id: str) -> None:
    assert chat_id_of(to) == chat_id


@pytest.mark.parametrize(
    "to",
    [
        *("", "alice", "12345", "1234567890123456", "+", "@g.us", "1@", "@", "85212x45678@c.us", "123@c.us"),
        *("a@g.us", "1-2-3@g.us", "x@lid", "1@2@c.us", "status@broadcast", "1@example.com", "12345678901234567@c.us"),
        *("++85212345678", "852+12345678", "+852123", "+210123456", "1-800-FLOWERS", "+1 212 555 1234 ext. 5"),
        *("85212345678\0", "\0", "٣" * 5, "②②②②②②②②②②②", "8521234567x", fullwidth("12") * 64, "+" * 128, "(" * 128),
    ],
)
@pytest.mark.parametrize("region", [None, "HK"])
def test_what_reaches_nobody_is_refused(to: str, region: str | None) -> None:
    with pytest.raises(InvalidRecipientError):
        chat_id_of(to, region)


@pytest.mark.parametrize("to", ["0912345678", "0085212345678", "+0912345678", "0912 345 678", "0912345678@c.us"])
def test_a_leading_zero_is_refused_and_the_refusal_says_so(to: str) -> None:
    with pytest.raises(InvalidRecipientError, match="begins with 0"):
        chat_id_of(to)


def test_the_name_of_a_group_may_begin_with_0() -> None:
    assert chat_id_of("0120363041234567@g.us") == "0120363041234567@g.us"


def test_the_0_that_is_dialled_only_within_the_country_is_left_out() -> None:
    assert chat_id_of("+44 (0)20 7946 0958") == "442079460958@c.us"


def test_an_old_number_of_mexico_keeps_the_1_that_its_account_has() -> None:
    assert chat_id_of("+52 1 55 1234 5678") == chat_id_of("5215512345678@c.us") == "5215512345678@c.us"


@pytest.mark.parametrize(
    "to",
    [
        "\u202a+852\u00a01234\u20115678\u202c",  # as copied from the contacts of a phone
        fullwidth("+85212345678"),  # as typed on a keyboard for Chinese
        "٨٥٢١٢٣٤٥٦٧٨",
        "\ufeff852\u200b12345678",
    ],
)
def test_a_number_may_be_written_in_any_digits_and_with_invisible_marks(to: str) -> None:
    assert chat_id_of(to) == "85212345678@c.us"


@pytest.mark.parametrize(
    ("to", "region", "digits"),
    [
        ("91234567", "HK", "85291234567"),
        ("0912 345 678", "TW", "886912345678"),
        ("+886 912 345 678", "HK", "886912345678"),
        ("00852 1234 5678", "HK", "85212345678"),
        ("0044 20 7946 0958", "FR", "442079460958"),
        ("85291234567", "HK", "85291234567"),
        ("85212345678", "HK", "85212345678"),  # no such number yet: its country's code decides
        ("12125551234", "HK", "12125551234"),  # both are possible, this one exists
        ("442079460958", "HK", "442079460958"),
        ("10000000000", "HK", "85210000000000"),  # both are possible, none exists
        ("39061234567", "IT", "39061234567"),
    ],
)
def test_with_a_default_region_a_number_of_that_country_goes_first(to: str, region: str, digits: str) -> None:
    assert chat_id_of(to, region) == f"{digits}@c.us"


def test_a_leading_0_that_no_number_of_the_region_has_is_told() -> None:
    with pytest.raises(InvalidRecipientError, match="begins with 0"):
        chat_id_of("0912345678", "HK")


def test_what_is_too_long_is_refused_unread() -> None:
    for hostile in ("1" * 10_000_000, " " * 10_000_000 + "85212345678", "@" * 10_000_000, fullwidth("9") * 1_000_000):
        with pytest.raises(InvalidRecipientError, match="longer than") as refusal:
            chat_id_of(hostile)
        assert len(str(refusal.value)) < 100
        assert seen_chat_id(hostile) is None


@given(to=st.text(max_size=TO_MAX_CHARS) | st.text("+0123456789@c.uslidg-٣\uff18 \u202e\0", max_size=40))
def test_any_text_is_a_chat_or_refused_and_a_chat_is_its_own(to: str) -> None:
    for region in (None, "DE"):
        with suppress(InvalidRecipientError):
            chat_id = chat_id_of(to, region)
            assert CHAT_ID.fullmatch(chat_id)
            assert chat_id_of(chat_id, region) == seen_chat_id(chat_id) == chat_id


@given(number=st.from_regex(r"\A[1-9][0-9]{5,14}\Z"))
def test_a_number_written_in_any_way_is_one_person(number: str) -> None:
    try:
        chat_id = chat_id_of(number)
    except InvalidRecipientError:
        assume(False)

    assert chat_id_of(f"+{number}") == chat_id_of(f"+{number[:3]} {number[3:]}") == chat_id
    assert digits_of(chat_id) is not None
    assert is_person(chat_id)


@pytest.mark.parametrize(
    ("chat_id", "kind", "is_one_person", "digits"),
    [
        ("85212345678@c.us", ChatKind.PERSON, True, "85212345678"),
        ("85212345678@s.whatsapp.net", ChatKind.PERSON, True, None),
        ("9812345@lid", ChatKind.HIDDEN_PERSON, True, None),
        ("120363041234567890@g.us", ChatKind.GROUP, False, None),
        ("120363041234567890@newsletter", ChatKind.NEWSLETTER, False, None),
        ("status@broadcast", ChatKind.OTHER, False, None),
        ("", ChatKind.OTHER, False, None),
        ("85212345678", ChatKind.OTHER, False, None),
        ("x@c.us", ChatKind.PERSON, True, None),
    ],
)
def test_what_a_chat_is_follows_from_its_id(
    chat_id: str, kind: ChatKind, is_one_person: bool, digits: str | None
) -> None:
    assert (kind_of(chat_id), is_person(chat_id), digits_of(chat_id)) == (kind, is_one_person, digits)


@pytest.mark.parametrize(
    ("raw", "chat_id"),
    [
        ("85212345678:3@s.whatsapp.net", "85212345678@c.us"),
        ("85212345678.0:3@s.whatsapp.net", "85212345678@c.us"),
        ("85212345678@c.us", "85212345678@c.us"),
        ("85212345678", "85212345678@c.us"),
        ("9812345:3@lid", "9812345@lid"),
        ("120363041234567890@g.us", "120363041234567890@g.us"),
        ("0@c.us", None),
        ("status@broadcast", None),
        ("", None),
        ("@", None),
        ("alice", None),
    ],
)
def test_a_chat_that_an_engine_names_is_written_as_ours(raw: str, chat_id: str | None) -> None:
    assert seen_chat_id(raw) == chat_id


def test_a_region_is_known_by_its_two_letters() -> None:
    assert [is_region(code) for code in ("HK", "DE", "hk", "XX", "", "001")] == [True, True, False, False, False, False]
