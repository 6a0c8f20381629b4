"""What the page about security claims: each claim has a test, and each of these tests is there."""

import ast
import re
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "openwa_manager" / "docs" / "security.md"
CONFINED = "tests/processes/confinement/test_confined.py"
HOSTILE = "tests/e2e/test_isolation.py"

#: Which test tries what an engine cannot do.
TESTS: Mapping[str, tuple[str, str]] = {
    "read or change `admin.key`, the registry, the settings, or another session's directory": (
        HOSTILE,
        "test_a_hostile_engine_reaches_no_secret_and_no_neighbour",
    ),
    "write anything of the system, or below `/tmp`": (
        CONFINED,
        "test_a_confined_program_writes_nothing_of_the_system",
    ),
    "follow a link out of its directory": (
        CONFINED,
        "test_a_link_in_its_directory_leads_a_confined_program_nowhere",
    ),
    "execute another program, or a file that it wrote": (
        CONFINED,
        "test_a_confined_program_executes_itself_and_nothing_else",
    ),
    "execute what it has put together in memory, or make system calls that no filter sees": (
        HOSTILE,
        "test_a_hostile_engine_reaches_no_secret_and_no_neighbour",
    ),
    "read the daemon's or a neighbour's environment or memory, trace it, or take its open files": (
        HOSTILE,
        "test_a_hostile_engine_reaches_no_secret_and_no_neighbour",
    ),
    "take back what it gave up, in itself or in what it starts": (
        CONFINED,
        "test_what_the_loader_is_made_to_run_is_confined_as_well",
    ),
    "shorten a file that it may not write": (CONFINED, "test_a_confined_program_shortens_no_file_of_others"),
    "connect to a TCP port of this host or another that is not listed above, by any kind of socket": (
        CONFINED,
        "test_no_other_way_leads_to_a_tcp_port",
    ),
    "take a TCP port that is not its own": (CONFINED, "test_a_confined_program_binds_only_the_ports_it_may"),
    "signal the daemon or a neighbour": (CONFINED, "test_a_confined_program_signals_nobody_but_its_own_children"),
    "change the mode, owner or attributes of a file": (
        CONFINED,
        "test_a_confined_program_changes_no_modes_limits_or_priorities_of_others",
    ),
    "change a limit or the priority of another process": (
        CONFINED,
        "test_a_confined_program_changes_no_modes_limits_or_priorities_of_others",
    ),
    "share memory, queues, semaphores or keys with other programs of our user": (
        HOSTILE,
        "test_a_hostile_engine_reaches_no_secret_and_no_neighbour",
    ),
    "use the daemon's control socket": (
        HOSTILE,
        "test_an_engine_and_what_it_leaves_are_refused_at_the_control_socket",
    ),
    "leave a process behind when its session is deleted, whatever that process does": (
        "tests/faults/test_whole_tree.py",
        "test_what_forked_twice_and_cleaned_its_environment_does_not_survive_a_deletion",
    ),
}
REACH = "tests/e2e/test_reach.py"
_NEITHER = "test_an_engine_neither_fetches_from_this_host_nor_posts_to_it_whoever_asks"
#: Which test tries what a caller cannot have an engine do.
TESTS_OF_CALLERS: Mapping[str, tuple[str, str]] = {
    "fetch media from this host, its network or a metadata service": (REACH, _NEITHER),
    "post webhooks to this host, its network or a metadata service": (REACH, _NEITHER),
    "follow a redirect there from a host that is allowed": (
        REACH,
        "test_a_redirect_from_a_host_that_is_allowed_leads_nowhere",
    ),
    "reach another port by the name of our listener": (
        REACH,
        "test_the_intakes_name_leads_to_no_other_port_and_is_another_one_for_the_next_launch",
    ),
}
_BLOCK = re.compile(r"<!-- begin (claims[a-z ]*) -->\n(.*?)<!-- end \1 -->", re.DOTALL)


def test_every_claim_of_the_page_has_a_test() -> None:
    blocks = {block[1]: block[2] for block in _BLOCK.finditer(PAGE.read_text("utf-8"))}

    claimed = {name: [row.split("|")[1].strip() for row in block.splitlines()[2:]] for name, block in blocks.items()}
    assert claimed == {"claims": list(TESTS), "claims about callers": list(TESTS_OF_CALLERS)}


def test_every_one_of_these_tests_is_there() -> None:
    claimed = {*TESTS.values(), *TESTS_OF_CALLERS.values()}
    defined = {
        (file, node.name)
        for file in {file for file, _ in claimed}
        for node in ast.walk(ast.parse((ROOT / file).read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }

    assert claimed <= defined
