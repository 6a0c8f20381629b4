"""Lets whoever asks again say which answer he has, and answers 304 while that is still the one (RFC 9110, 13).

A tag is made from the whole content, so it is a strong one, and each view has its own: what a key may not see is not in
its answer, and so not in its tag. It holds beyond a restart.
"""

from collections.abc import Iterable
from hashlib import blake2b
from typing import Final

from aiohttp import hdrs, web
from multidict import CIMultiDict

from openwa_manager.api.browsers.headers import PAGE_CACHE, SECURITY_HEADERS, SecuredAnswer

#: An answer with a tag may be kept by whoever asked, and is to be asked for anew each time.
REVALIDATED: Final = "private, no-cache"
_TAG_BYTES: Final = 16
_ETAG: Final = "ETag"
#: The head of what has a tag, without and with content.
_BARE_HEAD: Final = CIMultiDict({**SECURITY_HEADERS, "Cache-Control": REVALIDATED})
_HEAD: Final = CIMultiDict({**_BARE_HEAD, "Content-Type": "application/json"})
#: Whatever tag it has.
_ANY: Final = "*"


def tag_of(parts: Iterable[bytes]) -> str:
    """Return the tag of a content, which these parts determine."""
    digest = blake2b(digest_size=_TAG_BYTES)
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def is_known(request: web.Request, tag: str) -> bool:
    """Tell whether the caller has what has this tag; whether he wrote it as a weak one makes no difference."""
    given = request.headers.get(hdrs.IF_NONE_MATCH)
    if given is None:
        return False
    if given == f'"{tag}"':
        return True
    return any(each.value in (tag, _ANY) for each in request.if_none_match or ())


def tagged(answer: web.StreamResponse, tag: str) -> None:
    """Give an answer its tag."""
    answer.headers[_ETAG] = f'"{tag}"'
    answer[PAGE_CACHE] = REVALIDATED


def answer_tagged(request: web.Request, body: bytes, tag: str) -> web.Response:
    """Return JSON as the answer, or 304 if the caller has what has this tag."""
    if is_known(request, tag):
        return not_modified(tag)
    answer = SecuredAnswer(body=body, headers=_HEAD)
    answer.headers[_ETAG] = f'"{tag}"'
    return answer


def not_modified(tag: str) -> web.Response:
    """Return the answer to a caller who has what he asks for."""
    answer = SecuredAnswer(status=304, headers=_BARE_HEAD)
    answer.headers[_ETAG] = f'"{tag}"'
    return answer
