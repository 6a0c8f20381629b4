"""The keys under which middleware leaves facts on a request for what comes after it."""

from aiohttp import web

from openwa_manager.domain.access.callers import Caller

#: Set for every request.
REQUEST_ID = web.RequestKey("request_id", str)
#: Set once it is known who asks; absent at routes that need no key.
CALLER = web.RequestKey("caller", Caller)
#: Set once the head of the answer is on its way: from then on there is no other answer.
BEGUN_ANSWER = web.RequestKey("begun_answer", web.StreamResponse)
