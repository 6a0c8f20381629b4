import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwa_manager.api.bodies.json_members import members_of

WORDS = st.text(max_size=20)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=12,
)


@given(given_=st.dictionaries(WORDS, VALUES, max_size=6), indent=st.none() | st.integers(0, 3), is_ascii=st.booleans())
def test_the_members_are_where_a_parser_finds_them(
    given_: dict[str, object], indent: int | None, is_ascii: bool
) -> None:
    raw = json.dumps(given_, indent=indent, ensure_ascii=is_ascii).encode("utf-8", "surrogatepass")

    found = members_of(raw)

    assert found is not None
    values = {json.loads(raw[each.name]): json.loads(raw[each.value]) for each in found.values()}
    assert values == given_


def test_of_a_repeated_member_the_last_counts() -> None:
    raw = b'{"to": 1, "to": 2}'

    found = members_of(raw)

    assert found is not None
    assert raw[found["to"].value] == b"2"


@pytest.mark.parametrize(
    "raw",
    [
        *(b"", b"[]", b"5", b'"to"', b"{", b'{"a"', b'{"a":', b'{"a":1', b'{"a":1,', b'{"a":1,}', b'{"a" 1}', b"{a:1}"),
        *(b'{"a":"', b'{"a":[', b'{"a":[}', b'{"a":{"b":1}', b'{"a":1} x', b'{"a\\":1}', b'{"a":}', b'{"\xff":1}'),
    ],
)
def test_what_is_no_object_has_none(raw: bytes) -> None:
    assert members_of(raw) is None


@pytest.mark.parametrize("value", [b"[" * 100_000, b"[" + b'"a",' * 100_000 + b"1]", b"{" + b"}{" * 100_000])
def test_what_has_too_much_in_it_is_not_looked_through(value: bytes) -> None:
    assert members_of(b'{"to": ' + value + b"}") is None


def test_many_members_are_not_looked_through() -> None:
    assert members_of(json.dumps(dict.fromkeys(map(str, range(2000)))).encode()) is None


@given(st.binary(max_size=60))
def test_no_bytes_do_harm(raw: bytes) -> None:
    members_of(b'{"to":' + raw)
