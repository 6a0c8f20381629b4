import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwa_manager.domain.errors import InvalidInputError
from openwa_manager.domain.messaging.templates import (
    CAPTION_MAX_CHARS,
    TEMPLATE_MAX_CHARS,
    TEXT_MAX_CHARS,
    Template,
    TextFault,
    Unfilled,
    template_of,
    text_problem,
)
from tests.run.growth import is_constant, is_linear

NAMES = st.text("abcXYZ_0-9.äß名", min_size=1, max_size=64)


@pytest.mark.parametrize(
    ("text", "variables", "filled"),
    [
        ("Hello {{name}}!", {"name": "Ada"}, "Hello Ada!"),
        ("{{ name }}{{\tname\n}}", {"name": "Ada"}, "AdaAda"),
        ("{{a}}", {"a": "{{b}}", "b": "never"}, "{{b}}"),
        ("{{a}}{{b}}", {"a": "{{", "b": "a}}"}, "{{a}}"),
        ("{{{a}}}", {"a": "1"}, "{1}"),
        ("{{名前}} {{order.id}} {{first-name}}", {"名前": "x", "order.id": "7", "first-name": "y"}, "x 7 y"),
        ("no variables { } }}", {"a": "unused"}, "no variables { } }}"),
        ("{{a}}", {"a": r"\1 \g<0> %s {0}"}, r"\1 \g<0> %s {0}"),
        ("", {}, ""),
    ],
)
def test_variables_are_filled_in_once(text: str, variables: dict[str, str], filled: str) -> None:
    assert template_of(text, "template.text").fill(variables) == filled


@given(pieces=st.lists(st.text(max_size=20).map(lambda each: each.replace("{", "(")), min_size=1), data=st.data())
def test_a_filled_text_is_its_pieces_and_values_in_turn(pieces: list[str], data: st.DataObject) -> None:
    names = data.draw(st.lists(NAMES, min_size=len(pieces) - 1, max_size=len(pieces) - 1))
    variables = {name: data.draw(st.text("a{}\\ 🎉", max_size=9)) for name in names}
    text = pieces[0] + "".join(f"{{{{{name}}}}}{piece}" for name, piece in zip(names, pieces[1:], strict=True))
    expected = pieces[0] + "".join(variables[name] + piece for name, piece in zip(names, pieces[1:], strict=True))

    filled = template_of(text, "template.text").fill(variables)

    assert filled == expected or (names and not expected.strip() and isinstance(filled, Unfilled))


def test_a_missing_variable_is_named() -> None:
    unfilled = template_of("{{a}} {{b}}", "template.text").fill({"a": "1"})

    assert unfilled == Unfilled(fault=TextFault.MISSING_VARIABLE, detail="there is no variable b")


@pytest.mark.parametrize("value", ["", " \n\u3000"])
def test_a_text_that_is_empty_once_filled_misses_what_was_to_be_said(value: str) -> None:
    unfilled = template_of(" {{a}}{{a}}", "template.text").fill({"a": value})

    assert unfilled == Unfilled(fault=TextFault.MISSING_VARIABLE, detail="the text is empty: so is a")


def test_a_text_may_have_just_as_many_characters_as_openwa_takes() -> None:
    template = template_of("{{a}}!", "template.text")

    assert template.fill({"a": "🎉" * (TEXT_MAX_CHARS - 1)}) == "🎉" * (TEXT_MAX_CHARS - 1) + "!"
    assert template.fill({"a": "x" * TEXT_MAX_CHARS}) == Unfilled(
        fault=TextFault.TEXT_TOO_LONG, detail="has 4097 characters; at most 4096 are sent"
    )
    assert isinstance(template.fill({"a": "x" * CAPTION_MAX_CHARS}, CAPTION_MAX_CHARS), Unfilled)


def test_a_long_value_in_many_places_is_refused_before_it_is_joined() -> None:
    template = template_of("{{a}}" * (TEMPLATE_MAX_CHARS // 5), "template.text")

    assert isinstance(template.fill({"a": "x" * 8_000_000}), Unfilled)
    assert is_constant(lambda size: template.fill({"a": "x" * size}), 8_000_000)


@pytest.mark.parametrize(
    "text",
    [
        *("{{}}", "{{ }}", "{{first name}}", "{{#if a}}", "{{a", "{{a}", "{{{{a}}}}", "{{a|upper}}", "{{\0}}"),
        *("{{" + "a" * 65 + "}}", "{{" * 8192, "{{" + " " * 16_000, "x" * (TEMPLATE_MAX_CHARS + 1), "{{a" * 5000),
    ],
)
def test_braces_that_are_no_variable_are_refused(text: str) -> None:
    with pytest.raises(InvalidInputError) as refusal:
        template_of(text, "template.caption")

    assert refusal.value.field == "template.caption"
    assert len(str(refusal.value)) < 150


def test_the_last_of_ten_thousand_recipients_costs_what_the_first_did() -> None:
    template = template_of("Dear {{name}}, your order {{order}} is ready. " * 5, "template.text")

    def fill(count: int) -> set[object]:
        return {template.fill({"name": "Ada", "order": str(each)}) for each in range(count)}

    assert len(fill(10_000)) == 10_000
    assert is_linear(fill, 10_000)


def test_the_pieces_of_a_template_are_told() -> None:
    assert template_of("a{{b}}c", "template.text") == Template(pieces=("a", "c"), names=("b",))


@pytest.mark.parametrize(
    ("text", "max_chars", "problem"),
    [
        ("hello", TEXT_MAX_CHARS, None),
        ("", TEXT_MAX_CHARS, "is empty"),
        (" \u3000\n", TEXT_MAX_CHARS, "is empty"),
        ("x" * 1025, CAPTION_MAX_CHARS, "has 1025 characters; at most 1024 are sent"),
    ],
)
def test_what_is_wrong_with_a_plain_text_is_said(text: str, max_chars: int, problem: str | None) -> None:
    assert text_problem(text, max_chars) == problem
