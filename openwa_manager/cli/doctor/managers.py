"""The doctor's checks of who starts the daemon: one service manager alone, and none that ends its engines with it."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from openwa_manager.cli.service.definitions import PLIST_NAME, UNIT_NAME
from openwa_manager.domain import foreign_json
from openwa_manager.domain.diagnosis.findings import Finding
from openwa_manager.domain.diagnosis.table import found
from openwa_manager.domain.printable import printable
from openwa_manager.host.user_paths import expanded
from openwa_manager.processes.reading.identity import environment_of, live_identity_of

#: PM2 hands its options of a process on to it as variables (PM2, lib/God/ForkMode.js).
_PM2_ID, _TREEKILL = "pm_id", "treekill"
_HOME: Final = "OPENWA_MANAGER_HOME"
_OURS: Final = "openwa-manager"
#: A saved list of PM2 holds the whole environment of each process.
_DUMP_MAX_BYTES: Final = 16 << 20
_OFF: Final = frozenset({"false", "0"})


def definitions_of(user_home: Path) -> tuple[Path, ...]:
    """Return where units and property lists of ours may lie: the system's, and the user's own."""
    return (
        Path("/etc/systemd/system") / UNIT_NAME,
        user_home / ".config" / "systemd" / "user" / UNIT_NAME,
        Path("/Library/LaunchDaemons") / PLIST_NAME,
        user_home / "Library" / "LaunchAgents" / PLIST_NAME,
    )


def daemon_environment(home: Path) -> Mapping[str, str]:
    """Return with which environment the daemon of this home was started; empty when none runs, or it is not ours."""
    with suppress(OSError, ValueError):
        fd = os.open(home / "run" / "daemon.lock", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            identity = live_identity_of(int(os.read(fd, 32)))
        finally:
            os.close(fd)
        return {} if identity is None else environment_of(identity)
    return {}


def manager_findings(
    running: Mapping[str, str], definitions: Sequence[Path], pm2_home: Path, home: Path
) -> Iterator[Finding]:
    """Yield who starts the daemon of this home; `running` is the environment of the one that runs."""
    is_pm2s = _PM2_ID in running
    if is_pm2s:
        value = running.get(_TREEKILL)
        is_off = value is not None and value.lower() in _OFF
        yield found("pm2") if is_off else found("pm2_treekill", detail=f"treekill is {value or 'on, its default'}")
    named = [str(each) for each in definitions if _names(each, home)]
    saved = _saved_in(pm2_home / "dump.pm2", home)
    if saved is not None or is_pm2s:
        named.append(f"PM2 ({saved or 'it runs it now'})")
    if len(named) > 1:
        yield found("two_managers", detail=" and ".join(named))


def _names(definition: Path, home: Path) -> bool:
    """Tell whether a unit or a property list is of this home."""
    try:
        with definition.open("rb") as file:
            text = file.read(_DUMP_MAX_BYTES)
    except OSError:
        return False
    whole = rb"(?<![\w/.-])" + re.escape(os.fsencode(home)) + rb"/?(?![^\s\"'<>:;])"
    return re.search(whole, text) is not None


def _saved_in(dump: Path, home: Path) -> str | None:
    """Return what PM2 calls a daemon of this home that it starts after a reboot; None when there is none."""
    try:
        with dump.open("rb") as file:
            saved = foreign_json.parse(file.read(_DUMP_MAX_BYTES), max_values=None)
    except (OSError, ValueError):
        return None
    for each in saved if isinstance(saved, list) else []:
        if isinstance(each, dict) and _runs_us(each) and _home_of(each) in (None, home):
            return printable(f"{each.get('name')} in {dump}")
    return None


def _runs_us(saved: Mapping[str, object]) -> bool:
    words = [saved.get("pm_exec_path"), *_listed(saved.get("args"))]
    texts = [each for each in words if isinstance(each, str)]
    is_ours = any(Path(each).name == _OURS or each == "openwa_manager" for each in texts)
    return is_ours and any("serve" in each.split() for each in texts)


def _home_of(saved: Mapping[str, object]) -> Path | None:
    """Return the home that PM2's process is told; None when it is told none."""
    words = [word for each in _listed(saved.get("args")) if isinstance(each, str) for word in each.split()]
    for word, following in zip(words, (*words[1:], ""), strict=True):
        name, is_joined, value = word.partition("=")
        if name == "--home":
            return expanded(value if is_joined else following)
    env = saved.get("env")
    value_of_env = env.get(_HOME) if isinstance(env, Mapping) else saved.get(_HOME)
    return expanded(value_of_env) if isinstance(value_of_env, str) and value_of_env else None


def _listed(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else [value]
