"""The command `engine`: builds of OpenWA on the daemon's host, and which one sessions run."""

import argparse
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, cast

from openwa_manager.cli.command import Command, Invocation, declare_all
from openwa_manager.cli.commands.engine.answers import (
    DEFAULT,
    HOME,
    PATH,
    ROLLOUTS,
    Build,
    Builds,
    Checked,
    Rollout,
    drawn_build,
    drawn_checks,
    drawn_rollout,
    is_over,
    listed_builds,
    said_of_install,
    said_of_rollout,
)
from openwa_manager.cli.commands.messaging.waiting import wait_until
from openwa_manager.cli.errors import FAILED, CommandFailedError, UsageError, complain

if TYPE_CHECKING:
    from openwa_manager.domain.delivery.events import Json

#: A release; whatever else is named must be installed to be looked at.
_VERSION = re.compile(r"v?\d{1,6}\.\d{1,6}\.\d{1,6}")
#: Longer than any installation, or roll-out, that the daemon lets go on.
_WAIT_S = 6 * 3600.0


def _list(invocation: Invocation) -> None:
    answer = invocation.client.get(PATH)
    invocation.output.show_list(answer, lambda: listed_builds(cast("Builds", answer)))


def _install(invocation: Invocation) -> int | None:
    given = invocation.arguments
    body = _source(given.source, given.from_git)
    begun = invocation.client.post(PATH, body=body if given.name is None else {**body, "name": given.name})
    name = cast("Build", begun)["version"]
    if given.no_wait:
        invocation.output.show(begun, lambda: f"{name} is being installed; `openwa-manager engine list` tells how far")
        return None
    ended = wait_until(
        lambda: invocation.client.get(f"{PATH}/{name}"),
        lambda answer: cast("Build", answer)["state"] != "installing",
        lambda answer: f"{name}: {said_of_install(cast('Build', answer))}",
        _WAIT_S,
    )
    build = cast("Build", ended)
    if build["state"] != "ready":
        raise CommandFailedError(f"{name} was not installed: {build['error'] or build['state']}")
    invocation.output.show(ended, lambda: f"{drawn_build(build)}\n\nrun it with: openwa-manager engine use {name}")
    return None


def _source(words: str | None, git: str | None) -> dict[str, "Json"]:
    """Return what is to be installed.

    Raises:
        UsageError: nothing is named, or two things are.
    """
    if (words is None) == (git is None):
        raise UsageError("say what to install: a VERSION, a PATH, or --from-git URL#REF")
    if git is not None:
        return {"git": git}
    assert words is not None  # noqa: S101 (one of the two is given)
    return {"path": _absolute(words)} if _is_path(words) else {"version": words.removeprefix("v")}


def _is_path(words: str) -> bool:
    return os.sep in words or words in (".", "..") or Path(words).is_dir()


def _absolute(words: str) -> str:
    return str(Path(words).expanduser().absolute())


def _check(invocation: Invocation) -> int | None:
    words = invocation.arguments.build
    if words is not None and _is_path(words):
        return _checked(invocation, {"path": _absolute(words)})
    known = cast("Builds", invocation.client.get(PATH))
    name = known["default"] if words is None else words
    is_here = words is None or name in {each["version"] for each in known["builds"]}
    if not is_here and _VERSION.fullmatch(name):
        return _checked(invocation, {"version": name.removeprefix("v")})
    answer = invocation.client.get(f"{PATH}/{_spelled(name)}")
    build = cast("Build", answer)
    invocation.output.show(answer, lambda: drawn_build(build))
    is_bad = build["state"] != "ready" or any(each["result"] == "failed" for each in build["checks"] or ())
    return FAILED if is_bad else None


def _checked(invocation: Invocation, source: dict[str, "Json"]) -> int | None:
    """Show what was looked at in what is not installed: a folder there, or a version by its number."""
    answer = invocation.client.post(f"{PATH}/check", body=source)
    checks = cast("Checked", answer)["checks"]
    below = _way_on(source, {each["name"] for each in checks if each["result"] == "failed"})
    invocation.output.show(answer, lambda: "\n\n".join(filter(None, (drawn_checks(checks), below))))
    return FAILED if any(each["result"] == "failed" for each in checks) else None


def _way_on(source: dict[str, "Json"], failed: set[str]) -> str:
    """Return what is said below the checks of what is not installed; of a folder only if installing would mend it."""
    if version := source.get("version"):
        return f"{version} is not installed; to have the rest looked at: openwa-manager engine install {version}"
    return "" if failed - {"program"} else f"it can be installed: openwa-manager engine install {source['path']}"


def _use(invocation: Invocation) -> int | None:
    given = invocation.arguments
    if given.build == DEFAULT and not given.session:
        raise UsageError("`default` takes pins away: say of which sessions, with --session ID")
    if given.canary is not None and given.canary < 1:
        raise UsageError("--canary must be 1 at least")
    if given.session and not (given.rolling or given.canary):
        _pin(invocation, None if given.build == DEFAULT else given.build)
        return None
    if given.build == DEFAULT:
        raise UsageError("with `default` sessions take it at their next launch: leave out --rolling and --canary")
    body: dict[str, Json] = {"version": given.build, "canary": given.canary or 1}
    return _follow(invocation, invocation.client.post(ROLLOUTS, body={**body, **_named(given.session)}))


