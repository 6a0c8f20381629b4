"""What is counted as it happens, since the daemon's start; each tally is kept by whoever makes it happen."""

from collections import Counter
from collections.abc import Mapping, Sequence
from enum import StrEnum
from http import HTTPStatus

from openwa_manager.domain.session.decisions import Moved
from openwa_manager.domain.session.reasons import ReasonCode
from openwa_manager.domain.session.session import LinkState, ProcessState, Session, SessionId, Usage
from openwa_manager.metrics.durations import DELIVERY_S, LOOP_LAG_S, PAIR_S, QR_PUSH_S, SEND_HOLD_S, START_S, Durations

#: The statuses that have a name, and so a label of their own. Others are counted as one: engines choose theirs freely.
_STATUSES = {each.value: str(each.value) for each in HTTPStatus}
_OTHER = "other"


def status_label(status: int) -> str:
    """Return what an HTTP status is counted as."""
    return _STATUSES.get(status, _OTHER)


class SendTally:
    """What is counted of sends.

    `hold` is how long messages waited for their first attempt, `lateness` how long a send came after its gap was over.
    """

    def __init__(self) -> None:
        self.statuses: Counter[str] = Counter()
        self.hold = Durations(SEND_HOLD_S)
        self.lateness = Durations(LOOP_LAG_S)

    def note_answer(self, http_status: int | None) -> None:
        """Count an answer of an engine; None: there was none."""
        self.statuses["none" if http_status is None else status_label(http_status)] += 1


class DeliveryResult(StrEnum):
    """What became of one attempt to deliver an event."""

    DELIVERED = "delivered"
    FAILED = "failed"  #: it is tried again
    DEAD = "dead"  #: given up, and kept for replay
    GONE = "gone"  #: the endpoint wants nothing more
    EXPIRED = "expired"  #: a code that is not shown any more, so nothing was sent


class DeliveryTally:
    """What is counted of deliveries.

    `delay` is how long events took until an endpoint had accepted them, `qr_push` the same of codes.
    """

    def __init__(self) -> None:
        self.results: Counter[DeliveryResult] = Counter()
        self.delay = Durations(DELIVERY_S)
        self.qr_push = Durations(QR_PUSH_S)

    def note_delivered(self, seconds: float, *, is_code: bool) -> None:
        """Count an event that was accepted, and how long after it had happened."""
        self.results[DeliveryResult.DELIVERED] += 1
        self.delay.note(seconds)
        if is_code:
            self.qr_push.note(seconds)


class SessionTally:
    """What is counted of the sessions' lives, from each of their moves: what heals between two scrapes counts too.

    `link_drops` by the reason that the session then has; where that is a code which the engine is said to show, only
    once something else follows, for that may have been asked before the link came up. `pairing` is how long it took
    from the first code until the account was linked, `starts` from an engine's launch until it answered.
    """

    def __init__(self) -> None:
        self.link_drops: Counter[str] = Counter()
        self._unproven: set[SessionId] = set()
        self.codes = 0
        self.pairing = Durations(PAIR_S)
        self.starts = Durations(START_S)

    def note(self, moves: Sequence[Moved]) -> None:
        """Count what these moves come to."""
        for before, after in moves:
            self.codes += max(0, after.qr_seq - before.qr_seq)
            if after.link is not before.link:
                self._note_link(before, after)
            if before.process is ProcessState.STARTING and after.process is ProcessState.RUNNING:
                self._note_start(after)

    def _note_link(self, before: Session, after: Session) -> None:
        if after.session_id in self._unproven:
            self._unproven.discard(after.session_id)
            if after.link is not LinkState.CONNECTED:
                self.link_drops[ReasonCode.LOGGED_OUT] += 1
        if before.link is LinkState.CONNECTED:
            code = after.reason.code if after.reason else ReasonCode.REQUESTED
            if code is ReasonCode.LOGGED_OUT and after.link is LinkState.DISCONNECTED:
                self._unproven.add(after.session_id)
            else:
                self.link_drops[code] += 1
        elif after.link is LinkState.CONNECTED and before.pairing_started_at is not None:
            self.pairing.note(after.updated_at - before.pairing_started_at)

    def _note_start(self, session: Session) -> None:
        is_own = session.launch is not None and session.launch.cause is not ReasonCode.ADOPTED
        if is_own and session.started_at is not None:
            self.starts.note(session.updated_at - session.started_at)


class RequestTally:
    """How many requests were answered, by route (as `/openapi.json` writes it) and HTTP status."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()

    def note(self, route: str, status: int) -> None:
        """Count an answer."""
        self.counts[route, status_label(status)] += 1


class EngineCpu:
    """The processor time of all engines ever measured, in seconds: what ended ones have used stays."""

    def __init__(self) -> None:
        self.total_s = 0.0
        self._by_session: dict[SessionId, float] = {}

    def add(self, measured: Mapping[SessionId, Usage]) -> None:
        """Add what was used since the measurement before."""
        for session_id, usage in measured.items():
            self.total_s += usage.cpu_s
            self._by_session[session_id] = self._by_session.get(session_id, 0.0) + usage.cpu_s

    def of(self, session_id: SessionId) -> float:
        """Return what the engines of one session have used."""
        return self._by_session.get(session_id, 0.0)

    def forget(self, session_id: SessionId) -> None:
        """Forget a session that is deleted; the total keeps what it used."""
        self._by_session.pop(session_id, None)
