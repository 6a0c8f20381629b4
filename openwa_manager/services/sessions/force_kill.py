"""Kills an engine at once, without asking it to end."""

from openwa_manager.domain.ports import Target
from openwa_manager.domain.session.session import SessionId
from openwa_manager.services.sessions.requests import SessionRequests
from openwa_manager.services.starting.dependencies import Dependencies


async def force_kill(requests: SessionRequests, dependencies: Dependencies, session_id: SessionId) -> None:
    """Stop a session and kill its engine with all descendants at once; its credentials stay.

    The stop is recorded first, so that the end that follows is no crash.

    Raises:
        SessionNotFoundError: there is no such session.
    """
    session = await requests.stop(session_id)
    if session.launch is not None:
        target = Target(
            session_id=session_id,
            launch_id=session.launch.launch_id,
            directory=dependencies.directory(session_id),
            identity=session.launch.identity,
        )
        await dependencies.launcher.sweep(target)
