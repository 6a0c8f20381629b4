"""Which build a session's next launch runs: what it pins, else the default, unless a roll-out is moving it."""

from collections.abc import Mapping

from openwa_manager.domain.builds.builds import HOME_BUILD, BuildName
from openwa_manager.domain.builds.rollouts import Rollout
from openwa_manager.domain.session.session import Session, SessionId
from openwa_manager.engines.registry import OPENWA


class BuildChoices:
    """Read by whoever launches an engine; written by the owner of the default and of the roll-outs only."""

    def __init__(self) -> None:
        self.default: BuildName = HOME_BUILD
        self._moved: Mapping[SessionId, BuildName] = {}

    def follow(self, rollout: Rollout | None) -> None:
        """Have sessions that a roll-out has touched run its build; None: there is none under way."""
        is_under_way = rollout is not None and not rollout.is_over
        self._moved = dict.fromkeys(rollout.moved, rollout.build) if rollout is not None and is_under_way else {}

    def of(self, session: Session) -> BuildName | None:
        """Return the build that the session's next launch runs; None for an engine that is no OpenWA."""
        if session.spec.engine != OPENWA:
            return None
        return self._moved.get(session.session_id) or self.without_rollout(session)

    def without_rollout(self, session: Session) -> BuildName:
        """Return what the session would run if nobody were moving it."""
        return self.default if session.spec.build is None else BuildName(session.spec.build)
