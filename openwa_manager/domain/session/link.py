"""What the engine says of WhatsApp: link reports, codes, restrictions, acknowledgements; and a link's deadlines."""

from collections.abc import Mapping
from dataclasses import replace

from openwa_manager.domain.delivery.events import Json
from openwa_manager.domain.session.commands import CheckCredentials, KeepCredentials, Observe, RemoveQr
from openwa_manager.domain.session.context import Announcement, Context, Dropped, Outcome
from openwa_manager.domain.session.deadlines import SLOW_S
from openwa_manager.domain.session.launch_facts import StillWaiting, WaitsFor
from openwa_manager.domain.session.pairing import other_account
from openwa_manager.domain.session.reasons import (
    Facts,
    LinkStayedDown,
    NotConnected,
    NotScanned,
    Reason,
    ReasonCode,
    Silence,
    Words,
)
from openwa_manager.domain.session.session import (
    LINKS_BEFORE_CODE,
    STICKY_LINKS,
    After,
    Ending,
    LinkState,
    ProcessState,
    Qr,
    Restarts,
    Session,
)
from openwa_manager.domain.session.stimuli import (
    ActivitySeen,
    Deadline,
    EngineEventReceived,
    LinkCheckRequested,
    LinkReport,
    LinkReported,
    MessageAcknowledged,
    QrProduced,
    Restricted,
    SilenceNoticed,
    WebhooksLost,
)
from openwa_manager.domain.session.transition import stopping

#: What moves a link: a report of the engine, the image of a code, silence, or a deadline of a session that is paired.
LinkCause = LinkReport | type[QrProduced] | type[SilenceNoticed] | Deadline

_LIVE_LINKS = tuple(link for link in LinkState if link not in STICKY_LINKS)

#: (link, cause) -> next link. A pair that is absent changes nothing; reports that end the engine are in FINAL_REPORTS.
#: The report QR_READY only ever takes a link down: the image of a code is what makes a session `qr_ready`. After
#: AUTHENTICATING it tells that the scan came to nothing; while CONNECTED, that the account is no longer linked.
LINKS: Mapping[tuple[LinkState, LinkCause], LinkState] = {
    (LinkState.QR_READY, LinkReport.INITIALIZING): LinkState.AUTHENTICATING,
    (LinkState.QR_READY, LinkReport.CODES_ENDED): LinkState.UNKNOWN,
    (LinkState.CONNECTED, LinkReport.INITIALIZING): LinkState.DISCONNECTED,
    (LinkState.CONNECTED, LinkReport.DISCONNECTED): LinkState.DISCONNECTED,
    (LinkState.CONNECTED, LinkReport.QR_READY): LinkState.DISCONNECTED,
    (LinkState.AUTHENTICATING, LinkReport.QR_READY): LinkState.UNKNOWN,
    (LinkState.UNKNOWN, LinkReport.AUTHENTICATING): LinkState.AUTHENTICATING,
    (LinkState.QR_READY, LinkReport.AUTHENTICATING): LinkState.AUTHENTICATING,
    **{(link, LinkReport.CONNECTED): LinkState.CONNECTED for link in _LIVE_LINKS},
    **{(link, LinkReport.FAILED): LinkState.DISCONNECTED for link in _LIVE_LINKS},
    **{(link, LinkReport.REPLACED): LinkState.DISCONNECTED for link in _LIVE_LINKS},
    **{(link, LinkReport.ACTION_REQUIRED): LinkState.DISCONNECTED for link in _LIVE_LINKS},
    **{(link, QrProduced): LinkState.QR_READY for link in LINKS_BEFORE_CODE},
    (LinkState.CONNECTED, SilenceNoticed): LinkState.DISCONNECTED,
    (LinkState.UNKNOWN, Deadline.INITIALIZING): LinkState.DISCONNECTED,
    (LinkState.AUTHENTICATING, Deadline.AUTHENTICATING): LinkState.DISCONNECTED,
}

#: Reports after which the engine is ended for good: WhatsApp has spoken, and only a person can go on.
FINAL_REPORTS: Mapping[LinkReport, ReasonCode] = {
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
    LinkReport.QR_READY: ReasonCode.LOGGED_OUT,
}

#: The last code of a series is seen a moment after it was made, so the engine gives up a moment before the code
#: expires here: this share of a code's life.
_END_OF_LIFE = 0.1


