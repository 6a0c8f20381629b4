"""Refuses to quote for callers who may not see chats.

A send may quote any message the account has, from whichever chat (OpenWA, docs/06: `quotedMessageId`): whoever knows an
id could have what somebody wrote sent to himself.
"""

import re
from collections.abc import Mapping, Sequence

from openwa_manager.api.admission.rights import require
from openwa_manager.api.gateway.errors import GatewayError
from openwa_manager.domain.access.actions import Action, Allowed, may
from openwa_manager.domain.access.callers import Caller
from openwa_manager.domain.delivery.events import Json

#: `quotedMessageId`, and what a version that is still unknown might call it.
_QUOTES = re.compile(r"quote|reply_?to", re.IGNORECASE)


def may_quote(caller: Caller) -> bool:
    """Tell whether what a caller sends may quote any message."""
    return isinstance(may(caller, Action.QUOTE_MESSAGE), Allowed)


def require_no_quote(caller: Caller, readings: Sequence[Mapping[str, Json]]) -> None:
    """Return if a send of a caller who may not quote does not; `readings` are the ways to read its body.

    Raises:
        ForbiddenError: it quotes a message.
        GatewayError: nobody can tell whether it does.
    """
    if not readings:
        raise GatewayError(400, ["the body must be a JSON object or a form"])
    if any(_QUOTES.search(name) for each in readings for name in each):
        require(caller, Action.QUOTE_MESSAGE)
