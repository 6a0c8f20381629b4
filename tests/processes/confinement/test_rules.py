import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath

from hypothesis import given
from hypothesis import strategies as st

from openwa_manager.domain.isolation import Confinement
from openwa_manager.processes.confinement.landlock import Access, NetAccess
from openwa_manager.processes.confinement.rules import list_children, path_rules, port_rules, without_hidden

NOTHING = Confinement(programs=(), readable=(), writable=(), hidden=(), connect_ports=(), bind_ports=())


def allowed(confinement: Confinement) -> Mapping[Path, Access]:
    """Return what the rules allow at each path that they name."""
    rights: dict[Path, Access] = {}
    for rule in path_rules(confinement, {"PATH": "/usr/bin:/bin"}):
        rights[rule.path] = rights.get(rule.path, Access(0)) | rule.access
    return rights


def test_directories_are_listed_everywhere_and_files_read_in_few() -> None:
    rights = allowed(NOTHING)

    assert rights[Path("/")] == Access.READ_DIR
    assert Access.READ_FILE in rights[Path("/etc")]
    assert not any(path in rights for path in map(Path, ("/tmp", "/root", "/home", "/var", "/run", "/dev")))


def test_only_the_program_and_what_the_kernel_executes_with_it_is_executed(tmp_path: Path) -> None:
    rights = allowed(replace(NOTHING, programs=(Path("/bin/sh"),), readable=(tmp_path,), writable=(tmp_path,)))

    executed = {path for path, access in rights.items() if Access.EXECUTE in access}
    shell = Path(os.path.realpath("/bin/sh"))
    assert shell in executed
    assert all(path.name.startswith("ld") for path in executed - {shell})


def test_nothing_is_written_but_in_the_writable_directories_and_to_two_devices(tmp_path: Path) -> None:
    rights = allowed(replace(NOTHING, readable=(Path("/opt"),), writable=(tmp_path,)))

    written = {path for path, access in rights.items() if Access.WRITE_FILE in access}
    assert written == {tmp_path, Path("/dev/null"), Path("/dev/full")}


def test_in_a_directory_of_its_own_a_program_makes_no_device_and_executes_nothing(tmp_path: Path) -> None:
    own = allowed(replace(NOTHING, writable=(tmp_path,)))[tmp_path]

    assert not own & (Access.EXECUTE | Access.MAKE_CHAR | Access.MAKE_BLOCK | Access.IOCTL_DEV)
    assert Access.MAKE_SOCK | Access.REFER | Access.TRUNCATE | Access.REMOVE_DIR in own


def test_a_port_has_one_rule_with_all_that_is_allowed_there() -> None:
    connect_ports, bind_ports = (range(443, 444), range(8000, 8003)), (range(8002, 8003),)

    rules = list(port_rules(replace(NOTHING, connect_ports=connect_ports, bind_ports=bind_ports)))

    assert [(rule.port, rule.access) for rule in rules] == [
        *((port, NetAccess.CONNECT) for port in (443, 8000, 8001)),
        (8002, NetAccess.BIND | NetAccess.CONNECT),
    ]


def test_a_readable_directory_that_holds_something_hidden_is_opened_around_it(tmp_path: Path) -> None:
    for name in ("build/dist", "build/modules", "home/sessions"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "link").symlink_to("home")
    home = tmp_path / "home"

    rights = allowed(replace(NOTHING, readable=(tmp_path,), hidden=(home,)))

    assert Access.READ_FILE in rights[tmp_path / "build"]
    assert not any(path.is_relative_to(home) or path in (tmp_path, tmp_path / "link") for path in rights)


def test_what_lies_in_something_hidden_is_opened_when_it_is_named(tmp_path: Path) -> None:
    build = tmp_path / "home" / "build"
    build.mkdir(parents=True)

    assert Access.READ_FILE in allowed(replace(NOTHING, readable=(build,), hidden=(tmp_path / "home",)))[build]


def test_a_directory_that_cannot_be_listed_opens_nothing(tmp_path: Path) -> None:
    assert list_children(tmp_path / "gone") == []


NAMES = st.lists(st.sampled_from("abc"), min_size=1, max_size=4).map(lambda parts: Path("/", *parts))


@given(roots=st.sets(NAMES, max_size=4), hidden=st.sets(NAMES, max_size=3))
def test_nothing_hidden_is_below_what_is_opened_unless_it_was_named(roots: set[Path], hidden: set[Path]) -> None:
    def children(path: Path) -> list[Path]:
        return [path / name for name in "abc"] if len(PurePosixPath(path).parts) < 6 else []

    opened = list(without_hidden(roots, hidden, children))

    assert not any(each.is_relative_to(path) for each in hidden for path in opened)
    assert all(any(path.is_relative_to(root) for root in roots) for path in opened)
