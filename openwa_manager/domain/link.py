"""What the engine says of WhatsApp: link reports, codes, restrictions, acknowledgements; and a link's deadlines."""

from collections.abc import Mapping
from dataclasses import replace

from openwa_manager.domain.commands import Observe, RemoveQr
from openwa_manager.domain.events import Json
from openwa_manager.domain.moves import going_down
from openwa_manager.domain.process import ON_DEADLINE
from openwa_manager.domain.scene import Announcement, Draft, Dropped, Scene, move
from openwa_manager.domain.session import After, Ending, LinkState, Qr, ReasonCode, Session
from openwa_manager.domain.stimuli import (
    Deadline,
    EngineEventReceived,
    LifeSeen,
    LinkReport,
    LinkReported,
    MessageAcknowledged,
    QrProduced,
    Restricted,
    TruthWanted,
)

_UP = (LinkState.UNKNOWN, LinkState.QR_READY, LinkState.AUTHENTICATING, LinkState.CONNECTED, LinkState.DISCONNECTED)

#: (link, report) -> next link. A pair that is absent changes nothing; reports that end the engine are in ENDS.
#: QR_READY is absent throughout: only the image of a code makes a session `qr_ready`.
LINKS: Mapping[tuple[LinkState, LinkReport], LinkState] = {
    (LinkState.QR_READY, LinkReport.INITIALIZING): LinkState.AUTHENTICATING,
    (LinkState.CONNECTED, LinkReport.INITIALIZING): LinkState.DISCONNECTED,
    (LinkState.CONNECTED, LinkReport.DISCONNECTED): LinkState.DISCONNECTED,
    (LinkState.UNKNOWN, LinkReport.AUTHENTICATING): LinkState.AUTHENTICATING,
    (LinkState.QR_READY, LinkReport.AUTHENTICATING): LinkState.AUTHENTICATING,
    **{(link, LinkReport.CONNECTED): LinkState.CONNECTED for link in _UP},
    **{(link, LinkReport.FAILED): LinkState.DISCONNECTED for link in _UP},
    **{(link, LinkReport.REPLACED): LinkState.DISCONNECTED for link in _UP},
    **{(link, LinkReport.ACTION_REQUIRED): LinkState.DISCONNECTED for link in _UP},
}

#: Reports after which the engine is ended for good: WhatsApp has spoken, and only a person can go on.
ENDS: Mapping[LinkReport, ReasonCode] = {
    LinkReport.BANNED: ReasonCode.BANNED,
    LinkReport.LOGGED_OUT: ReasonCode.LOGGED_OUT,
}

#: Why a link is down, by the report that took it down.
_DOWN_BECAUSE: Mapping[LinkReport, ReasonCode] = {
    LinkReport.REPLACED: ReasonCode.REPLACED,
    LinkReport.ACTION_REQUIRED: ReasonCode.ACTION_REQUIRED,
    LinkReport.INITIALIZING: ReasonCode.NETWORK,
    LinkReport.DISCONNECTED: ReasonCode.NETWORK,
    LinkReport.FAILED: ReasonCode.NETWORK,
}


@move.register
def link_reported(stimulus: LinkReported, scene: Scene) -> Draft | Dropped:
    """Follow the engine's word about its link."""
    if stimulus.link in ENDS:
        code = ENDS[stimulus.link]
        ending = Ending(after=After.STAY_STOPPED, cause=code)
        return going_down(scene, ending, stimulus.detail).noting(detail=stimulus.detail)
    if stimulus.link is LinkReport.FAILED and not is_paired(scene.session):
        return _spend_restart(scene, ReasonCode.LINK_TIMEOUT, stimulus.detail)
    link = LINKS.get((scene.session.link, stimulus.link))
    if link is None or _codes_ran_out(scene, stimulus.link):
        return _drop_codes(scene) if _codes_ran_out(scene, stimulus.link) else Dropped(why="nothing new")
    return _connected(stimulus, scene) if link is LinkState.CONNECTED else _moved(stimulus, scene, link)


