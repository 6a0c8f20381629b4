"""OpenWA's folder as people have it: a `.env` of the guide, and native modules of the Node.js of last year."""

from pathlib import Path

from openwa_manager.cli.doctor.build_checks import addon_findings, env_findings, interface_of
from openwa_manager.cli.doctor.host_checks import sleep_findings

GUIDES = """# the guide's
PORT=2785
export SESSION_DIR=/opt/openwa/sessions
WEBHOOK_URL=https://api.example.com/webhooks/openwa
WEBHOOK_SECRET=super-secret-shared-key
"""


def test_names_in_a_file_that_nobody_reads_are_told_and_no_value(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(GUIDES)

    (finding,) = env_findings(tmp_path)

    assert (finding.code, finding.level) == ("env_unread", "warn")
    assert finding.detail.endswith(".env: PORT, SESSION_DIR, WEBHOOK_SECRET, WEBHOOK_URL that nobody reads")
    assert "super-secret" not in str(finding)


def test_a_file_that_is_absent_empty_or_huge_is_no_trouble(tmp_path: Path) -> None:
    assert list(env_findings(tmp_path)) == []
    (tmp_path / ".env").write_text("# nothing\n")
    assert list(env_findings(tmp_path)) == []
    (tmp_path / ".env").write_text("".join(f"NAME_{number}=1\n" for number in range(20_000)))
    (finding,) = env_findings(tmp_path)
    assert len(finding.detail) < 500
    assert "more" in finding.detail


def module(home: Path, name: str, content: bytes) -> None:
    path = home / "node_modules" / name / "build" / "Release" / "addon.node"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"\x7fELF" + b"\0" * 500 + content + b"\0" * 500)


def test_a_module_that_was_built_for_another_node_is_found(tmp_path: Path) -> None:
    module(tmp_path, "better-sqlite3", b"node_register_module_v115")
    module(tmp_path, "sharp", b"napi_register_module_v1")

    (finding,) = addon_findings(tmp_path, "127")

    assert (finding.code, finding.level) == ("node_addon", "fail")
    assert "better-sqlite3 for 115; this node has interface 127" in finding.detail
    assert "npm rebuild" in str(finding.cure)


def test_modules_that_fit_are_fine_and_those_that_do_not_tell_say_nothing(tmp_path: Path) -> None:
    assert list(addon_findings(tmp_path, "127")) == []
    module(tmp_path, "@scope/a", b"node_register_module_v127")

    assert [each.code for each in addon_findings(tmp_path, "127")] == ["node_addon_well"]
    assert list(addon_findings(tmp_path, None)) == []


def test_a_node_is_asked_for_its_interface(tmp_path: Path) -> None:
    node = tmp_path / "node"
    node.write_text('#!/bin/sh\n[ "$1 $2" = "-p process.versions.modules" ] && echo 127\n')
    node.chmod(0o755)

    assert interface_of(node) == "127"
    assert interface_of(tmp_path / "absent") is None
    node.write_text("#!/bin/sh\necho nonsense\n")
    assert interface_of(node) is None


def test_a_host_with_a_lid_may_sleep_unless_that_is_masked(tmp_path: Path) -> None:
    power, lids, target = tmp_path / "state", tmp_path / "lid", tmp_path / "sleep.target"

    def code() -> list[str]:
        return [each.code for each in sleep_findings(power, lids, target)]

    assert code() == []
    power.write_text("freeze mem disk\n")
    assert code() == ["sleep_off"]
    lids.mkdir()
    assert code() == ["sleep_on"]
    target.symlink_to("/dev/null")
    assert code() == ["sleep_off"]
