"""Builds what installs builds of OpenWA and moves sessions from one to another."""

import os

from openwa_manager.api.builds.builds import BuildDependencies
from openwa_manager.config.policies import isolation_rules, program_values, session_policy
from openwa_manager.engines.builds.steps import StepMaker
from openwa_manager.parts.basis import Basis
from openwa_manager.parts.hosting import Hosting
from openwa_manager.parts.sessions import SessionParts
from openwa_manager.processes.confinement.support import system_support
from openwa_manager.services.builds.catalog import BuildCatalog
from openwa_manager.services.builds.installer import Installer
from openwa_manager.services.builds.making import InstallTools
from openwa_manager.services.builds.moving import RolloutPatience, RolloutRecords, RolloutSessions
from openwa_manager.services.builds.removal import BuildRemoval
from openwa_manager.services.builds.rollouts import Rollouts
from openwa_manager.services.delivery.background import BackgroundTasks


def build_builds(
    basis: Basis, hosting: Hosting, sessions: SessionParts, background: BackgroundTasks
) -> BuildDependencies:
    """Build what handles builds; nothing is read yet."""
    settings, support = basis.settings, system_support()
    choices = sessions.dependencies.builds
    catalog = BuildCatalog(basis.database, choices, basis.home.builds, settings.openwa_home)
    tools = InstallTools(
        runner=hosting.launcher.tools,
        maker=StepMaker(
            environ=os.environ,
            rules=isolation_rules(settings, support),
            needs_browser=settings.engine_type != "baileys",
        ),
        programs=program_values(settings, os.environ),
        min_free_disk_bytes=settings.min_free_disk_bytes,
        unconfined_why=None if support.is_possible else support.what,
    )
    link = session_policy(settings).link
    rollouts = Rollouts(
        catalog,
        RolloutSessions(directory=sessions.directory, requests=sessions.requests, choices=choices),
        RolloutRecords(database=basis.database, audit=basis.audit, background=background),
        basis.clock,
        RolloutPatience(back_within_s=link.boot_timeout_s + link.initializing_s),
    )
    installer = Installer(catalog, tools, basis.clock, basis.home.builds)
    return BuildDependencies(
        programs=tools.programs,
        repository=settings.openwa_repository,
        catalog=catalog,
        installer=installer,
        rollouts=rollouts,
        removal=BuildRemoval(catalog, installer, sessions.directory.iterate, lambda: rollouts.active, background),
    )