def link_reported(stimulus: LinkReported, context: Context) -> Outcome | Dropped:
    """Follow the engine's word about its link."""
    facts = Words(text=stimulus.detail) if stimulus.detail else None
    if stimulus.link in FINAL_REPORTS:
        ending = Ending(after=After.STAY_STOPPED, cause=FINAL_REPORTS[stimulus.link])
        return stopping(context, ending, facts).with_evidence(detail=stimulus.detail)
    if stimulus.link is LinkReport.FAILED and not is_paired(context.session) and not context.moment.is_offline:
        return _restart_once(context, ReasonCode.LINK_TIMEOUT, facts)
    has_run_out = stimulus.link is LinkReport.INITIALIZING and _have_codes_run_out(context)
    report = LinkReport.CODES_ENDED if has_run_out else stimulus.link
    link = LINKS.get((context.session.link, report))
    if link is None:
        return Dropped(why="nothing new")
    if link is LinkState.CONNECTED:
        return other_account(stimulus, context) or _connected(stimulus, context)
    return _follow_report(stimulus, context, link)


def _have_codes_run_out(context: Context) -> bool:
    """Tell a series of codes that ended from a scan: OpenWA says `initializing` to both.

    Source: docs/openwa.md, QR codes and pairing.

    A scan taken for the end of a series does no harm: the connection follows. The other way round a session that
    nobody scanned would be given up for authenticating too long.
    """
    session, qr, moment = context.session, context.session.qr, context.moment
    if session.link is not LinkState.QR_READY:
        return False
    return qr is None or qr.left_s(moment.at, moment.boot_s) <= _END_OF_LIFE * qr.life_s


def tells_nothing_new(report: LinkReported, session: Session) -> bool:
    """Tell whether a connected session's engine says that it is connected, and as whom we know."""
    return (
        session.link is LinkState.CONNECTED
        and report.link is LinkReport.CONNECTED
        and (report.phone_number or session.phone_number) == session.phone_number
        and (report.push_name or session.push_name) == session.push_name
    )


def _connected(stimulus: LinkReported, context: Context) -> Outcome | Dropped:
    before, at = context.session, context.moment.at
    if tells_nothing_new(stimulus, before):
        return Dropped(why="already connected")
    phone_number, push_name = stimulus.phone_number or before.phone_number, stimulus.push_name or before.push_name
    named = replace(before, phone_number=phone_number, push_name=push_name)
    if before.link is LinkState.CONNECTED:
        return Outcome(session=named, decision="details")
    session = replace(
        named,
        link=LinkState.CONNECTED,
        reason=None,
        qr=None,
        pairing_started_at=None,
        wanted_number=None,
        qr_attempts=0,
        restarts=_restarts_once_connected(before.restarts),
        connected_at=at,
        last_connected_at=at,
        last_seen_at=at,
    )
    return Outcome(session=session, decision="connected", commands=(RemoveQr(), KeepCredentials()))


def _restarts_once_connected(restarts: Restarts) -> Restarts:
    """Return them with the trouble of the link over.

    Only time can tell that after a takeover: two hosts that fight for an account are both connected in between.
    """
    return replace(restarts, link_restarted=restarts.link_restarted and restarts.last_reason is ReasonCode.REPLACED)


def _follow_report(stimulus: LinkReported, context: Context, link: LinkState) -> Outcome | Dropped:
    before = context.session
    code = _down_because(stimulus.link, context) if link is LinkState.DISCONNECTED else None
    if link is before.link and code is (before.reason.code if before.reason else None):
        return Dropped(why="nothing new")
    facts = Words(text=stimulus.detail) if stimulus.detail else None
    outcome = _moved(context, link, context.reason(code, facts) if code else None)
    outcome = outcome.with_evidence(report=stimulus.link.value, detail=stimulus.detail)
    if before.link is LinkState.CONNECTED and stimulus.link is LinkReport.QR_READY and before.launch:
        outcome = outcome.then(Observe(launch=before.launch))  # the report may be older than the connection: ask again
    return outcome


def _down_because(report: LinkReport, context: Context) -> ReasonCode:
    code = _DOWN_BECAUSE[report]
    return ReasonCode.HOST_OFFLINE if code is ReasonCode.NETWORK and context.moment.is_offline else code


def _moved(context: Context, link: LinkState, reason: Reason | None) -> Outcome:
    """Return the session with a link that is not connected; one that is down shows no codes any more."""
    before = context.session
    session = replace(before, link=link, qr=None, connected_at=None, reason=reason)
    if link is LinkState.DISCONNECTED:
        session = replace(session, qr_attempts=0, pairing_started_at=None)
    outcome = Outcome(session=session, decision=f"link {link}")
    return outcome.then(RemoveQr()) if before.qr else outcome


