"""Our layouts of macOS's structures, beside those that a compiler makes of the headers' declarations."""

import ctypes
import re
from pathlib import Path

import pytest

from openwa_manager.api.admission.peers.connection import uid_of_xucred
from openwa_manager.processes.reading.darwin import structures
from tests.fakes.darwin.building import run_c


def _name_in_c(structure: type[ctypes.Structure]) -> str:
    """Return the header's name: `proc_bsdinfo` of `ProcBsdinfo`, `rusage_info_v2` of `RusageInfoV2`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", structure.__name__).lower()


OURS = [
    each
    for each in vars(structures).values()
    if isinstance(each, type) and issubclass(each, ctypes.Structure) and each is not ctypes.Structure
]


@pytest.mark.parametrize("structure", OURS, ids=_name_in_c)
def test_a_structure_is_laid_out_as_its_header_says(structure: type[ctypes.Structure], tmp_path: Path) -> None:
    name, fields = _name_in_c(structure), [str(field[0]) for field in structure._fields_]
    asked = "".join(
        f'printf("%zu %zu\\n", offsetof(struct {name}, {field}), sizeof ((struct {name} *)0)->{field});'
        for field in fields
    )

    told = run_c(f'int main(void) {{ printf("%zu\\n", sizeof(struct {name})); {asked} }}', tmp_path).split("\n")

    assert ctypes.sizeof(structure) == int(told[0])
    for field, line in zip(fields, told[1:], strict=False):
        ours = getattr(structure, field)
        assert (field, ours.offset, ours.size) == (field, *map(int, line.split()))


def test_the_user_behind_a_socket_is_read_where_the_header_has_it(tmp_path: Path) -> None:
    raw = run_c(
        """int main(void) {
            struct xucred told = {.cr_version = 7, .cr_uid = 501, .cr_ngroups = 1, .cr_groups = {20}};
            for (size_t at = 0; at < sizeof told; at++) printf("%02x", ((unsigned char *)&told)[at]);
        }""",
        tmp_path,
    )

    assert uid_of_xucred(bytes.fromhex(raw)) == 501


def test_the_sizes_are_those_that_are_known_of_macos() -> None:
    """The kernel copies out so many bytes, and refuses a buffer of less (bsd/kern/proc_info.c)."""
    sizes = {_name_in_c(each): ctypes.sizeof(each) for each in OURS}

    assert (sizes["proc_bsdinfo"], sizes["proc_taskinfo"], sizes["proc_taskallinfo"]) == (136, 96, 232)
    assert (sizes["vnode_fdinfowithpath"], sizes["proc_vnodepathinfo"]) == (1200, 2352)
    assert sizes["rusage_info_v2"] == 160
