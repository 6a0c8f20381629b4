"""A whole campaign on real processes: links sessions, hands messages over, kills meanwhile, reads all accounts."""

import random
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from openwa_manager.domain.delivery.events import Json
from tests.e2e.peers.daemon import SCANNED, Daemon
from tests.e2e.peers.upstream import Upstream
from tests.fakes.ports import free_ports
from tests.messages.callers import Caller, ask
from tests.messages.judge import Evidence, Verdict, judge
from tests.messages.kills import Killer
from tests.messages.plan import SessionPlan
from tests.messages.truth import Break, LedgerRow, read_books, row_of

SEND_TIMEOUT_S = 2.0
#: A daemon that does all it should, sooner than by default.
_SETTINGS = {
    "SEND_TIMEOUT_S": str(SEND_TIMEOUT_S),
    "MESSAGE_RETRY_S": "[0.3, 1, 3]",
    "CONTACT_CHECK_GAP_S": "0.01",
    "BATCH_PROGRESS_S": "1",
    "DELIVERY_SCHEDULE_S": f"[{', '.join(['0.05'] * 500)}]",
    "LOG_LEVEL": "info",
}
_ENGINE_ENV = {
    **SCANNED,
    "SIMULATE_TYPING": "false",
    "SIM_RECONNECT_S": "0.1",
    "SIM_OPEN_S": "0.05",
    "SIM_RESTRICTED_S": "1.5",
    "WEBHOOK_RETRY_DELAY": "300",
}
#: Holds that only a person ends, and that this one ends at once.
_FOR_A_PERSON = frozenset({"opt_out_flood", "number_changed", "awaiting_acks"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How much of everything; the gap is drawn between both ends."""

    daemon_kills: int = 0
    engine_kills: int = 0
    spread_s: float = 20.0
    gap_min_s: float = 0.02
    gap_max_s: float = 0.05
    done_within_s: float = 150.0


@dataclass
class Campaign:
    """One daemon, its sessions, and what is known of their messages."""

    home: Path
    daemon: Daemon
    upstream: Upstream
    plan: Sequence[SessionPlan]
    scale: Scale
    seed: int
    callers: list[Caller] = field(default_factory=list)
    breaks: list[Break] = field(default_factory=list)
    _is_over: bool = False

    def link(self) -> None:
        """Create the sessions and wait until all are linked."""
        for session in self.plan:
            self.daemon.create(session.session_id, env=dict(session.engine_env))
        for session in self.plan:
            self.daemon.until(session.session_id, "connected", within_s=90)

    def run(self) -> None:
        """Hand everything over, kill meanwhile, and return once nothing waits any more."""
        killer = self._killer()
        self.callers = [self._caller(session) for session in self.plan]
        runs = (*(each.run for each in self.callers), killer.run)
        threads = [threading.Thread(target=run, daemon=True) for run in runs]
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + self.scale.spread_s + self.scale.done_within_s
        while any(thread.is_alive() for thread in threads) and time.monotonic() < deadline:
            time.sleep(1.0)
            for session in self.plan:
                self._play_person(f"/v1/sessions/{session.session_id}")
        self._is_over = True
        assert not any(thread.is_alive() for thread in threads), "it took too long to hand over, or to kill"
        self.breaks += killer.breaks
        self.wait_until_done()

    def wait_until_done(self) -> None:
        """Return once every message is final, or there is no more time."""
        deadline = time.monotonic() + self.scale.done_within_s
        while time.monotonic() < deadline and not self._is_done():
            time.sleep(0.25)

    def wait_until_told(self) -> None:
        """Return once the backend has been told everything, or there is no more time."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            self.daemon.ask("POST", "/v1/endpoints/default/resume")
            if not self.daemon.ask("GET", "/v1/deliveries?state=pending").body["deliveries"]:
                return
            time.sleep(0.3)

    def verdict(self) -> Verdict:
        """Return what all accounts come to."""
        return judge(self.evidence())

    def evidence(self) -> Evidence:
        """Read all accounts."""
        sessions = [session.session_id for session in self.plan]
        return Evidence(
            wanted=[message for caller in self.callers for message in caller.wanted],
            accepted=[message for caller in self.callers for message in caller.accepted],
            ledger=[row for session_id in sessions for row in self.ledger_of(session_id)],
            books=[entry for session_id in sessions for entry in read_books(self.home, session_id)],
            breaks=self.breaks,
            events=_once(self.upstream.received),
            gap_min_s=self.scale.gap_min_s,
            patience_s=SEND_TIMEOUT_S,
            replays=frozenset(each.session_id for each in self.plan if each.engine_env.get("SIM_REPLAY") == "answer"),
        )

    def ledger_of(self, session_id: str, query: str = "") -> list[LedgerRow]:
        """Return the messages of a session as the daemon shows them."""
        rows: list[LedgerRow] = []
        cursor = ""
        while True:
            page = self.daemon.ask("GET", f"/v1/sessions/{session_id}/messages?limit=1000{query}{cursor}").body
            shown = page["messages"]
            assert isinstance(shown, list)
            rows += [row_of(each) for each in shown if isinstance(each, dict)]
            if page["next_cursor"] is None:
                return rows
            cursor = f"&cursor={page['next_cursor']}"

    def refusals(self) -> list[str]:
        """Return the answers to calls that nobody expected."""
        return [each for caller in self.callers for each in caller.refusals]

    def _is_done(self) -> bool:
        for session in self.plan:
            path = f"/v1/sessions/{session.session_id}"
            open_ = ask(self.daemon, "GET", f"{path}/messages?status=queued&status=sending&limit=1")
            if open_ is None or open_.status != 200:
                return False
            if open_.body["messages"]:
                self._play_person(path)
                return False
        return True

    def _play_person(self, path: str) -> None:
        queue = ask(self.daemon, "GET", f"{path}/queue")
        hold = queue.body.get("hold") if queue is not None and queue.status == 200 else None
        if isinstance(hold, dict) and hold["code"] in _FOR_A_PERSON:
            ask(self.daemon, "PATCH", f"{path}/queue", {"state": "active"})

    def _caller(self, session: SessionPlan) -> Caller:
        chance = random.Random(f"{self.seed} caller {session.session_id}")  # noqa: S311 (a run is to be repeatable)
        return Caller(
            daemon=self.daemon,
            plan=session,
            spread_s=self.scale.spread_s,
            chance=chance,
            is_over=lambda: self._is_over,
        )

    def _killer(self) -> Killer:
        return Killer(
            daemon=self.daemon,
            sessions=[session.session_id for session in self.plan],
            daemon_kills=self.scale.daemon_kills,
            engine_kills=self.scale.engine_kills,
            spread_s=self.scale.spread_s,
            chance=random.Random(f"{self.seed} killer"),  # noqa: S311 (a run is to be repeatable)
        )


@contextmanager
def campaign(home: Path, plan: Sequence[SessionPlan], scale: Scale, seed: int) -> Iterator[Campaign]:
    """Yield a campaign whose sessions are linked; leaving it ends all of its processes."""
    with Upstream(free_ports(1)[0]) as upstream:
        settings = {
            **_SETTINGS,
            **upstream.settings,
            "MESSAGE_GAP_MIN_S": str(scale.gap_min_s),
            "MESSAGE_GAP_MAX_S": str(scale.gap_max_s),
        }
        with Daemon(home=home, settings=settings, engine_env=_ENGINE_ENV) as daemon:
            campaign = Campaign(home=home, daemon=daemon, upstream=upstream, plan=plan, scale=scale, seed=seed)
            campaign.link()
            yield campaign


def _once(received: Sequence[Mapping[str, Json]]) -> list[Mapping[str, Json]]:
    """Return each event once: deliveries repeat."""
    return [*{str(event["id"]): event for event in list(received)}.values()]
