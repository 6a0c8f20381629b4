"""The user `_openwa` and its group on a Mac: what is made, what is left, what is refused with its cure."""

import re
import shlex
from collections.abc import Mapping
from pathlib import Path

import pytest

from openwa_manager.cli.errors import CommandFailedError
from openwa_manager.cli.service.mac_account import Account, Directory, account_in, numbers_in, record_in

HOME = Path("/opt/openwa")
USER = {"UniqueID": "399", "PrimaryGroupID": "399", "NFSHomeDirectory": "/opt/openwa", "UserShell": "/usr/bin/false"}
GROUP = {"PrimaryGroupID": "399"}
#: Of a Mac: nobody and daemon, the first account, some services.
OTHERS = frozenset({-2, 0, 1, 20, 200, 205, 260, 501})


def account(user: Mapping[str, str] | None, group: Mapping[str, str] | None, taken: frozenset[int] = OTHERS) -> Account:
    numbers = {int(record[key]) for record, key in ((user, "UniqueID"),) if record and record.get(key, "").isdecimal()}
    gids = {int(record["PrimaryGroupID"]) for record in (group,) if record and record["PrimaryGroupID"].isdecimal()}
    return account_in(Directory(uids=taken | numbers, gids=taken | gids, user=user, group=group), HOME)


def test_both_are_made_with_one_number_that_is_free_and_nobody_else_in_the_group() -> None:
    made = account(None, None, OTHERS | {399})

    lines = [str(each) for each in made.actions]
    assert (made.uid, made.gid) == (398, 398)
    assert lines[:2] == ["dscl . -create /Groups/_openwa", "dscl . -create /Groups/_openwa PrimaryGroupID 398"]
    for words in (
        "UniqueID 398",
        "PrimaryGroupID 398",
        "NFSHomeDirectory /opt/openwa",
        "UserShell /usr/bin/false",
        "Password '*'",
        "IsHidden 1",
    ):
        assert f"dscl . -create /Users/_openwa {words}" in lines
    assert not [line for line in lines if "sysadminctl" in line]


def test_what_is_there_and_fits_is_left() -> None:
    found = account(USER, GROUP)

    assert (found.uid, found.gid, list(found.actions)) == (399, 399, [])


def test_a_group_that_is_missing_gets_the_number_its_user_has_already() -> None:
    made = account(USER, None)

    assert made.gid == 399
    assert {each.argv[3] for each in made.actions} == {"/Groups/_openwa"}


def test_a_user_that_is_missing_gets_the_group_that_is_there() -> None:
    made = account(None, {"PrimaryGroupID": "350"})

    assert (made.uid, made.gid) == (350, 350)
    assert "dscl . -create /Users/_openwa PrimaryGroupID 350" in map(str, made.actions)


@pytest.mark.parametrize(
    ("user", "group", "complaint", "cure"),
    [
        (USER | {"PrimaryGroupID": "20"}, None, "primary group 20", "PrimaryGroupID 398 && sudo chgrp -R 398 /opt/ope"),
        (USER | {"PrimaryGroupID": "20"}, GROUP, "primary group 20", "/Users/_openwa PrimaryGroupID 399"),
        (USER | {"NFSHomeDirectory": "/var/empty"}, GROUP, "/var/empty", "NFSHomeDirectory /opt/openwa"),
        (USER | {"UserShell": "/bin/zsh"}, GROUP, "shell /bin/zsh", "UserShell /usr/bin/false"),
        ({"UserShell": "/usr/bin/false"}, GROUP, "no UniqueID", "sudo dscl . -delete /Users/_openwa"),
        (USER | {"UniqueID": "0"}, GROUP, "no UniqueID", "sudo dscl . -delete /Users/_openwa"),
        (USER, {"PrimaryGroupID": ""}, "no PrimaryGroupID", "sudo dscl . -delete /Groups/_openwa"),
        (USER, GROUP | {"GroupMembership": "_openwa ann"}, "members", "dseditgroup -o edit -d ann -t user _openwa"),
    ],
)
def test_what_is_there_and_does_not_fit_is_refused_with_the_commands_that_cure_it(
    user: Mapping[str, str], group: Mapping[str, str] | None, complaint: str, cure: str
) -> None:
    with pytest.raises(CommandFailedError, match=re.escape(complaint)) as refused:
        account(user, group)

    said = str(refused.value)
    assert cure in said
    assert "Password" not in said or "Password '*'" in said  # it is pasted into a shell


def test_without_a_free_number_nothing_is_made() -> None:
    with pytest.raises(CommandFailedError, match="no number from 200 to 399 is free"):
        account(None, None, frozenset(range(200, 400)))


def test_the_answers_of_dscl_are_understood() -> None:
    told = "GroupMembership: root _openwa\nRealName:\n openwa manager\nNo such key: UserShell\nUniqueID: 399\n"
    listed = "_amavisd                83\n_nobody                  -2\nroot                     0\nbroken\n\n"

    record = record_in(told)

    assert record["GroupMembership"] == "root _openwa"
    assert record["RealName"] == "openwa manager"
    assert record["UniqueID"] == "399"
    assert "UserShell" not in record
    assert list(numbers_in(listed)) == [83, -2, 0]


def test_every_command_survives_a_shell() -> None:
    for each in account(None, None).actions:
        assert shlex.split(str(each)) == list(each.argv)
