import json
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwa_manager.domain.errors import UnreadableJsonError
from openwa_manager.domain.foreign_json import DEPTH_MAX, VALUES_MAX, count_values, make_safe, parse
from tests.run.growth import is_linear

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=30,
)


@given(value=values)
def test_what_everybody_can_read_is_read_as_it_is(value: object) -> None:
    assert parse(json.dumps(value).encode()) == value
    assert parse(json.dumps(value, ensure_ascii=False).encode()) == value


@given(texts=st.lists(st.text(alphabet=st.characters(categories=("Cs", "L"))), max_size=5))
def test_whatever_comes_out_can_be_written(texts: list[str]) -> None:
    read = parse(json.dumps(texts).encode())

    assert isinstance(read, list)
    assert len(read) == len(texts)
    json.dumps(read, ensure_ascii=False, allow_nan=False).encode()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (rb'"Ann \ud83d"', "Ann \ufffd"),
        (rb'"\ude00 \ud83d\ude00"', "\ufffd \U0001f600"),
        (rb'"\\ud83d"', r"\ud83d"),
        (rb'{"\ud83d": 1}', {"\ufffd": 1}),
        (b"[1e400, -1e400, NaN, Infinity, -Infinity]", [None] * 5),
        (b"[1e308, 1e-400, 1.5, -2]", [1e308, 0.0, 1.5, -2]),
        (b"[" + b"9" * 400 + b"]", [None]),
        (b'["NaN 1e400 Infinity"]', ["NaN 1e400 Infinity"]),
        (b"\xef\xbb\xbf{}", {}),
    ],
)
def test_what_others_would_stumble_over_is_made_safe(text: bytes, expected: object) -> None:
    assert parse(text) == expected
    assert json.loads(make_safe(text)) == expected


@pytest.mark.parametrize(("begin", "end"), [("[", "]"), ('{"a":', "}"), ('[{"a":', "}]")])
def test_a_text_may_be_nested_so_deep_and_no_deeper(begin: str, end: str) -> None:
    count = DEPTH_MAX // (begin.count("[") + begin.count("{"))

    parse(begin * count + "1" + end * count)

    with pytest.raises(UnreadableJsonError, match="deep"):
        parse(begin * (count + 1) + "1" + end * (count + 1))


def test_brackets_in_strings_are_no_depth() -> None:
    text = json.dumps({"a": "[" * 1000 + '\\"' + "{" * 1000, "b": [[]] * 1000})

    assert parse(text) == json.loads(text)


@pytest.mark.parametrize("text", [b"", b"{", b"\xff", b"[1]x", b"nul", b'"' + b'\\"' * 1000, b"[" * 100_000])
def test_what_is_no_json_is_refused(text: bytes) -> None:
    with pytest.raises(UnreadableJsonError):
        parse(text)


def test_what_is_too_large_is_refused_before_it_is_looked_at() -> None:
    with pytest.raises(UnreadableJsonError, match="more than 10 bytes"):
        parse(b"x" * 11, max_bytes=10)


@pytest.mark.parametrize("read", [parse, make_safe])
def test_more_values_than_anything_has_are_refused(read: Callable[[bytes], object]) -> None:
    read(b"[" + b"0," * (VALUES_MAX - 1) + b"0]")

    with pytest.raises(UnreadableJsonError, match="values"):
        read(b"[" + b"0," * VALUES_MAX + b"0]")


def test_as_many_values_as_one_likes_are_read_of_ones_own() -> None:
    assert len(json.dumps(parse(b"[" + b"0," * VALUES_MAX + b"0]", max_values=None))) > VALUES_MAX


def test_commas_and_brackets_in_strings_are_no_values() -> None:
    text = json.dumps({"body": ",[{" * VALUES_MAX})

    assert parse(text) == json.loads(make_safe(text))


@pytest.mark.parametrize(
    ("before", "repeated", "after", "count"),
    [
        (b"[", b"[],", b"1]", 300_000),
        (b"", b"1.", b"", 500_000),
        (b'"', b'\\"', b"", 500_000),
        (b"[", b"1e999,", b"1]", 150_000),
        (b"[", rb'"\ud800",', b"1]", 100_000),
        (b"", b'{"a":', b"", 200_000),
        (b"9" * 308 + b"x", b"1", b"", 1_000_000),
        (b'["', b"9" * 308 + b"x", b'"]', 6_000),
        (b"[", b"9" * 308 + b",", b"1]", 6_000),
        (b'["', rb"\ud800", b'"]', 300_000),
    ],
)
def test_no_text_is_looked_at_again_and_again(before: bytes, repeated: bytes, after: bytes, count: int) -> None:
    def read(size: int) -> None:
        with suppress(UnreadableJsonError):
            parse(before + repeated * size + after, max_values=None)

    assert is_linear(read, count)


def test_values_are_counted_alike_in_text_and_bytes() -> None:
    text = '{"a": [1, 2], "b": {}}'

    assert count_values(text) == count_values(text.encode()) == 5
