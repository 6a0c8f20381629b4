"""OpenWA's folder as people have it: a `.env` of the guide; and a host that may sleep."""

from pathlib import Path

from openwa_manager.cli.doctor.build_checks import env_findings
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
