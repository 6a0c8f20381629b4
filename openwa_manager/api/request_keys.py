"""The keys under which the guard of a route leaves facts on a request for what comes after it."""

from aiohttp import web

from openwa_manager.domain.access.addresses import ClientAddress
from openwa_manager.domain.access.callers import Caller
from openwa_manager.domain.access.keys import Login

#: Set for every request.
REQUEST_ID = web.RequestKey("request_id", str)
#: Set once it is known who asks; absent at routes that need no key.
CALLER = web.RequestKey("caller", Caller)
#: What became of the key that was given (Known or Refused); absent when none was, or none was needed.
LOGIN = web.RequestKey("login", Login)
#: Where the caller is, as far as proxies that are trusted tell; absent for one on the unix socket.
CLIENT = web.RequestKey("client", ClientAddress)
#: Set once the head of the answer is on its way: from then on there is no other answer.
BEGUN_ANSWER = web.RequestKey("begun_answer", web.StreamResponse)
