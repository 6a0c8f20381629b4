"""Explains the state of a session: its timeline, and what comes next by itself."""

from collections.abc import Callable, Iterator
from contextlib import aclosing

from aiohttp import web

from openwa_manager.api.lists.pages import PAGE_MAX_BYTES, Listing, answer_list
from openwa_manager.api.requests import TimelineQuery
from openwa_manager.api.responses import timestamp
from openwa_manager.api.routing import Call, Route, json_of, route
from openwa_manager.api.sessions.responses import NextStepOut, QueueHoldOut, ReasonOut, StepOut, TimelineOut
from openwa_manager.domain.access.actions import Action
from openwa_manager.domain.session.session import SessionId, Step
from openwa_manager.domain.times import iso8601
from openwa_manager.services.messaging.control.views import QueueBrief, QueueViews
from openwa_manager.services.sessions.directory import SessionDirectory


class WhyRoutes:
    """`/v1/sessions/{session_id}/why`; `next_probe_at` tells when a session's engine is asked next (wall time)."""

    def __init__(
        self, sessions: SessionDirectory, queues: QueueViews, next_probe_at: Callable[[SessionId], float | None]
    ) -> None:
        self._sessions = sessions
        self._queues = queues
        self._next_probe_at = next_probe_at

    def table(self) -> tuple[Route, ...]:
        """Return the routes."""
        return (
            route(
                "GET /v1/sessions/{session_id}/why",
                Action.READ_SESSIONS,
                self.explain,
                TimelineQuery,
                {200: (TimelineOut,)},
            ),
        )

    async def explain(self, call: Call[TimelineQuery]) -> web.StreamResponse:
        """Tell the session's newest steps, each with its evidence, and the step to come."""
        session = self._sessions.get(call.session_id)
        brief = await self._queues.brief(session.session_id)
        reason = session.reason
        coming = [*map(NextStepOut.of, self._sessions.coming(session.session_id)), *_next_send(brief)]
        ahead = [each.model_dump(mode="json") for each in coming]
        timeline: Listing[Step] = Listing(
            name="steps",
            head={
                "session_id": session.session_id,
                "status": session.status,
                "reason": ReasonOut.of(reason).model_dump(mode="json") if reason else None,
                "messages": QueueHoldOut.of(brief).model_dump(mode="json"),
                "next_probe_at": timestamp(self._next_probe_at(session.session_id)),
            },
            encode=lambda step: json_of(StepOut.of(step)),
            ending=lambda _, __: {"next_step": ahead[0] if ahead else None, "coming": ahead},
            limit=call.arguments.limit,
            max_bytes=None,  # the steps begin where they fit, so that the newest are among them
        )
        steps = self._sessions.timeline(session.session_id, call.arguments.limit, PAGE_MAX_BYTES)
        async with aclosing(steps):
            return await answer_list(call.request, steps, timeline)


def _next_send(brief: QueueBrief) -> Iterator[NextStepOut]:
    """Yield when messages that are held go on by themselves; nothing when they are not held, or somebody must act."""
    if brief.hold is not None and brief.hold.until is not None:
        yield NextStepOut(decision="send the messages that wait", at=iso8601(brief.hold.until))