def _named(session_ids: "list[str] | None") -> dict[str, "Json"]:
    return {"sessions": list(session_ids)} if session_ids else {}


def _pin(invocation: Invocation, build: str | None) -> None:
    from openwa_manager.domain.session.session import is_session_id

    for session_id in invocation.arguments.session:
        if not is_session_id(session_id):
            raise UsageError(f"{session_id!r} is no session's id")
    answers: list[Json] = [
        invocation.client.patch(f"/v1/sessions/{session_id}", {"build": build})
        for session_id in invocation.arguments.session
    ]
    told = f"pin {build}" if build is not None else "run whichever build is the default"
    ids = ", ".join(invocation.arguments.session)
    invocation.output.show(answers, lambda: f"{ids}: {told} from the next launch on (--rolling: now)")


def _rollback(invocation: Invocation) -> int | None:
    known = cast("Builds", invocation.client.get(PATH))
    rollout = known["rollout"]
    if rollout is not None and not is_over(rollout):
        if rollout["state"] != "halted":
            invocation.client.delete(f"{ROLLOUTS}/{rollout['id']}")
        return _follow(invocation, invocation.client.get(f"{ROLLOUTS}/{rollout['id']}"), is_wanted_back=True)
    if known["former"] is None:
        raise CommandFailedError(f"there is no build to go back to: {known['default']} was always the default")
    return _follow(invocation, invocation.client.post(ROLLOUTS, body={"version": known["former"]}))


def _follow(invocation: Invocation, begun: "Json", *, is_wanted_back: bool = False) -> int | None:
    """Show how a roll-out goes on, to its end; it is the daemon's, and goes on without anybody who looks."""
    rollout_id = cast("Rollout", begun)["id"]
    if invocation.arguments.no_wait:
        invocation.output.show(begun, lambda: f"{rollout_id} is under way; `openwa-manager engine list` tells how far")
        return None
    try:
        ended = wait_until(
            lambda: invocation.client.get(f"{ROLLOUTS}/{rollout_id}"),
            lambda answer: is_over(cast("Rollout", answer)),
            lambda answer: said_of_rollout(cast("Rollout", answer)),
            _WAIT_S,
        )
    except KeyboardInterrupt:
        complain("the roll-out goes on without you; `openwa-manager engine rollback` calls it off")
        raise
    rollout = cast("Rollout", ended)
    invocation.output.show(ended, lambda: drawn_rollout(rollout))
    return None if (rollout["state"] == "rolled_back") == is_wanted_back else FAILED


def _remove(invocation: Invocation) -> None:
    for name in invocation.arguments.build:
        invocation.client.delete(f"{PATH}/{_spelled(name)}")
    removed = list(invocation.arguments.build)
    invocation.output.show({"removed": removed}, lambda: f"removed: {', '.join(removed)}")


def _spelled(name: str) -> str:
    from urllib.parse import quote

    return quote(name, safe="")


def _declare_install(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="VERSION|PATH", nargs="?", help="a release, as 0.23.1, or a folder there")
    parser.add_argument("--from-git", metavar="URL#REF", help="a tag, branch or commit of a repository")
    parser.add_argument("--name", metavar="NAME", help="what to call it (its version, or REF)")
    _takes_no_wait(parser)


def _declare_use(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("build", metavar="VERSION", help=f"a build, as `list` names it; {HOME}: that of the settings")
    parser.add_argument(
        "--session",
        metavar="ID",
        action="append",
        help="only this one, which pins it from its next launch on; may be repeated",
    )
    parser.add_argument("--canary", metavar="N", type=int, help="so many sessions must be well before the others (1)")
    parser.add_argument(
        "--rolling", action="store_true", help="restart sessions now, one by one; without --session always so"
    )
    _takes_no_wait(parser)


def _takes_no_wait(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--no-wait", action="store_true", help="return at once; the daemon goes on")


def _declare_check(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "build",
        metavar="VERSION|PATH",
        nargs="?",
        help="a build (the default one), a folder there, or a version that is not installed",
    )


def _declare_remove(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("build", metavar="VERSION", nargs="+", help="a build that nobody runs; may be several")


_VERBS = (
    Command("list", "list the builds, and which sessions run them", _list),
    Command("install", "install a build; no session is touched", _install, _declare_install),
    Command("check", "check whether engines of a build can be run here", _check, _declare_check),
    Command("use", "move sessions to a build: one, then the others, or all back", _use, _declare_use),
    Command("rollback", "go back to the build before, or call a roll-out off", _rollback, _takes_no_wait),
    Command("remove", "remove a build that nobody runs", _remove, _declare_remove),
)


def _declare(parser: argparse.ArgumentParser) -> None:
    declare_all(_VERBS, parser, is_required=False)


COMMANDS = (Command("engine", "install builds of OpenWA, and say which one sessions run", _list, _declare),)
