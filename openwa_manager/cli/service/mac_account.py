"""The user and the group of the daemon on a Mac: what there is is looked at, what is missing is made (dscl(1)).

`sysadminctl -addUser … -roleAccount` would put the user into `staff`, the group of everybody who has an account there.
So both records are made one by one, as macOS's own services have them: a group of the user's own, no password, no
shell, hidden from the login window. Numbers from 200 to 400 are those of services (sysadminctl(8), roleAccount).
"""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from openwa_manager.cli.errors import CommandFailedError
from openwa_manager.cli.service.steps import Run, ask
from openwa_manager.domain.values import dataclass

MAC_USER: Final = "_openwa"

#: The highest first: macOS gives its own new services numbers from below.
_NUMBERS = range(399, 199, -1)
_NO_SHELLS = ("/usr/bin/false", "/bin/false", "/sbin/nologin")
_NO_SUCH_RECORD = "eDSRecordNotFound"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The numbers of the user and of its group, and what makes both; nothing when they are there."""

    uid: int
    gid: int
    actions: Sequence[Run]


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory:
    """What the directory of users knows: numbers that are given away, the records of ours (None: there is none)."""

    uids: frozenset[int]
    gids: frozenset[int]
    user: Mapping[str, str] | None
    group: Mapping[str, str] | None


def mac_account(home: Path, environ: Mapping[str, str]) -> Account:
    """Return the user `_openwa` with its own group, of which nobody else is a member, whose home is this one.

    Raises:
        CommandFailedError: one of them is there and does not fit; says what to do.
    """
    return account_in(_directory(environ), home)


def account_in(directory: Directory, home: Path) -> Account:
    """Do the same with what is known of users and groups.

    Raises:
        CommandFailedError: as `mac_account`.
    """
    user, group = directory.user, directory.group
    free = [number for number in _NUMBERS if number not in directory.uids | directory.gids]
    if not free and (user is None or group is None):
        raise CommandFailedError("no number from 200 to 399 is free for a user and a group: remove some that is unused")
    gid = _number(group, "Groups", "PrimaryGroupID") if group is not None else _new_gid(directory, free[0])
    _check_members(group or {})
    if user is None:
        uid = gid if gid not in directory.uids and gid in _NUMBERS else free[0]
    else:
        uid = _number(user, "Users", "UniqueID")
        _check_user(user, gid, home)
    actions = [
        *([] if group is not None else _make_group(gid)),
        *([] if user is not None else _make_user(uid, gid, home)),
    ]
    return Account(uid=uid, gid=gid, actions=actions)


def _new_gid(directory: Directory, free: int) -> int:
    """Return the number for the group that is missing: the one its user has already, if that is nobody else's."""
    wanted = (directory.user or {}).get("PrimaryGroupID", "")
    is_ours = wanted.isdecimal() and int(wanted) in _NUMBERS and int(wanted) not in directory.gids
    return int(wanted) if is_ours else free


def _number(record: Mapping[str, str], kind: str, key: str) -> int:
    text = record.get(key, "")
    if not text.isdecimal() or int(text) == 0:
        advice = f"sudo dscl . -delete /{kind}/{MAC_USER}, then install again"
        raise CommandFailedError(f"/{kind}/{MAC_USER} has no {key} of its own ({text or 'none'}): {advice}")
    return int(text)


def _check_members(group: Mapping[str, str]) -> None:
    others = [name for name in group.get("GroupMembership", "").split() if name != MAC_USER]
    if others:
        cures = " && ".join(f"sudo dseditgroup -o edit -d {name} -t user {MAC_USER}" for name in others)
        raise CommandFailedError(f"the group {MAC_USER} has members beside its user ({', '.join(others)}): {cures}")