def silence_noticed(stimulus: SilenceNoticed, context: Context) -> Outcome | Dropped:
    """Count the link of an engine as down that gives no sign of life any more."""
    link = LINKS.get((context.session.link, SilenceNoticed))
    if link is None:
        return Dropped(why="not connected anyway")
    reason = context.reason(_down_because(LinkReport.DISCONNECTED, context), Silence(limit_s=stimulus.limit_s))
    return _moved(context, link, reason).with_evidence(detail=reason.detail)


def qr_produced(stimulus: QrProduced, context: Context) -> Outcome | Dropped:
    """Show a new code; one that is known or expired is dropped.

    Its launch id says of which launch it is, and no time: the wall clock may have been set back since that began.
    """
    session, at = context.session, context.moment.at
    link = LINKS.get((session.link, QrProduced))
    if session.launch is None or link is None:
        return Dropped(why="no code is awaited")
    if session.qr and session.qr.sha256 == stimulus.sha256:
        return Dropped(why="the same image")
    attempt = session.qr_attempts + 1
    expires_at = stimulus.expires_at
    if expires_at is None:
        expires_at = stimulus.produced_at + context.policy.link.qr_life_s(
            is_first=session.link is not LinkState.QR_READY
        )
    if expires_at <= at:
        return Dropped(why="already expired")
    qr = Qr(
        seq=session.qr_seq + 1,
        attempt=attempt,
        sha256=stimulus.sha256,
        produced_at=stimulus.produced_at,
        expires_at=expires_at,
        expires_boot_s=context.moment.boot_s + expires_at - at,
    )
    shown = replace(
        session,
        link=link,
        reason=None,
        qr=qr,
        qr_seq=qr.seq,
        qr_attempts=attempt,
        pairing_started_at=session.pairing_started_at or at,
    )
    outcome = Outcome(session=shown, decision=f"show code {attempt}", announcements=(_announcement(qr),)).with_evidence(
        seq=qr.seq
    )
    return outcome.then(CheckCredentials(launch=session.launch)) if is_paired(session) and attempt == 1 else outcome


def _announcement(qr: Qr) -> Announcement:
    data: dict[str, Json] = {"sha256": qr.sha256, "mimetype": "image/png", "qr_seq": qr.seq, "attempt": qr.attempt}
    return Announcement(type="session.qr", data=data, expires_at=qr.expires_at)


def restricted(stimulus: Restricted, context: Context) -> Outcome | Dropped:
    """Tell of a restriction, or that it was lifted; the link goes on as it is, and why it is down matters more."""
    before = context.session
    if before.link is LinkState.DISCONNECTED:
        return _announced(stimulus, context)
    is_known = before.reason is not None and before.reason.code is ReasonCode.RESTRICTED
    if not stimulus.is_active:
        lifted = replace(before, reason=None) if is_known else before
        return _announced(stimulus, context.of(lifted))
    reason = context.reason(ReasonCode.RESTRICTED, stimulus.restriction)
    if is_known and before.reason is not None and before.reason.facts == stimulus.restriction:
        return Dropped(why="already known")
    return _announced(stimulus, context.of(replace(before, reason=reason)))


def _announced(stimulus: Restricted, context: Context) -> Outcome:
    """Return what tells of it; for the messages (store/messaging/holding.py) it says more than is told."""
    kind = stimulus.restriction.kind
    data: dict[str, Json] = {
        "pid": context.session.pid,
        "reason": ReasonCode.RESTRICTED.value,
        "reason_detail": kind,
        "is_active": stimulus.is_active,
        "expires_at": stimulus.restriction.expires_at,
    }
    decision = "restricted by WhatsApp" if stimulus.is_active else "restriction lifted"
    outcome = Outcome(session=context.session, decision=decision).with_evidence(kind=kind)
    return outcome.with_event(Announcement(type="session.restricted", data=data))


def acknowledged(stimulus: MessageAcknowledged, context: Context) -> Outcome:
    """Tell what became of a message; which of ours it is, if any, the store adds."""
    data = {
        "message_id": stimulus.message_id,
        "to": stimulus.to,
        "error_code": "failed" if stimulus.fate == "failed" else None,
    }
    return Outcome(session=context.session).with_event(Announcement(type=f"message.{stimulus.fate}", data=data))


def event_received(stimulus: EngineEventReceived, context: Context) -> Outcome:
    """Hand an event of the engine on as it is."""
    announcement = Announcement(type=stimulus.type, data={"data": stimulus.data})
    return Outcome(session=context.session, announcements=(announcement,))


