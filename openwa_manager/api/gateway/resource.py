"""Finds the route of a path below `/api/sessions/{id}/` as OpenWA's own router would."""

from collections.abc import Iterable
from urllib.parse import unquote

from aiohttp import web

from openwa_manager.api.admission.body_terms import defer_expectation
from openwa_manager.api.gateway.routes import SESSION_PREFIX
from openwa_manager.api.routing import Route

_Words = tuple[str, ...]


class SessionResource(web.DynamicResource):
    """All that lies below one session. As OpenWA sees it, neither case nor a slash at the end makes another path.

    aiohttp tries one pattern after the other; the hundred routes here are found by a look into one table instead.
    `routes` are those below `SESSION_PREFIX`; the one of method `*` takes what none of the others does.
    """

    def __init__(self, routes: Iterable[Route]) -> None:
        others = [each for each in routes if each.method != "*"]
        (rest,) = (each for each in routes if each.method == "*")
        super().__init__(rest.path)
        self.add_route(rest.method, rest.handler, expect_handler=defer_expectation)
        self._fixed: dict[tuple[str, _Words], web.AbstractRoute] = {}
        self._patterns: dict[tuple[str, int], list[tuple[_Words, web.AbstractRoute]]] = {}
        for each in others:
            self._add(each)

    def _add(self, each: Route) -> None:
        words = tuple(each.path.removeprefix(SESSION_PREFIX).split("/"))
        found = web.ResourceRoute(each.method, each.handler, self, expect_handler=defer_expectation)
        if any(map(_is_parameter, words)):
            self._patterns.setdefault((each.method, len(words)), []).append((words, found))
        else:
            self._fixed[each.method, words] = found

    async def resolve(self, request: web.Request) -> tuple[web.UrlMappingMatchInfo | None, set[str]]:
        """Return the route of a request below a session; None when it is not below one."""
        match, allowed = await super().resolve(request)
        if match is None:
            return None, allowed
        found = self._find("GET" if request.method == "HEAD" else request.method, words_below(request))
        return (match if found is None else web.UrlMappingMatchInfo(dict(match), found)), allowed

    def _find(self, method: str, words: _Words) -> web.AbstractRoute | None:
        if found := self._fixed.get((method, words)):
            return found
        patterns = self._patterns.get((method, len(words)), ())
        return next((found for pattern, found in patterns if _fits(pattern, words)), None)


def words_below(request: web.Request) -> _Words:
    """Return the parts of the path below its session, in small letters, without a slash at the end."""
    tail = request.rel_url.raw_path.split("/", 4)[4]
    return tuple(unquote(part).lower() for part in tail.rstrip("/").split("/"))


def _is_parameter(word: str) -> bool:
    return word.startswith("{")


def _fits(pattern: _Words, words: _Words) -> bool:
    return all(_is_parameter(wanted) or wanted == word for wanted, word in zip(pattern, words, strict=True))
