"""What is read here of the API's answers about builds, and how it is drawn for people."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypedDict

from openwa_manager.cli.terminal.output import megabytes, moment, record, table
from openwa_manager.cli.terminal.progress import bar
from openwa_manager.cli.terminal.tables import Column, ColumnKind, Listing

if TYPE_CHECKING:
    from openwa_manager.domain.delivery.events import Json

PATH, ROLLOUTS = "/v1/builds", "/v1/builds/rollouts"
#: The build of the setting `openwa_home`, and the word for whichever is the default.
HOME, DEFAULT = "openwa_home", "default"
_ENDED = ("done", "rolled_back")
_SETTLED = ("moved", "returned")


class InstallProgress(TypedDict):
    """How far an installation is."""

    step: str
    line: str


class Check(TypedDict):
    """One thing that was looked at in a build."""

    name: str
    result: str
    detail: str


class Checked(TypedDict):
    """What was looked at in what is not installed."""

    checks: Sequence[Check]


class Build(TypedDict):
    """A build."""

    version: str
    state: str
    openwa_version: str | None
    source: str
    error: str | None
    warnings: Sequence[str]
    progress: InstallProgress | None
    size_bytes: int | None
    session_count: int
    pinned_by: Sequence[str]
    is_default: bool
    installed_at: str | None
    checks: Sequence[Check] | None


class RolloutMove(TypedDict):
    """One session of a roll-out."""

    session_id: str
    state: str
    detail: str | None


class Rollout(TypedDict):
    """A roll-out."""

    id: str
    version: str
    former: str
    is_default: bool
    state: str
    detail: str | None
    sessions: Sequence[RolloutMove]


class Builds(TypedDict):
    """All builds."""

    builds: Sequence[Build]
    default: str
    former: str | None
    rollout: Rollout | None


def is_over(rollout: Rollout) -> bool:
    """Tell whether a roll-out has ended."""
    return rollout["state"] in _ENDED


_COLUMNS = (
    Column("BUILD", 9, ColumnKind.ID),
    Column("STATE", 8, ColumnKind.STATUS),
    Column("OPENWA", 5, ColumnKind.CODE),
    Column("SESSIONS", 6, ColumnKind.COUNT),
    Column("SIZE", 3, ColumnKind.SIZE),
    Column("INSTALLED", 2, ColumnKind.TIME),
    Column("NOTE", 7),
)


def listed_builds(answer: Builds) -> Listing:
    """Return all builds as a table, and what becomes of the roll-out that is under way."""
    rows = [
        (
            each["version"],
            each["state"],
            each["openwa_version"],
            each["session_count"],
            each["size_bytes"],
            each["installed_at"],
            _remark(each, answer),
        )
        for each in answer["builds"]
    ]
    rollout = answer["rollout"]
    under_way = said_of_rollout(rollout) if rollout is not None and not is_over(rollout) else ""
    return Listing(_COLUMNS, rows, "no builds", under_way)


def _remark(build: Build, answer: Builds) -> str | None:
    if build["progress"] is not None:
        return build["progress"]["step"]
    if build["error"] is not None:
        return build["error"].partition("\n")[0]
    remarks = (
        "default" if build["is_default"] else "",
        "rollback goes here" if build["version"] == answer["former"] else "",
        f"{len(build['pinned_by'])} pin it" if build["pinned_by"] else "",
    )
    return ", ".join(filter(None, remarks))


def drawn_build(build: Build) -> str:
    """Return one build, with what was looked at in it."""
    facts: dict[str, Json] = {
        "build": build["version"],
        "state": build["state"],
        "version": build["openwa_version"],
        "from": build["source"],
        "sessions": build["session_count"],
        "pinned by": list(build["pinned_by"]),
        "installed": moment(build["installed_at"]),
        "size": megabytes(build["size_bytes"]),
        "warnings": list(build["warnings"]),
        "error": build["error"],
    }
    below = f"\n\n{drawn_checks(build['checks'])}" if build["checks"] else ""
    return f"{record({name: value for name, value in facts.items() if value})}{below}"


def drawn_checks(checks: Sequence[Check]) -> str:
    """Return what was looked at in a build, and what was found."""
    return table(("CHECK", "RESULT", "FOUND"), [(each["name"], each["result"], each["detail"]) for each in checks])


def said_of_install(build: Build) -> str:
    """Return how far an installation is, in one line."""
    progress = build["progress"]
    return build["state"] if progress is None else " · ".join(filter(None, (progress["step"], progress["line"])))


def said_of_rollout(rollout: Rollout) -> str:
    """Return how far a roll-out is, in one line."""
    counts = Counter(each["state"] for each in rollout["sessions"])
    now = next((each["session_id"] for each in rollout["sessions"] if each["state"] in ("moving", "returning")), "")
    done = sum(counts[state] for state in _SETTLED)
    verb = "going back from" if rollout["state"] == "halted" else "moving to"
    return " · ".join(filter(None, (f"{verb} {rollout['version']} {bar(done, len(rollout['sessions']))}", now)))


def drawn_rollout(rollout: Rollout) -> str:
    """Return what became of a roll-out."""
    counts = Counter(each["state"] for each in rollout["sessions"])
    if rollout["state"] == "done":
        told = f"{_sessions(counts['moved'])} on {rollout['version']}"
        return f"{told}, which is the default now" if rollout["is_default"] else f"{told}, which is pinned"
    if rollout["state"] == "rolled_back":
        back = [each for each in rollout["sessions"] if each["state"] == "returned"]
        lines = [f"rolled back after {len(back)} of {_sessions(len(rollout['sessions']))}: {rollout['detail']}"]
        lines += [f"  {each['session_id']}: {each['detail']}" for each in back if each["detail"]]
        return "\n".join(lines)
    return said_of_rollout(rollout)


def _sessions(count: int) -> str:
    return f"{count:,} session{'' if count == 1 else 's'}"
