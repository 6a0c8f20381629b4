"""The body of a batch is cut before it is parsed; what comes out is what a parser would have said."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwa_manager.api.messaging.bulk_body import read_bulk
from openwa_manager.domain.errors import OpenwaManagerError
from openwa_manager.services.messaging.acceptance.drafts import Addressee

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20)
NAMES = st.text("abcxyz_", min_size=1, max_size=5)
RECIPIENTS = st.lists(
    st.fixed_dictionaries({"to": TEXTS}, optional={"variables": st.dictionaries(NAMES, TEXTS, max_size=3)}),
    min_size=1,
    max_size=6,
)
SPACES = st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", "\t: ")])


@given(recipients=RECIPIENTS, text=TEXTS, spaces=SPACES, is_ascii=st.booleans(), is_first=st.booleans())
def test_each_recipient_comes_out_as_it_was_written(
    recipients: list[dict[str, str]], text: str, spaces: tuple[str, str], *, is_ascii: bool, is_first: bool
) -> None:
    template = {"text": text}
    body = (
        {"recipients": recipients, "template": template}
        if is_first
        else {"template": template, "recipients": recipients}
    )
    raw = json.dumps(body, ensure_ascii=is_ascii, separators=spaces).encode()

    draft = read_bulk(raw).draft

    assert draft.body is not None
    assert draft.body.text == text
    assert draft.addressees == [Addressee(to=each["to"], variables=each.get("variables", {})) for each in recipients]  # type: ignore[arg-type]


@given(texts=st.lists(TEXTS, min_size=1, max_size=6), spaces=SPACES)
def test_each_message_comes_out_as_it_was_written(texts: list[str], spaces: tuple[str, str]) -> None:
    body = {"name": "n", "messages": [{"to": "+85212345678", "text": text} for text in texts]}

    draft = read_bulk(json.dumps(body, separators=spaces).encode()).draft

    assert [each.body.text for each in draft.drafts] == texts


@given(recipients=RECIPIENTS)
def test_the_same_request_has_the_same_hash_however_it_is_written(recipients: list[dict[str, str]]) -> None:
    body = {"template": {"text": "x"}, "recipients": recipients}
    turned = {"recipients": [dict(reversed(each.items())) for each in recipients], "template": {"text": "x"}}
    other = {**body, "recipients": [*recipients, {"to": "1"}]}

    one, same, another = (read_bulk(json.dumps(each).encode()).body_sha256 for each in (body, turned, other))

    assert one == same != another


@given(
    pieces=st.lists(
        st.sampled_from(
            ['{"messages":', "[", "]", "{", "}", ",", '"to"', ":", '"+85212345678"', '"text"', '"x', "1", " "]
        ),
        max_size=30,
    )
)
def test_what_a_parser_refuses_is_refused(pieces: list[str]) -> None:
    raw = "".join(pieces)
    try:
        json.loads(raw)
    except ValueError:
        is_json = False
    else:
        is_json = True

    try:
        read_bulk(raw.encode())
    except OpenwaManagerError:
        return
    assert is_json


@pytest.mark.parametrize("half", ['"\\ud83d"', '"\\ude00x"'])
def test_half_an_emoji_is_replaced(half: str) -> None:
    raw = '{"messages":[{"to":"+85212345678","text":' + half + "}]}"

    (draft,) = read_bulk(raw.encode()).draft.drafts

    assert draft.body.text.startswith("\ufffd")


@pytest.mark.parametrize("piece", [" ", ",", "]", '"",', "{},", "[", '"x"', "\\n", "x"], ids=["space", *"abcdefgh"])
@pytest.mark.parametrize("begin", ["", '{"messages":[', '{"name":"', '{"messages":[{"text":"'])
def test_what_is_large_and_no_batch_is_refused_soon(begin: str, piece: str) -> None:
    with pytest.raises(OpenwaManagerError):
        read_bulk((begin + piece * 300_000).encode())


def test_a_variable_that_is_null_is_one_that_is_missing() -> None:
    body = {"template": {"text": "{{a}}"}, "recipients": [{"to": "1", "variables": {"a": None, "b": 2}}]}

    draft = read_bulk(json.dumps(body).encode()).draft

    assert draft.addressees == [Addressee(to="1", variables={"b": "2"})]
