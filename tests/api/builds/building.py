"""What the routes of builds work with, in a world; nothing is installed or moved unless a test runs it."""

from pathlib import Path

from openwa_manager.api.builds.builds import BuildDependencies
from openwa_manager.domain.isolation import IsolationRules
from openwa_manager.engines.builds.steps import StepMaker
from openwa_manager.engines.program import ProgramValues
from openwa_manager.processes.launcher import HostLauncher
from openwa_manager.services.builds.catalog import BuildCatalog
from openwa_manager.services.builds.installer import Installer
from openwa_manager.services.builds.making import InstallTools
from openwa_manager.services.builds.moving import RolloutPatience, RolloutRecords, RolloutSessions
from openwa_manager.services.builds.removal import BuildRemoval
from openwa_manager.services.builds.rollouts import Rollouts
from openwa_manager.services.starting.dependencies import Dependencies


def builds_of(
    home: Path,
    dependencies: Dependencies,
    launcher: HostLauncher,
    sessions: RolloutSessions,
    records: RolloutRecords,
) -> BuildDependencies:
    """Build what the routes use; the folder of builds is in `home`."""
    programs = ProgramValues(
        node="node", openwa_home=home / "openwa", builds=home / "builds", command_argv=(), environ={"PATH": ""}
    )
    database, clock = dependencies.database, dependencies.clock
    catalog = BuildCatalog(database, dependencies.builds, programs.builds, programs.openwa_home)
    tools = InstallTools(
        runner=launcher.tools,
        maker=StepMaker(environ=programs.environ, rules=IsolationRules()),
        programs=programs,
        unconfined_why="nothing is installed",
    )
    installer = Installer(catalog, tools, clock, programs.builds)
    rollouts = Rollouts(
        catalog,
        sessions,
        records,
        clock,
        RolloutPatience(back_within_s=20.0),
    )
    every = sessions.directory.iterate
    removal = BuildRemoval(catalog, installer, every, lambda: rollouts.active, records.background)
    return BuildDependencies(
        catalog=catalog,
        installer=installer,
        rollouts=rollouts,
        removal=removal,
        programs=programs,
        repository="https://example.com/openwa",
    )
