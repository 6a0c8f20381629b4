"""What was there first, and is handed to every builder of parts."""

from importlib import metadata

from openwa_manager.config import Settings
from openwa_manager.domain.values import dataclass
from openwa_manager.host.clock import SystemClock
from openwa_manager.host.foreign.engine_files import EngineFiles
from openwa_manager.host.home import Home
from openwa_manager.services.access.audit import Audit
from openwa_manager.services.changes import Changes
from openwa_manager.services.host_state import HostState
from openwa_manager.services.messaging.generations import Generations
from openwa_manager.store.backup.generation_file import GenerationFile
from openwa_manager.store.database import Database

VERSION = metadata.version("openwa-manager")


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """What was there first; `changes` and `host_state` are shared by those who write and those who read them."""

    settings: Settings
    home: Home
    clock: SystemClock
    database: Database
    files: EngineFiles
    changes: Changes
    host_state: HostState
    generations: Generations
    audit: Audit


def build_basis(settings: Settings, home: Home, clock: SystemClock, database: Database) -> Basis:
    """Gather what is there first; nothing is done yet."""
    return Basis(
        settings=settings,
        home=home,
        clock=clock,
        database=database,
        files=EngineFiles(),
        changes=Changes(),
        host_state=HostState(clock),
        generations=Generations(database, clock, GenerationFile(home.generation)),
        audit=Audit(database, clock, is_required=settings.audit_required),
    )
