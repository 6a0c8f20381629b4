"""What a JSON Schema asks for, in words."""

import pytest

from openwa_manager.api.docs.openapi_model import Schema
from openwa_manager.api.docs.shapes import Shapes
from openwa_manager.api.requests import SESSION_ID_TEXT
from openwa_manager.domain.delivery.events import Json

SHAPES = Shapes(
    {
        "Color": Schema.model_validate({"type": "string", "enum": ["red", "blue"]}),
        "a__b__Point": Schema.model_validate(
            {"type": "object", "properties": {"x": {"type": "integer"}, "next": {"$ref": "#/components/schemas/Line"}}}
        ),
        "Line": Schema.model_validate({"properties": {"to": {"$ref": "#/components/schemas/a__b__Point"}}}),
    }
)


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "string"}, "text"),
        ({"type": "string", "maxLength": 1024}, "text (at most 1,024 characters)"),
        ({"type": "string", "minLength": 1, "maxLength": 8}, "text (1 to 8 characters)"),
        ({"type": "string", "format": "date-time"}, "time (ISO 8601)"),
        ({"type": "number", "minimum": 0, "maximum": 60}, "number (0 to 60)"),
        ({"type": "integer", "exclusiveMinimum": 0}, "whole number (more than 0)"),
        ({"type": "integer", "minimum": 2}, "whole number (at least 2)"),
        ({"anyOf": [{"type": "boolean"}, {"type": "null"}]}, "true or false or null"),
        ({"type": "array", "items": {"type": "string"}, "maxItems": 3}, "list of: text (at most 3 of them)"),
        ({"type": "object", "additionalProperties": {"type": "integer"}}, "object, each value: whole number"),
        ({"type": "object", "patternProperties": {"^a": {"type": "string"}}}, "object, each value: text"),
        ({"const": "x"}, "<code>x</code>"),
        ({"$ref": "#/components/schemas/Color"}, "one of <code>red</code>, <code>blue</code>"),
        ({"$ref": "#/components/schemas/a__b__Point"}, '<a href="#shape-a__b__Point">Point</a>'),
        ({}, "anything"),
        ({"type": "string", "pattern": "^<b>$"}, "text (pattern <code>^&lt;b&gt;$</code>)"),
        (
            {"type": "string", "pattern": SESSION_ID_TEXT},
            "text (must have 1 to 63 characters: a to z, 0 to 9, _ and -, the first a letter or digit)",
        ),
    ],
)
def test_a_value_is_said_in_words(schema: Json, words: str) -> None:
    assert SHAPES.words(Schema.model_validate(schema)) == words


def test_shapes_that_consist_of_each_other_are_named_once() -> None:
    assert SHAPES.named_in([Schema.model_validate({"$ref": "#/components/schemas/Line"})]) == ("Line", "a__b__Point")


@pytest.mark.parametrize(
    ("schema", "rule"),
    [
        (
            {"oneOf": [{"required": ["a"]}, {"required": ["b"]}]},
            "<p>Exactly one of: <code>a</code>, <code>b</code>.</p>",
        ),
        (
            {"oneOf": [{"required": ["a"]}, {"required": ["b", "c"]}]},
            "<p>Exactly one of: <code>a</code>; or <code>b</code> and <code>c</code>.</p>",
        ),
        ({"anyOf": [{"required": ["a"]}]}, "<p>At least one of: <code>a</code>.</p>"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, ""),
    ],
)
def test_which_members_go_together_is_said(schema: Json, rule: str) -> None:
    assert SHAPES.rule(Schema.model_validate(schema)) == rule


def test_a_members_row_has_what_is_needed_its_default_and_what_it_is() -> None:
    schema = Schema.model_validate(
        {
            "required": ["to"],
            "properties": {
                "to": {"type": "string", "description": "Whom, `+85212345678`."},
                "count": {"type": "integer", "default": 100},
                "off": {"anyOf": [{"type": "boolean"}, {"type": "null"}], "default": None},
            },
        }
    )

    html = SHAPES.members(schema, is_body=True)

    assert '<code>to</code> <span class="needed">needed</span></th><td>text<br>Whom, <code>+85212345678</code>.' in html
    assert "<td>whole number, default <code>100</code></td>" in html
    assert "<td>true or false or null</td>" in html
    assert (
        SHAPES.members(Schema.model_validate({"type": "array", "items": {}}), is_body=True)
        == "<p>list of: anything</p>"
    )
