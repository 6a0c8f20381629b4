import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwa_manager.domain.errors import InvalidRecipientError
from openwa_manager.domain.messaging.recipients import chat_id_of


@pytest.mark.parametrize(
    ("to", "chat_id"),
    [
        ("+85212345678", "85212345678@c.us"),
        ("85212345678", "85212345678@c.us"),
        ("85212345678@c.us", "85212345678@c.us"),
        ("+852 1234-5678", "85212345678@c.us"),
        (" (852) 1234.5678 ", "85212345678@c.us"),
        ("+85212345678@C.US", "85212345678@c.us"),
        ("120363041234567890@g.us", "120363041234567890@g.us"),
        ("12345-67890@g.us", "12345-67890@g.us"),
        ("9812345@lid", "9812345@lid"),
    ],
)
def test_numbers_become_chats_and_chats_stay(to: str, chat_id: str) -> None:
    assert chat_id_of(to) == chat_id


@pytest.mark.parametrize("to", ["", "alice", "12345", "1234567890123456", "+", "@g.us", "1@", "85212x45678@c.us"])
def test_what_reaches_nobody_is_refused(to: str) -> None:
    with pytest.raises(InvalidRecipientError):
        chat_id_of(to)


@pytest.mark.parametrize("to", ["0912345678", "0085212345678", "+0912345678", "0912 345 678", "0912345678@c.us"])
def test_a_leading_zero_is_refused_and_the_refusal_says_so(to: str) -> None:
    with pytest.raises(InvalidRecipientError, match="begins with 0"):
        chat_id_of(to)


def test_the_name_of_a_group_may_begin_with_0() -> None:
    assert chat_id_of("0120363041234567@g.us") == "0120363041234567@g.us"


@given(number=st.from_regex(r"\A[1-9][0-9]{5,14}\Z"))
def test_a_chat_is_its_own_chat(number: str) -> None:
    chat_id = chat_id_of(number)

    assert chat_id_of(chat_id) == chat_id
