"""Pages are drawn one after the other, whatever those who asked for them do."""

import asyncio
import threading
from types import SimpleNamespace
from typing import cast

from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from openwa_manager.api.docs.assets import File
from openwa_manager.api.docs.docs import DocsRoutes
from openwa_manager.api.docs.site import DocsSite
from openwa_manager.api.openapi import DESCRIPTION, OpenapiRoutes
from tests.fakes.polling import until


async def test_who_hangs_up_has_no_page_drawn_beside_the_next_one() -> None:
    app = web.Application()
    app[DESCRIPTION] = cast("OpenapiRoutes", SimpleNamespace(document=dict))
    request = make_mocked_request("GET", "/docs", app=app)
    docs, may_end, begun = DocsRoutes(), threading.Event(), list[str]()

    def draw(_: DocsSite) -> File:
        begun.append("drawn")
        may_end.wait(20)
        return File(body=b"page", content_type="text/plain")

    async with asyncio.TaskGroup() as callers:
        first = callers.create_task(docs._answer(request, "first", draw))
        await until(lambda: begun == ["drawn"])
        first.cancel()
        await until(first.done)
        second = callers.create_task(docs._answer(request, "second", draw))

        assert docs._turn.locked()
        may_end.set()
        assert (await second).status == 200
    assert begun == ["drawn", "drawn"]
    assert not docs._turn.locked()
