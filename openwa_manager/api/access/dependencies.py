"""What the calls about access work with."""

from openwa_manager.domain.values import dataclass
from openwa_manager.services.access.keys import Keys


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessDependencies:
    """The parts of the daemon that tell who may do what."""

    keys: Keys
