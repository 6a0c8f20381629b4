import itertools
import re
from collections.abc import Iterable
from urllib.parse import quote

from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from openwa_manager.api.app import control_app, make_table
from openwa_manager.api.gateway.routes import SESSION_PREFIX
from tests.api.world import World, admission_of, backing_of

_PARAMETER = re.compile(r"\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\}")
#: What may stand in the place of a parameter: an id, a word of a route, an empty word, and what is written otherwise.
_WORDS = ("s0", "stop", "", "a/b", "ü", "50%", "{x}")


async def test_a_path_is_found_in_the_table_as_by_the_walk_through_all(world: World) -> None:
    routes = make_table(backing_of(world), world.gateway)
    router = control_app(admission_of(world), backing_of(world), world.gateway).router
    paths = sorted({path for each in routes if not each.path.startswith(SESSION_PREFIX) for path in _paths(each.path)})

    for method, path in itertools.product(("GET", "HEAD", "POST", "DELETE"), paths):
        request = make_mocked_request(method, path)
        found, walked = await router.resolve(request), await web.UrlDispatcher.resolve(router, request)

        assert (found.route, dict(found)) == (walked.route, dict(walked)), (method, path)


def _paths(path: str) -> Iterable[str]:
    for word in _WORDS:
        filled = _PARAMETER.sub(quote(word, safe="{}"), path)
        yield from (filled, f"{filled}/")
