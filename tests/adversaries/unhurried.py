"""Hooks for Schemathesis: calls name sessions and keys that exist, and none of them waits for what never happens."""

import os
from typing import Any

import schemathesis

#: By these an answer comes later than any budget allows, or never: a stream, a wait for a status.
_AT_ONCE = {"follow": "false", "wait": "0", "wait_s": "0"}
#: What exists, by the name of the parameter that names it.
_REAL = dict(pair.split("=") for pair in os.environ["UNHURRIED_IDS"].split(","))


@schemathesis.hook
def before_call(_context: schemathesis.HookContext, case: schemathesis.Case[Any], _kwargs: dict[str, object]) -> None:
    """Make a call short, and every second one about something real."""
    if case.query:
        case.query.update({name: value for name, value in _AT_ONCE.items() if name in case.query})
    if isinstance(case.body, dict) and "wait_for" in case.body:
        case.body["timeout_s"] = 0
    if case.path_parameters and case.path_parameters.get("key_id") == "admin":  # the key that all of this is done with
        case.path_parameters["key_id"] = _REAL["key_id"]
    if case.path_parameters and case.operation.method != "delete" and len(str(case.path_parameters)) % 2:
        case.path_parameters.update({name: real for name, real in _REAL.items() if name in case.path_parameters})
