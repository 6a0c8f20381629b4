"""Says what of a request's head may stand in the log and in the audit: no secret, wherever its caller wrote it."""

import re
from collections.abc import Mapping
from typing import Final

from aiohttp import web

from openwa_manager.domain.session.session import SESSION_ID_PATTERN

#: How much of a path is told; a caller may send 8 kB of it.
PATH_MAX: Final = 200
#: What stands for what is not told.
HIDDEN: Final = "…"
#: Behind this stands a token, which is a secret; however its beginning is written, it is none of ours otherwise.
_PAIRING: Final = re.compile(r"(/+pair/+).+", re.IGNORECASE | re.DOTALL)
#: The names in paths that are told, and how they look. People's numbers are not among them, nor are texts.
_NAMES: Final[Mapping[str, re.Pattern[str]]] = {
    "session_id": re.compile(SESSION_ID_PATTERN),
    "id": re.compile(SESSION_ID_PATTERN),  # at the gateway; an OpenWA's own is a UUID, which looks like that too
    "key_id": re.compile(r"[a-z0-9]{1,16}"),
    "user_id": re.compile(r"[\w.@+-]{1,40}"),  # shorter than the secrets we make
    **dict.fromkeys(("endpoint_id", "message_id", "batch_id", "link_id"), re.compile(r"[a-z]{1,8}_[0-9A-Za-z]{20,32}")),
}
#: What may be told of a path that is none of ours: words, and the version.
_WORD: Final = re.compile(r"[a-z][a-z.-]{0,30}|v[0-9]")
_PARAMETER: Final = re.compile(r"\{(\w+)[^}]*\}")
#: The caller's own id of a request, if it is short and plain.
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,128}")
#: Keys and signing secrets by their beginnings, and what is as long as 256 random bits, which is no id.
_SECRET: Final = re.compile(r"owm_|owa_k1_|whsec_|[A-Za-z0-9_-]{42}")


def shown_path(request: web.Request) -> str:
    """Return the path of a request as a log may show it: the words of our own routes, and names that look like one."""
    matched = request.match_info
    resource = matched.route.resource
    if _PAIRING.match(request.path):
        return _PAIRING.sub(rf"\1{HIDDEN}", request.path)[:PATH_MAX]
    if resource is None or matched.http_exception is not None:
        return _words(request.path)[:PATH_MAX]
    return _PARAMETER.sub(lambda found: _part(found[1], matched[found[1]]), resource.canonical)[:PATH_MAX]


def shown_name(parameter: str, text: str) -> str:
    """Return what a path says for a parameter, if it may be told."""
    form = _NAMES.get(parameter)
    return text if form is not None and form.fullmatch(text) else HIDDEN


def is_request_id(text: str) -> bool:
    """Tell whether a caller's own id of his request may be used: logs, the audit and the answer repeat it."""
    return _REQUEST_ID.fullmatch(text) is not None and _SECRET.search(text) is None


def _part(parameter: str, text: str) -> str:
    return _words(text) if parameter == "rest" else shown_name(parameter, text)


def _words(path: str) -> str:
    return "/".join(part if not part or _WORD.fullmatch(part) else HIDDEN for part in path.split("/"))
