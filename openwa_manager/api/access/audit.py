"""Shows the audit, and checks that nobody has changed it."""

from aiohttp import web

from openwa_manager.api.access.audit_models import (
    AuditCheckOut,
    AuditCheckQuery,
    AuditEntryOut,
    AuditFaultOut,
    AuditPage,
    AuditQuery,
)
from openwa_manager.api.errors import ForbiddenError
from openwa_manager.api.lists.pages import Listing, answer_list
from openwa_manager.api.routing import Call, Route, json_answer, json_of, route
from openwa_manager.domain.access.actions import Action
from openwa_manager.domain.access.audit import AuditRow, ChainFault
from openwa_manager.domain.errors import InvalidInputError
from openwa_manager.domain.session.session import SessionId
from openwa_manager.domain.times import iso8601
from openwa_manager.services.access.audit_trail import AuditTrail
from openwa_manager.store.access.audit import AuditSelection


class AuditRoutes:
    """`/v1/audit` and `/v1/audit/verify`."""

    def __init__(self, trail: AuditTrail) -> None:
        self._trail = trail

    def table(self) -> tuple[Route, ...]:
        """Return the routes."""
        return (
            route("GET /v1/audit", Action.READ_AUDIT, self.list_some, AuditQuery, {200: (AuditPage,)}),
            route("GET /v1/audit/verify", Action.READ_AUDIT, self.verify, AuditCheckQuery, {200: (AuditCheckOut,)}),
        )

    async def list_some(self, call: Call[AuditQuery]) -> web.StreamResponse:
        """List who did what, oldest first; a caller limited to sessions sees the rows of his own."""
        wanted, scope = call.arguments, call.caller.scope
        selection = AuditSelection(
            actor=wanted.actor,
            action=wanted.action,
            session_id=None if wanted.session_id is None else SessionId(wanted.session_id),
            scope=scope,
        )
        after = wanted.after or 0
        if wanted.tail is None:
            rows = await self._trail.page(after, wanted.limit, selection)
        elif wanted.after is None:
            rows = await self._trail.newest(wanted.tail, selection)
        else:
            raise InvalidInputError("tail", "cannot be combined with after")
        head = (await self._trail.ends()).head_hash.hex() if scope.is_unlimited else None
        page: Listing[AuditRow] = Listing(
            name="entries",
            encode=lambda each: json_of(_out(each)),
            ending=lambda last, _: {"next_after": last.seq if last else after, "head": head},
        )
        return await answer_list(call.request, rows, page)

    async def verify(self, call: Call[AuditCheckQuery]) -> web.Response:
        """Check every row against the one before it; with `head` also that this hash, told earlier, is one of them.

        Of a chain that somebody made anew as a whole only a hash that was told earlier tells.
        """
        if not call.caller.scope.is_unlimited:
            raise ForbiddenError("this needs a key for every session: the chain is made of the rows of all")
        head = call.arguments.head
        found = await self._trail.verify(None if head is None else bytes.fromhex(head))
        return json_answer(
            AuditCheckOut(
                intact=found.is_intact,
                row_count=found.row_count,
                last_seq=found.last_seq,
                head_known=found.has_wanted,
                faults=[_fault_out(each) for each in found.faults],
            )
        )


def _out(row: AuditRow) -> AuditEntryOut:
    entry = row.entry
    return AuditEntryOut(
        seq=row.seq,
        at=iso8601(row.at),
        actor=entry.actor,
        key_id=entry.key_id,
        action=entry.action,
        session_id=entry.session_id,
        target=entry.target,
        address=entry.address,
        request_id=entry.request_id,
        result=entry.result,
        detail=dict(entry.detail),
        hash=row.hash.hex(),
    )


def _fault_out(fault: ChainFault) -> AuditFaultOut:
    return AuditFaultOut(kind=fault.kind, first_seq=fault.first_seq, last_seq=fault.last_seq, detail=fault.detail)
