"""Shows the code to scan while it is valid, and asks for a pairing code."""

import base64

from aiohttp import web

from openwa_manager.api.requests import PairingCodeIn, QrQuery
from openwa_manager.api.routing import Call, Route, json_answer, route
from openwa_manager.api.sessions.responses import PairingCodeOut, QrOut
from openwa_manager.domain.access.actions import Action
from openwa_manager.domain.errors import IllegalTransitionError
from openwa_manager.domain.session.session import After, Qr, Session, Status
from openwa_manager.domain.times import iso8601
from openwa_manager.services.sessions.directory import SessionDirectory
from openwa_manager.services.sessions.requests import SessionRequests

PNG = "image/png"
#: While a session is in one of these, a code may come by itself.
_CODE_MAY_COME = frozenset({Status.CREATING, Status.QR_READY, Status.RESTARTING, Status.DISCONNECTED})
_ENDINGS_WITH_A_START = frozenset({After.START_AGAIN, After.BACK_OFF})


class QrRoutes:
    """`…/qr` and `…/pairing-code`."""

    def __init__(self, sessions: SessionDirectory, requests: SessionRequests, pairing_window_s: float) -> None:
        self._sessions = sessions
        self._requests = requests
        self._pairing_window_s = pairing_window_s

    def table(self) -> tuple[Route, ...]:
        """Return the routes."""
        return (
            route(
                "GET /v1/sessions/{session_id}/qr",
                Action.READ_QR,
                self.show,
                QrQuery,
                {200: (QrOut, PNG), 204: (None,), 409: ()},
            ),
            route(
                "POST /v1/sessions/{session_id}/pairing-code",
                Action.PAIR_SESSION,
                self.request_pairing_code,
                PairingCodeIn,
                {201: (PairingCodeOut,), 409: (), 502: ()},
            ),
        )

    async def show(self, call: Call[QrQuery]) -> web.Response:
        """Show the code that is valid now, as JSON or PNG; 204 when none came in time, 409 when none can come."""
        session = self._sessions.get(call.session_id)
        if call.arguments.wait:
            session = await self._sessions.wait(call.session_id, self.is_settled, call.arguments.wait)
        image = self._sessions.qr_image(session.session_id)
        if session.qr is not None and image is not None:
            return _image_answer(image) if _wants_png(call) else json_answer(_code(session.qr, image))
        _require_code_possible(session)
        return web.Response(status=204)

    def is_settled(self, session: Session) -> bool:
        """Tell whether there is a code, or none to wait for."""
        return self._sessions.qr_image(session.session_id) is not None or not may_show_code(session)

    async def request_pairing_code(self, call: Call[PairingCodeIn]) -> web.Response:
        """Ask WhatsApp for a code to type into the phone instead of a scan."""
        _require_code_possible(self._sessions.get(call.session_id))
        digits = "".join(character for character in call.arguments.phone_number if character.isdigit())
        code = await self._requests.request_pairing_code(call.session_id, digits)
        began_at = self._sessions.get(call.session_id).pairing_started_at
        expires_at = None if began_at is None else iso8601(began_at + self._pairing_window_s)
        return json_answer(PairingCodeOut(pairing_code=code, expires_at=expires_at), 201)


def may_show_code(session: Session) -> bool:
    """Tell whether a session shows a code or may do so by itself."""
    if session.status is Status.STOPPING:
        return session.ending is not None and session.ending.after in _ENDINGS_WITH_A_START
    return session.status in _CODE_MAY_COME


def _require_code_possible(session: Session) -> None:
    if not may_show_code(session):
        raise IllegalTransitionError(f"no code can come while the session is {session.status}")


def _wants_png(call: Call[QrQuery]) -> bool:
    if call.arguments.format is not None:
        return call.arguments.format == "png"
    accept = call.request.headers.get("Accept", "")
    return (PNG in accept or "image/*" in accept) and "application/json" not in accept


def _image_answer(image: bytes) -> web.Response:
    return web.Response(body=image, content_type=PNG)


def _code(qr: Qr, image: bytes) -> QrOut:
    return QrOut(
        mimetype="image/png",
        qr_base64=base64.b64encode(image).decode("ascii"),
        seq=qr.seq,
        attempt=qr.attempt,
        produced_at=iso8601(qr.produced_at),
        expires_at=iso8601(qr.expires_at),
    )
