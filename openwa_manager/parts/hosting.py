"""Builds what starts, ends and measures the engines' processes."""

import os
from collections.abc import Mapping
from functools import partial

from openwa_manager.config.policies import (
    isolation_rules,
)
from openwa_manager.domain.ports import Engine
from openwa_manager.domain.values import dataclass
from openwa_manager.engines.environment import EngineContext
from openwa_manager.engines.openwa import OpenwaEngine
from openwa_manager.engines.recipe import EngineValues
from openwa_manager.engines.registry import build_engines, is_engine
from openwa_manager.parts.basis import Basis
from openwa_manager.processes.confinement.support import system_support
from openwa_manager.processes.launcher import HostLauncher
from openwa_manager.processes.locks import SessionLocks
from openwa_manager.processes.reading.listeners import EngineListeners
from openwa_manager.processes.usage import UsageMeter
from openwa_manager.services.starting.capacity import HostCapacity
from openwa_manager.services.starting.start_gate import StartGate
from openwa_manager.store.delivery.kept_changes import StoredChanges


@dataclass(frozen=True, slots=True, kw_only=True)
class Hosting:
    """What starts, ends and measures the engines' processes."""

    meter: UsageMeter
    launcher: HostLauncher
    gate: StartGate
    engines: Mapping[str, Engine]


def build_hosting(basis: Basis) -> Hosting:
    """Build what handles processes; nothing runs yet."""
    settings, clock = basis.settings, basis.clock
    meter = UsageMeter(clock)
    capacity = HostCapacity(
        disk=basis.home.sessions,
        min_memory_bytes=settings.min_free_memory_bytes,
        min_disk_bytes=settings.min_free_disk_bytes,
    )
    locks = SessionLocks(basis.home.locks, basis.home.former_locks)
    recognizes = partial(is_engine, command_argv=settings.command_argv)
    return Hosting(
        meter=meter,
        launcher=HostLauncher(locks, clock, basis.files, meter.members_of, settings.exit_sweep_s, recognizes),
        gate=StartGate(clock, settings.start_concurrency, settings.start_spacing_s, capacity.find_shortage),
        engines=_build_engines(basis),
    )


def _build_engines(basis: Basis) -> Mapping[str, Engine]:
    settings = basis.settings
    context = EngineContext(
        environ=os.environ,
        intake_url=f"http://{settings.intake_listen}",
        proof=EngineListeners(),
        engine_env=settings.engine_env,
        logs_root=settings.logs_path,
        isolation=isolation_rules(settings, system_support()),
        changes=StoredChanges(basis.database),
    )
    values = EngineValues(
        clock=basis.clock,
        files=basis.files,
        context=context,
        send_timeout_s=settings.send_timeout_s,
        answer_timeout_s=max(5.0, settings.probe_timeout_s),  # never less than a probe allows it
        node=settings.node,
        openwa_home=settings.openwa_home,
        builds=basis.home.builds,
        engine_type=settings.engine_type,
        command_argv=settings.command_argv,
        command_env=settings.command_env,
    )
    return build_engines(values)


def openwa_engines(engines: Mapping[str, Engine]) -> Mapping[str, OpenwaEngine]:
    """Return the engines that are OpenWA, by name."""
    return {name: engine for name, engine in engines.items() if isinstance(engine, OpenwaEngine)}
