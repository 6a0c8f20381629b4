"""What the fields of bodies, answers and queries are, in a sentence each."""

from collections.abc import Mapping
from typing import Final

from openwa_manager.api.description.messages import MESSAGES
from openwa_manager.api.description.others import OTHERS
from openwa_manager.api.description.sessions import SESSIONS
from openwa_manager.api.description.shared import SHARED

OF: Final[Mapping[str, Mapping[str, str]]] = {**SESSIONS, **MESSAGES, **OTHERS}
#: Models whose fields are those of another one, and some more.
_LIKE: Final[Mapping[str, str]] = {
    "NewSessionOut": "SessionOut",
    "QrOut": "QrInfo",
    "PersonMessageOut": "MessageOut",
    "NewKeyOut": "KeyOut",
    "NewEndpointOut": "EndpointOut",
}


def description_of(model: str, field: str) -> str | None:
    """Return what a field of a model is; None: nobody has said so."""
    own = OF.get(model, {}).get(field)
    like = OF.get(_LIKE.get(model, ""), {}).get(field)
    return own or like or SHARED.get(field)
