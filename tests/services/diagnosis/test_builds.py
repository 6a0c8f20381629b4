"""What the doctor says of the builds that sessions would really run."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from openwa_manager.domain.diagnosis.findings import Finding
from openwa_manager.engines.program import ProgramValues
from openwa_manager.engines.versions import Capability
from openwa_manager.services.diagnosis.builds import build_findings, check_openwa, used_builds

AFTER_0_23 = ", ".join(each.value for each in Capability if each is not Capability.LOG_OUT)
_NODE = """#!/bin/sh
[ "$1" = "--version" ] && echo {version}
[ "$1 $2" = "-p process.versions.modules" ] && echo {interface}
exit 0
"""


def built(home: Path, version: str) -> Path:
    (home / "dist").mkdir(parents=True)
    (home / "dist" / "main.js").touch()
    (home / "package.json").write_text(json.dumps({"version": version}))
    return home


def module(home: Path, name: str, content: bytes) -> None:
    path = home / "node_modules" / name / "build" / "Release" / "addon.node"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"\x7fELF" + b"\0" * 500 + content + b"\0" * 500)


def values_of(place: Path, version: str = "v24.1.0", interface: str = "137") -> ProgramValues:
    node = place / "node"
    node.write_text(_NODE.format(version=version, interface=interface))
    node.chmod(0o755)
    home, builds = place / "openwa", place / "builds"
    return ProgramValues(node=str(node), openwa_home=home, builds=builds, command_argv=(), environ={})


def found(values: ProgramValues, default: str, pins: Mapping[str, Sequence[str]] | None = None) -> dict[str, Finding]:
    used = used_builds(default, pins or {}, values)
    return {each.code: each for each in asyncio.run(build_findings(used, values))}


def test_the_default_build_is_looked_at_and_not_the_setting(tmp_path: Path) -> None:
    values = values_of(tmp_path)  # nothing is at openwa_home
    built(values.builds / "0.23.1", "0.23.1")

    findings = found(values, "0.23.1")

    assert {code: each.level for code, each in findings.items()} == {"openwa": "ok", "node": "ok"}
    assert findings["openwa"].detail.startswith("the default build 0.23.1: 0.23.1, tested with")
    assert findings["node"].detail.endswith("is v24.1.0, it needs 22.13.0 or later")


def test_a_build_that_only_some_pin_is_looked_at_and_keeps_nobody_else_from_starting(tmp_path: Path) -> None:
    values = values_of(tmp_path)
    built(values.openwa_home, "0.23.1")

    findings = found(values, "openwa_home", {"0.22.0": ["a", "b", "c", "d"]})

    assert findings["openwa"].level == "ok"
    lost = findings["openwa_pinned"]
    assert lost.level == "fail"
    assert lost.detail.startswith("the build 0.22.0, which a, b, c and 1 more pin: ")
    assert "install the build again" in str(lost.cure)


def test_a_node_that_will_not_do_is_a_failure(tmp_path: Path) -> None:
    values = values_of(tmp_path, version="v20.20.2")
    built(values.openwa_home, "0.23.1")

    finding = found(values, "openwa_home")["node"]

    assert finding.level == "fail"
    assert finding.detail.endswith("is v20.20.2, this OpenWA needs Node.js 22.13.0 or later")
    assert finding.cure


def test_a_module_that_was_built_for_another_node_is_found(tmp_path: Path) -> None:
    values = values_of(tmp_path, interface="127")
    module(built(values.openwa_home, "0.23.1"), "better-sqlite3", b"node_register_module_v115")
    module(values.openwa_home, "sharp", b"napi_register_module_v1")

    finding = found(values, "openwa_home")["node_addon"]

    assert finding.level == "fail"
    assert "better-sqlite3 for 115; this node has interface 127" in finding.detail
    assert "npm rebuild" in str(finding.cure)


def test_modules_that_fit_are_fine_and_those_that_do_not_tell_say_nothing(tmp_path: Path) -> None:
    values = values_of(tmp_path, interface="127")
    module(built(values.openwa_home, "0.23.1"), "@scope/a", b"node_register_module_v127")

    assert found(values, "openwa_home")["node_addon_well"].level == "ok"
    assert "node_addon_well" not in found(values_of(tmp_path, interface="nonsense"), "openwa_home")


def test_openwa_must_be_built(tmp_path: Path) -> None:
    absent = check_openwa(tmp_path)
    (tmp_path / "package.json").write_text('{"version": "0.22.0"}')
    unbuilt = check_openwa(tmp_path)

    assert (absent.level, unbuilt.level) == ("fail", "fail")
    assert (absent.cure or "").startswith("openwa-manager engine install 0.23.1, then")
    assert "npm ci && npm run build" in (unbuilt.cure or "")
    assert f"engine install {tmp_path}, then" in (unbuilt.cure or "")


@pytest.mark.parametrize(
    ("version", "level", "detail"),
    [
        (
            "0.11.0",
            "ok",
            "0.11.0, tested with 0.11.0 to 0.23.1; it lacks " + ", ".join(each.value for each in Capability),
        ),
        ("0.23.1", "ok", f"0.23.1, tested with 0.11.0 to 0.23.1; it lacks {AFTER_0_23}"),
        ("0.30.3", "warn", "0.30.3, tested with 0.11.0 to 0.23.1"),
        ("", "warn", "/dist/main.js does not tell its version; tested with 0.11.0 to 0.23.1"),
    ],
)
def test_openwa_says_whether_its_version_was_tested_and_what_it_lacks(
    tmp_path: Path, version: str, level: str, detail: str
) -> None:
    finding = check_openwa(built(tmp_path, version))

    assert finding.level == level
    assert finding.detail.removeprefix(str(tmp_path)).startswith(detail)