def link_check_requested(stimulus: LinkCheckRequested, context: Context) -> Outcome | Dropped:
    """Ask the engine itself what became of its link."""
    del stimulus
    launch = context.session.launch
    return Outcome(session=context.session, commands=(Observe(launch=launch),)) if launch else Dropped(why="no launch")


def webhooks_lost(stimulus: WebhooksLost, context: Context) -> Outcome:
    """Say what was lost; the link itself has just been asked for."""
    count = len(stimulus.events)
    outcome = Outcome(session=context.session, decision=f"{count} posts of the engine were lost while nobody listened")
    return outcome.with_evidence(count=count, events=", ".join(sorted(set(stimulus.events))))


def activity_seen(stimulus: ActivitySeen, context: Context) -> Outcome:
    """Remember when the engine last gave a sign of life; worth no write of its own."""
    del stimulus
    return Outcome(session=replace(context.session, last_seen_at=context.moment.at))


def _restart_once(context: Context, code: ReasonCode, facts: Facts | None = None) -> Outcome:
    """Restart once with the credentials kept; the second time give up and say why."""
    session = context.session
    if session.restarts.link_restarted:
        return stopping(context, Ending(after=After.FAIL, cause=code), facts)
    restarts = replace(session.restarts, link_restarted=True)
    ending = Ending(after=After.START_AGAIN, cause=code)
    return stopping(context.of(replace(session, restarts=restarts)), ending, facts)


def still_waiting(context: Context) -> Outcome:
    """Say what a session that is coming up waits for."""
    code, what = _awaited(context)
    reason = context.reason(code, StillWaiting(what=what, waited_s=SLOW_S))
    return Outcome(session=replace(context.session, reason=reason), decision=reason.detail)


def _awaited(context: Context) -> tuple[ReasonCode, WaitsFor]:
    """Return what is awaited, and the reason beside it: why it was launched, or what it will be ended for."""
    session = context.session
    if session.process is ProcessState.STARTING:
        cause = session.launch.cause if session.launch else ReasonCode.REQUESTED
        return cause, WaitsFor.PROCESS if session.pid is None else WaitsFor.ANSWER
    if is_paired(session):
        return _down_because(LinkReport.DISCONNECTED, context), WaitsFor.CONNECTION
    return ReasonCode.QR_NOT_PRODUCED, WaitsFor.CODE


def initializing_timed_out(context: Context) -> Outcome:
    """Wait on for a paired session; restart one that shows no code, once."""
    if is_paired(context.session):
        return _not_connected_yet(context, Deadline.INITIALIZING, context.policy.link.initializing_s)
    return _restart_once(context, ReasonCode.QR_NOT_PRODUCED)


def _not_connected_yet(context: Context, deadline: Deadline, limit_s: float) -> Outcome:
    reason = context.reason(ReasonCode.NETWORK, NotConnected(limit_s=limit_s))
    down = replace(context.session, link=LINKS[context.session.link, deadline], reason=reason)
    return Outcome(session=down, decision="no connection yet")


def is_paired(session: Session) -> bool:
    """Tell whether this session holds an account, so that a lost link is waited for rather than given up.

    One that shows codes holds none any more.
    """
    has_account = session.phone_number is not None or session.last_connected_at is not None
    return has_account and session.pairing_started_at is None


def code_expired(context: Context) -> Outcome:
    """Stop showing the code."""
    expired = context.session.qr
    remove = RemoveQr(sha256=expired.sha256 if expired else None)
    return Outcome(session=replace(context.session, qr=None), decision="code expired", commands=(remove,))


def pairing_window_closed(context: Context) -> Outcome:
    """End the engine: nobody scanned."""
    ending = Ending(after=After.STAY_STOPPED, cause=ReasonCode.QR_EXPIRED)
    return stopping(context, ending, NotScanned(window_s=context.policy.link.pairing_window_s))


def authenticating_timed_out(context: Context) -> Outcome:
    """Wait on for a paired session; restart one that was scanned just now, once."""
    if is_paired(context.session):
        return _not_connected_yet(context, Deadline.AUTHENTICATING, context.policy.link.authenticating_s)
    return _restart_once(context, ReasonCode.LINK_TIMEOUT)


def network_restart_due(context: Context) -> Outcome:
    """Restart the engine, once, since its link stays down."""
    return _restart_once(context, ReasonCode.NETWORK, LinkStayedDown(limit_s=context.policy.link.link_down_s))


def replaced_restart_due(context: Context) -> Outcome:
    """Restart the engine, once, after another device took its connection over."""
    return _restart_once(context, ReasonCode.REPLACED)
