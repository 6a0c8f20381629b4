"""What becomes of an account that has connected although another one was wanted: it is unlinked again."""

from dataclasses import replace

from openwa_manager.domain.session.commands import Observe, RemoveQr
from openwa_manager.domain.session.context import Context, Dropped, Outcome
from openwa_manager.domain.session.numbers import is_same_number
from openwa_manager.domain.session.reasons import ReasonCode
from openwa_manager.domain.session.session import After, Ending, LinkState
from openwa_manager.domain.session.stimuli import AccountUnlinked, LinkReported
from openwa_manager.domain.session.transition import stopping


def other_account(stimulus: LinkReported, context: Context) -> Outcome | Dropped | None:
    """Return what follows when the account that has connected is not the wanted one; None: it is, or any will do.

    A number that the engine does not tell yet is waited for; until then nothing counts as connected.
    """
    session = context.session
    wanted, found = session.wanted_number, stimulus.phone_number or session.phone_number
    if wanted is None or session.link is LinkState.CONNECTED:
        return None
    if found is None:
        return _wait_for_number(context)
    if is_same_number(wanted, found):
        return None
    return stopping(context, Ending(after=After.STAY_STOPPED, cause=ReasonCode.WRONG_NUMBER))


def _wait_for_number(context: Context) -> Outcome | Dropped:
    session = context.session
    if session.link is LinkState.AUTHENTICATING or session.launch is None:
        return Dropped(why="its number is not known yet")
    waiting = replace(session, link=LinkState.AUTHENTICATING, qr=None, reason=None)
    decision = "connected, but its number is not known yet"
    return Outcome(session=waiting, decision=decision, commands=(RemoveQr(), Observe(launch=session.launch)))


def account_unlinked(stimulus: AccountUnlinked, context: Context) -> Outcome:
    """Let any account be linked from now on: the one that was not wanted is gone."""
    del stimulus
    session = replace(context.session, wanted_number=None)
    return Outcome(session=session, decision="the account of another number was unlinked")
