"""Reads a body in every way in which OpenWA may, whatever it is said to be."""

from collections.abc import Mapping, Sequence

from openwa_manager.api.bodies.forms import form_of
from openwa_manager.api.bodies.json_members import BYTE_ORDER_MARK
from openwa_manager.domain import foreign_json
from openwa_manager.domain.delivery.events import Json
from openwa_manager.domain.errors import UnreadableJsonError


def readings_of(raw: bytes | bytearray, content_type: str) -> Sequence[Mapping[str, Json]]:
    """Return the members of the body, once for each way to read it; empty when it is nothing that has members.

    A form that looks like JSON is both: PHP sends JSON so, and OpenWA reads what is said to be a form as one.
    """
    try:
        parsed = foreign_json.parse(bytes(raw).removeprefix(BYTE_ORDER_MARK))
    except UnreadableJsonError:
        parsed = None
    found = (form_of(raw, content_type), parsed)
    return [each for each in found if isinstance(each, dict)]
