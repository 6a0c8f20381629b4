"""Shows what the doctor found: what is wrong with sessions, endpoints and host, and the cure of each."""

from collections.abc import Sequence

from aiohttp import web

from openwa_manager.api.host.responses import DoctorOut, FindingOut
from openwa_manager.api.requests import DoctorQuery
from openwa_manager.api.routing import Call, Route, json_answer, route
from openwa_manager.domain.access.actions import Action
from openwa_manager.domain.diagnosis.findings import Finding
from openwa_manager.services.diagnosis.doctor import Doctor


class DoctorRoutes:
    """`/v1/doctor`."""

    def __init__(self, doctor: Doctor) -> None:
        self._doctor = doctor

    def table(self) -> tuple[Route, ...]:
        """Return the routes."""
        return (route("GET /v1/doctor", Action.READ_DOCTOR, self.show, DoctorQuery, {200: (DoctorOut,), 404: ()}),)

    async def show(self, call: Call[DoctorQuery]) -> web.Response:
        """Tell what is wrong and its cure, of some sessions or of all there is; a few seconds old at most."""
        pattern, scope = call.arguments.session_id, call.caller.scope
        looked = self._doctor.look_around(scope) if pattern is None else self._doctor.look_at(pattern, scope)
        return json_answer(_out(await looked))


def _out(findings: Sequence[Finding]) -> DoctorOut:
    shown = [
        FindingOut(code=each.code, level=each.level, subject=each.subject, detail=each.detail, cure=each.cure)
        for each in findings
    ]
    return DoctorOut(findings=shown)
