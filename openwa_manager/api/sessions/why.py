"""Explains the state of a session: its timeline, and what comes next by itself."""

from contextlib import aclosing

from aiohttp import web

from openwa_manager.api.lists.pages import PAGE_MAX_BYTES, Listing, answer_list
from openwa_manager.api.requests import TimelineQuery
from openwa_manager.api.routing import Call, Route, json_of, route
from openwa_manager.api.sessions.responses import NextStepOut, QueueHoldOut, ReasonOut, StepOut, TimelineOut
from openwa_manager.domain.access.roles import Role
from openwa_manager.domain.session.session import After, ProcessState, Session, Step
from openwa_manager.domain.times import iso8601
from openwa_manager.services.messaging.control.views import QueueBrief, QueueViews
from openwa_manager.services.sessions.directory import SessionDirectory

_AFTER_THE_END = {
    After.STAY_STOPPED: "stay stopped once the engine has ended",
    After.START_AGAIN: "start again once the engine has ended",
    After.BACK_OFF: "back off once the engine has ended",
    After.FAIL: "give up for now once the engine has ended",
    After.DELETE: "delete the session once the engine has ended",
}


class WhyRoutes:
    """`/v1/sessions/{session_id}/why`."""

    def __init__(self, sessions: SessionDirectory, queues: QueueViews) -> None:
        self._sessions = sessions
        self._queues = queues

    def table(self) -> tuple[Route, ...]:
        """Return the routes."""
        return (
            route("GET /v1/sessions/{session_id}/why", Role.VIEWER, self.explain, TimelineQuery, {200: (TimelineOut,)}),
        )

    async def explain(self, call: Call[TimelineQuery]) -> web.StreamResponse:
        """Tell the session's newest steps, each with its evidence, and the step to come."""
        session = self._sessions.get(call.session_id)
        brief = await self._queues.brief(session.session_id)
        reason, next_step = session.reason, next_step_of(session) or _next_send(brief)
        timeline: Listing[Step] = Listing(
            name="steps",
            head={
                "session_id": session.session_id,
                "status": session.status,
                "reason": ReasonOut.of(reason).model_dump(mode="json") if reason else None,
                "messages": QueueHoldOut.of(brief).model_dump(mode="json"),
            },
            encode=lambda step: json_of(StepOut.of(step)),
            ending=lambda _, __: {"next_step": next_step.model_dump(mode="json") if next_step else None},
            limit=call.arguments.limit,
            max_bytes=None,  # the steps begin where they fit, so that the newest are among them
        )
        steps = self._sessions.timeline(session.session_id, call.arguments.limit, PAGE_MAX_BYTES)
        async with aclosing(steps):
            return await answer_list(call.request, steps, timeline)


def _next_send(brief: QueueBrief) -> NextStepOut | None:
    """Return when messages that are held go on by themselves; None when they are not held, or somebody must act."""
    if brief.hold is None or brief.hold.until is None:
        return None
    return NextStepOut(decision="send the messages that wait", at=iso8601(brief.hold.until))


def next_step_of(session: Session) -> NextStepOut | None:
    """Return what happens to the session if nobody does anything; None when nothing does."""
    match session.process:
        case ProcessState.BACKOFF | ProcessState.FAILED if session.restarts.next_at is not None:
            return NextStepOut(decision="start again", at=iso8601(session.restarts.next_at))
        case ProcessState.STARTING if session.launch is None:
            return NextStepOut(decision="launch when the start gate has a slot", at=None)
        case ProcessState.STARTING:
            return NextStepOut(decision="wait until the engine answers", at=None)
        case ProcessState.STOPPING if session.ending is not None:
            return NextStepOut(decision=_AFTER_THE_END[session.ending.after], at=None)
        case ProcessState.RUNNING if session.qr is not None:
            return NextStepOut(decision="await a scan until the code expires", at=iso8601(session.qr.expires_at))
        case _:
            return None
