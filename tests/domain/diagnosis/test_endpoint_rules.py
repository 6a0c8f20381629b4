import pytest

from openwa_manager.domain.diagnosis.endpoint_rules import (
    EndpointFacts,
    endpoint_findings,
    judge_answer,
    secret_findings,
)
from openwa_manager.domain.diagnosis.table import TABLE, found

WELL = {"endpoint_id": "ep_1", "word": "ok", "pending_count": 0, "secret_chars": 40}


def codes(**facts: object) -> list[str]:
    return [each.code for each in endpoint_findings(EndpointFacts(**{**WELL, **facts}))]  # type: ignore[arg-type]  # real fields


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({}, []),
        ({"word": "paused"}, ["endpoint_paused"]),
        ({"word": "disabled"}, ["endpoint_disabled"]),
        ({"word": "down"}, ["endpoint_down"]),
        ({"word": "down", "last_status": 419}, ["endpoint_down", "webhook_csrf"]),
        ({"last_error": "timeout"}, ["webhook_slow"]),
        ({"secret_chars": 15}, ["secret_short"]),
        ({"secret_chars": 16}, []),
        ({"is_secret_set": False}, ["secret_missing"]),
    ],
)
def test_what_is_known_of_an_endpoint_is_judged(facts: dict[str, object], expected: list[str]) -> None:
    assert codes(**facts) == expected


@pytest.mark.parametrize("status", range(200, 600))
def test_every_status_has_a_sentence(status: int) -> None:
    finding = judge_answer("ep_1", status, None)

    assert finding.subject == "endpoint ep_1"
    assert (finding.level == "ok") == (status < 300)
    assert "{" not in finding.detail + (finding.cure or "")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ("timeout", "webhook_slow"),
        ("10.0.0.1 is not a public address (allow_private_endpoints permits it)", "webhook_private"),
        ("ClientConnectorDNSError: Cannot connect to host x:443", "webhook_unreachable"),
        (None, "webhook_unreachable"),
    ],
)
def test_no_answer_is_told_by_its_cause(error: str | None, code: str) -> None:
    assert judge_answer("ep_1", None, error).code == code


def test_a_random_secret_is_long_enough() -> None:
    assert list(secret_findings("endpoint x", None, is_set=True)) == []


@pytest.mark.parametrize("code", TABLE)
def test_every_line_of_the_table_can_be_filled_in(code: str) -> None:
    facts = {"detail": "d", "count": 2, "for_s": 11.6, "percent": 40.0, "since": "s", "status": 500, "endpoint_id": "e"}

    finding = found(code, "subject", **facts)

    assert finding.detail
    assert (finding.cure is None) <= (finding.level == "ok")
    assert all("\n" not in text and len(text) < 220 for text in (finding.detail, finding.cure or ""))
