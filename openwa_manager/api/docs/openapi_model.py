"""The parts of an OpenAPI document that its pages show, with types."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class Schema(_Part):
    """A JSON Schema, as pydantic writes them."""

    beginning: ClassVar[str] = "#/components/schemas/"

    ref: str | None = Field(default=None, alias="$ref")
    type: str | None = None
    description: str | None = None
    enum: Sequence[JsonValue] | None = None
    const: JsonValue = None
    default: JsonValue = None
    format: str | None = None
    pattern: str | None = None
    minimum: float | None = None
    maximum: float | None = None
    exclusive_minimum: float | None = Field(default=None, alias="exclusiveMinimum")
    min_length: int | None = Field(default=None, alias="minLength")
    max_length: int | None = Field(default=None, alias="maxLength")
    min_items: int | None = Field(default=None, alias="minItems")
    max_items: int | None = Field(default=None, alias="maxItems")
    items: "Schema | None" = None
    any_of: Sequence["Schema"] = Field(default=(), alias="anyOf")
    one_of: Sequence["Schema"] = Field(default=(), alias="oneOf")
    required: Sequence[str] = ()
    properties: Mapping[str, "Schema"] = Field(default_factory=dict)
    additional: "Schema | bool | None" = Field(default=None, alias="additionalProperties")

    @property
    def name(self) -> str | None:
        """Return the name of the schema that this one refers to; None: to none."""
        return None if self.ref is None else self.ref.removeprefix(self.beginning)


class Parameter(_Part):
    """What a path or a query has."""

    name: str
    where: str = Field(alias="in")
    required: bool = False
    description: str | None = None
    shape: Schema = Field(alias="schema")


class Media(_Part):
    """A body of one kind."""

    shape: Schema | None = Field(default=None, alias="schema")


class Answer(_Part):
    """What one status means."""

    description: str
    content: Mapping[str, Media] = Field(default_factory=dict)


class RequestBody(_Part):
    """The bodies that a call takes, by their kinds."""

    content: Mapping[str, Media]


class Operation(_Part):
    """A call."""

    operation_id: str = Field(alias="operationId")
    tags: Sequence[str]
    summary: str
    description: str
    parameters: Sequence[Parameter] = ()
    body: RequestBody | None = Field(default=None, alias="requestBody")
    responses: Mapping[str, Answer]
    security: Sequence[Mapping[str, Sequence[str]]] = ()


class Tag(_Part):
    """A chapter."""

    name: str
    description: str


class Info(_Part):
    """What the document says of itself."""

    title: str
    description: str
    version: str


class Components(_Part):
    """The schemas by their names."""

    schemas: Mapping[str, Schema]


class Document(_Part):
    """The whole API."""

    info: Info
    tags: Sequence[Tag]
    paths: Mapping[str, Mapping[str, Operation]]
    components: Components