def _codes_ran_out(scene: Scene, report: LinkReport) -> bool:
    """Tell a QR series that ended from a scan: after a scan the last code would still be valid (OPENWA.md, QR)."""
    return report is LinkReport.INITIALIZING and scene.session.link is LinkState.QR_READY and scene.session.qr is None


def _drop_codes(scene: Scene) -> Draft:
    return Draft(session=replace(scene.session, link=LinkState.UNKNOWN), decision="codes ran out, waiting for new ones")


def _connected(stimulus: LinkReported, scene: Scene) -> Draft | Dropped:
    before = scene.session
    session = replace(
        before,
        link=LinkState.CONNECTED,
        reason=None,
        qr=None,
        pairing_started_at=None,
        qr_attempts=0,
        phone_number=stimulus.phone_number or before.phone_number,
        push_name=stimulus.push_name or before.push_name,
        restarts=replace(before.restarts, link_restarted=False),
    )
    if before.link is LinkState.CONNECTED:
        return Dropped(why="already connected") if session == before else Draft(session=session, decision="details")
    at = scene.moment.at
    session = replace(session, connected_at=at, last_connected_at=at, last_seen_at=at)
    return Draft(session=session, decision="connected", commands=(RemoveQr(),))


def _moved(stimulus: LinkReported, scene: Scene, link: LinkState) -> Draft | Dropped:
    before = scene.session
    code = _DOWN_BECAUSE[stimulus.link] if link is LinkState.DISCONNECTED else None
    if link is before.link and code is (before.reason.code if before.reason else None):
        return Dropped(why="nothing new")
    session = replace(
        before,
        link=link,
        qr=None,
        connected_at=None,
        reason=scene.reason(code, stimulus.detail) if code else None,
    )
    draft = Draft(session=session, decision=f"link {link}").noting(report=stimulus.link.value, detail=stimulus.detail)
    return draft.then(RemoveQr()) if before.qr else draft


@move.register
def qr_produced(stimulus: QrProduced, scene: Scene) -> Draft | Dropped:
    """Show a new code; one that is known, expired or older than its launch is dropped."""
    session, at = scene.session, scene.moment.at
    if session.launch is None or stimulus.produced_at < session.launch.launched_at:
        return Dropped(why="older than the launch")
    if session.link in (LinkState.CONNECTED, LinkState.AUTHENTICATING):
        return Dropped(why="no code is awaited")
    if session.qr and session.qr.sha256 == stimulus.sha256:
        return Dropped(why="the same image")
    attempt = session.qr_attempts + 1
    expires_at = stimulus.expires_at or stimulus.produced_at + scene.policy.link.qr_life_s(attempt)
    if expires_at <= at:
        return Dropped(why="already expired")
    qr = Qr(
        seq=session.qr_seq + 1,
        attempt=attempt,
        sha256=stimulus.sha256,
        produced_at=stimulus.produced_at,
        expires_at=expires_at,
    )
    shown = replace(
        session,
        link=LinkState.QR_READY,
        reason=None,
        qr=qr,
        qr_seq=qr.seq,
        qr_attempts=attempt,
        pairing_started_at=session.pairing_started_at or at,
    )
    return Draft(session=shown, decision=f"show code {attempt}", announcements=(_announcement(qr),)).noting(seq=qr.seq)


def _announcement(qr: Qr) -> Announcement:
    data: dict[str, Json] = {"sha256": qr.sha256, "mimetype": "image/png", "qr_seq": qr.seq, "attempt": qr.attempt}
    return Announcement(type="session.qr", data=data, expires_at=qr.expires_at)


@move.register
def restricted(stimulus: Restricted, scene: Scene) -> Draft | Dropped:
    """Tell of a restriction; the link goes on as it is."""
    before = scene.session
    is_known = before.reason is not None and before.reason.code is ReasonCode.RESTRICTED
    if stimulus.is_active == is_known:
        return Dropped(why="already known")
    if not stimulus.is_active:
        return Draft(session=replace(before, reason=None), decision="restriction lifted")
    session = replace(before, reason=scene.reason(ReasonCode.RESTRICTED, f"{stimulus.kind} {stimulus.detail}".strip()))
    data = {"pid": before.pid, "reason": ReasonCode.RESTRICTED.value, "reason_detail": stimulus.kind}
    draft = Draft(session=session, decision="restricted by WhatsApp").noting(kind=stimulus.kind)
    return draft.telling(Announcement(type="session.restricted", data=data))


