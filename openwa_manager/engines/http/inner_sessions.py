"""Finds, makes and starts OpenWA's own session, of which our engines have one each."""

from openwa_manager.domain.errors import EngineError, EngineTimeoutError
from openwa_manager.domain.session.session import Session
from openwa_manager.domain.session.stimuli import LinkReport
from openwa_manager.engines import mapping
from openwa_manager.engines.http.calls import HttpAnswer
from openwa_manager.engines.http.client import EngineClient
from openwa_manager.engines.mapping import InnerSession

#: A session with one of these in its record is not started by bringing its engine up: trying again makes it worse.
_FINAL_LINKS = frozenset({LinkReport.BANNED, LinkReport.REPLACED})


async def find_or_create(client: EngineClient, session: Session) -> InnerSession:
    """Return OpenWA's record of our session, which is made with its proxy where there is none."""
    name = mapping.inner_name(session.session_id)
    rows = await client.sessions()
    known = next((row for row in rows if row.name == name), None)
    return known or await client.create_session(name, session.spec.proxy_url)


async def inner_id(client: EngineClient, session: Session) -> str:
    """Return OpenWA's own id of our session.

    Raises:
        EngineError: it holds none.
    """
    if session.inner_id is not None:
        return session.inner_id
    name = mapping.inner_name(session.session_id)
    for row in await client.sessions():
        if row.name == name:
            return row.id
    raise EngineError("this OpenWA does not hold the session yet")


async def start(client: EngineClient, row: InnerSession) -> EngineError | None:
    """Start the session; return the refusal that stands in the way, None when OpenWA's record tells the rest."""
    if row.engine_loaded or mapping.link_of(row) in _FINAL_LINKS:
        return None
    try:
        answer = await client.start(row.id)
    except EngineTimeoutError:
        return None
    except EngineError as error:
        return error
    return None if _is_started(answer) or answer.status >= 500 else answer.refused()


def _is_started(answer: HttpAnswer) -> bool:
    return answer.status < 300 or (answer.status == 400 and "already start" in answer.message)
