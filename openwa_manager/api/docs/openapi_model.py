"""The parts of an OpenAPI document that its pages show, with types."""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Final

from pydantic import BaseModel, ConfigDict, Field, JsonValue

_CONFIG: Final = ConfigDict(frozen=True, extra="ignore")


class Schema(BaseModel):
    """A JSON Schema, as pydantic writes them."""

    model_config = _CONFIG

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
    patterns: Mapping[str, "Schema"] = Field(default_factory=dict, alias="patternProperties")
    additional: "Schema | bool | None" = Field(default=None, alias="additionalProperties")

    @property
    def name(self) -> str | None:
        """Return the name of the schema that this one refers to; None: to none."""
        return None if self.ref is None else self.ref.removeprefix(self.beginning)


class Parameter(BaseModel):
    """What a path or a query has."""

    model_config = _CONFIG

    name: str
    where: str = Field(alias="in")
    required: bool = False
    description: str | None = None
    shape: Schema = Field(alias="schema")


class Media(BaseModel):
    """A body of one kind."""

    model_config = _CONFIG

    shape: Schema | None = Field(default=None, alias="schema")


class OpenapiAnswer(BaseModel):
    """What one status means."""

    model_config = _CONFIG

    description: str
    content: Mapping[str, Media] = Field(default_factory=dict)


class RequestBody(BaseModel):
    """The bodies that a call takes, by their kinds."""

    model_config = _CONFIG

    content: Mapping[str, Media]


class Operation(BaseModel):
    """A call."""

    model_config = _CONFIG

    operation_id: str = Field(alias="operationId")
    tags: Sequence[str]
    summary: str
    description: str
    parameters: Sequence[Parameter] = ()
    body: RequestBody | None = Field(default=None, alias="requestBody")
    responses: Mapping[str, OpenapiAnswer]
    security: Sequence[Mapping[str, Sequence[str]]] = ()


class OpenapiTag(BaseModel):
    """A chapter."""

    model_config = _CONFIG

    name: str
    description: str


class Info(BaseModel):
    """What the document says of itself."""

    model_config = _CONFIG

    title: str
    description: str
    version: str


class Components(BaseModel):
    """The schemas by their names."""

    model_config = _CONFIG

    schemas: Mapping[str, Schema]


class Document(BaseModel):
    """The whole API."""

    model_config = _CONFIG

    info: Info
    tags: Sequence[OpenapiTag]
    paths: Mapping[str, Mapping[str, Operation]]
    components: Components