def _check_user(user: Mapping[str, str], gid: int, home: Path) -> None:
    path = f"/Users/{MAC_USER}"
    if user.get("PrimaryGroupID") != str(gid):
        cures = [str(each) for each in _make_group(gid)] + [f"dscl . -create {path} PrimaryGroupID {gid}"]
        cure = " && ".join(f"sudo {each}" for each in (*cures, f"chgrp -R {gid} {shlex.quote(str(home))}"))
        is_of = f"the primary group {user.get('PrimaryGroupID', 'none')}, not one of its own"
        raise CommandFailedError(f"the user {MAC_USER} has {is_of}: {cure}")
    if user.get("NFSHomeDirectory") != str(home):
        cure = f"sudo dscl . -create {path} NFSHomeDirectory {shlex.quote(str(home))}"
        raise CommandFailedError(f"the home of {MAC_USER} is {user.get('NFSHomeDirectory')}, not {home}: {cure}")
    if user.get("UserShell") not in _NO_SHELLS:
        cure = f"sudo dscl . -create {path} UserShell {_NO_SHELLS[0]}"
        raise CommandFailedError(f"the user {MAC_USER} has the shell {user.get('UserShell')}: {cure}")


def _make_group(gid: int) -> list[Run]:
    path = f"/Groups/{MAC_USER}"
    facts = {"PrimaryGroupID": str(gid), "RealName": "openwa-manager", "Password": "*"}
    return [_create(path), *(_create(path, key, value) for key, value in facts.items())]


def _make_user(uid: int, gid: int, home: Path) -> list[Run]:
    path = f"/Users/{MAC_USER}"
    facts = {
        "UniqueID": str(uid),
        "PrimaryGroupID": str(gid),
        "NFSHomeDirectory": str(home),
        "UserShell": _NO_SHELLS[0],
        "RealName": "openwa-manager",
        "Password": "*",
        "IsHidden": "1",
    }
    return [_create(path), *(_create(path, key, value) for key, value in facts.items())]


def _create(*words: str) -> Run:
    return Run(argv=("dscl", ".", "-create", *words))


def _directory(environ: Mapping[str, str]) -> Directory:
    return Directory(
        uids=frozenset(numbers_in(_told(environ, "-list", "/Users", "UniqueID") or "")),
        gids=frozenset(numbers_in(_told(environ, "-list", "/Groups", "PrimaryGroupID") or "")),
        user=_record(environ, f"/Users/{MAC_USER}", "UniqueID", "PrimaryGroupID", "NFSHomeDirectory", "UserShell"),
        group=_record(environ, f"/Groups/{MAC_USER}", "PrimaryGroupID", "GroupMembership"),
    )


def _record(environ: Mapping[str, str], path: str, *keys: str) -> Mapping[str, str] | None:
    told = _told(environ, "-read", path, *keys)
    return None if told is None else record_in(told)


def _told(environ: Mapping[str, str], *words: str) -> str | None:
    """Return what dscl tells; None when there is no such record."""
    done = ask(("dscl", ".", *words), environ)
    if done.returncode == 0:
        return done.stdout
    if _NO_SUCH_RECORD in done.stderr + done.stdout:
        return None
    said = (done.stderr or done.stdout).strip()
    raise CommandFailedError(f"`dscl . {' '.join(words)}` failed ({done.returncode}): {said}")


def numbers_in(listed: str) -> Iterable[int]:
    """Return the numbers in what `dscl -list` tells: a name and its number in each line; -2 is nobody's."""
    return [
        int(words[-1]) for line in listed.splitlines() if (words := line.split()) and words[-1].lstrip("-").isdecimal()
    ]


def record_in(told: str) -> Mapping[str, str]:
    """Return what `dscl -read` tells: `Key: value`; a value with spaces has a line of its own that begins with one."""
    record: dict[str, str] = {}
    key = ""
    for line in told.splitlines():
        if line.startswith(" "):
            record[key] = f"{record.get(key, '')} {line.strip()}".strip()
        else:
            key, _, value = line.partition(":")
            record[key] = value.strip()
    return record