@move.register
def acknowledged(stimulus: MessageAcknowledged, scene: Scene) -> Draft:
    """Tell what became of a message."""
    data = {
        "message_id": stimulus.message_id,
        "manager_message_id": None,
        "to": stimulus.to,
        "reference": None,
        "error_code": "failed" if stimulus.fate == "failed" else None,
    }
    return Draft(session=scene.session).telling(Announcement(type=f"message.{stimulus.fate}", data=data))


@move.register
def event_received(stimulus: EngineEventReceived, scene: Scene) -> Draft:
    """Hand an event of the engine on as it is."""
    return Draft(session=scene.session).telling(Announcement(type=stimulus.type, data={"data": stimulus.data}))


@move.register
def truth_wanted(stimulus: TruthWanted, scene: Scene) -> Draft | Dropped:
    """Ask the engine itself what became of its link."""
    del stimulus
    launch = scene.session.launch
    return Draft(session=scene.session, commands=(Observe(launch=launch),)) if launch else Dropped(why="no launch")


@move.register
def life_seen(stimulus: LifeSeen, scene: Scene) -> Draft:
    """Remember when the engine last gave a sign of life; worth no write of its own."""
    del stimulus
    return Draft(session=replace(scene.session, last_seen_at=scene.moment.at))


def _spend_restart(scene: Scene, code: ReasonCode, detail: str) -> Draft:
    """Restart once with the credentials kept; the second time give up and say why."""
    session = scene.session
    if session.restarts.link_restarted:
        return going_down(scene, Ending(after=After.FAIL, cause=code), detail)
    book = replace(session.restarts, link_restarted=True)
    ending = Ending(after=After.START_AGAIN, cause=code)
    return going_down(scene.of(replace(session, restarts=book)), ending, detail)


def _initializing_ran_out(scene: Scene) -> Draft:
    if is_paired(scene.session):
        down = replace(
            scene.session,
            link=LinkState.DISCONNECTED,
            reason=scene.reason(ReasonCode.NETWORK, "no connection since the start"),
        )
        return Draft(session=down, decision="no connection yet")
    return _spend_restart(scene, ReasonCode.QR_NOT_PRODUCED, "no code and no connection in time")


def is_paired(session: Session) -> bool:
    """Tell whether this session has held an account, so that a lost link is waited for rather than given up."""
    return session.phone_number is not None or session.last_connected_at is not None


def _code_expired(scene: Scene) -> Draft:
    return Draft(session=replace(scene.session, qr=None), decision="code expired", commands=(RemoveQr(),))


def _window_closed(scene: Scene) -> Draft:
    ending = Ending(after=After.STAY_STOPPED, cause=ReasonCode.QR_EXPIRED)
    return going_down(scene, ending, f"nobody scanned in {scene.policy.link.pairing_window_s:.0f} s")


def _link_timed_out(scene: Scene) -> Draft:
    return _spend_restart(scene, ReasonCode.LINK_TIMEOUT, "scanned, but not connected in time")


def _network_restart(scene: Scene) -> Draft:
    return _spend_restart(scene, ReasonCode.NETWORK, "the link stayed down")


def _replaced_restart(scene: Scene) -> Draft:
    return _spend_restart(scene, ReasonCode.REPLACED, "one try after another device took the connection over")


ON_DEADLINE |= {
    Deadline.INITIALIZING: _initializing_ran_out,
    Deadline.AUTHENTICATING: _link_timed_out,
    Deadline.QR_EXPIRY: _code_expired,
    Deadline.PAIRING_WINDOW: _window_closed,
    Deadline.LINK_DOWN: _network_restart,
    Deadline.REPLACED: _replaced_restart,
}
