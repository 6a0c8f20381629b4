"""Builds what takes in what comes back about messages: proof that comes late, known chats, opt-outs."""

from functools import partial

from openwa_manager.domain.values import dataclass
from openwa_manager.engines.mapping import read_sent
from openwa_manager.parts.basis import Basis
from openwa_manager.parts.messaging import MessagingParts
from openwa_manager.parts.sessions import SessionParts
from openwa_manager.services.changes import MessageLeft
from openwa_manager.services.messaging.evidence import Evidence, EvidenceParts
from openwa_manager.services.messaging.known_chats import KnownChats
from openwa_manager.services.messaging.opt_outs import OptOuts


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofParts:
    """What waits for word about messages and people."""

    evidence: Evidence
    known_chats: KnownChats
    opt_outs: OptOuts


def build_proofs(basis: Basis, sessions: SessionParts, messaging: MessagingParts) -> ProofParts:
    """Build them, and let them hear of what they wait for; nothing runs yet."""
    records, clock, reach = messaging.records, basis.clock, messaging.reach.reach
    parts = ProofParts(
        evidence=Evidence(EvidenceParts(records=records, clock=clock, reach=reach, wake=messaging.queues.wake)),
        known_chats=KnownChats(records, clock, reach, sessions.directory.iterate),
        opt_outs=OptOuts(records, clock),
    )
    for subscriber in (parts.evidence.note, parts.known_chats.note, parts.opt_outs.note):
        basis.changes.events_stored.subscribe(subscriber)
    basis.changes.message_left.subscribe(partial(_note_left, parts.evidence))
    return parts


def _note_left(evidence: Evidence, left: MessageLeft) -> None:
    seen = read_sent("message.sent", left.data)
    if seen is not None:
        evidence.note_seen(left.session_id, seen)
