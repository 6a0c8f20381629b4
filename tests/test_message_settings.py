"""The settings of messages: their defaults, what is refused, what they are for, and what is warned of."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from openwa_manager.config import load, warnings_about
from openwa_manager.config.policies import messaging_policy
from openwa_manager.domain.messaging.policy import MessagingPolicy
from openwa_manager.domain.messaging.retries import RetryPolicy
from tests.test_config import in_home, refusal

#: The names callers rely on, and their defaults.
DOCUMENTED: Mapping[str, object] = {
    "pacing_profile": "guide",
    "message_gap_min_s": 1.2,
    "message_gap_max_s": 1.8,
    "contact_check_gap_s": 1,
    "send_hold_s": 20,
    "send_timeout_s": 60,
    "message_retry_s": (5, 25, 125),
    "retry_uncertain": False,
    "message_ttl_s": 86_400,
    "quota_time_zone": "UTC",
    "default_region": None,
    "batch_progress_s": 10,
    "message_body_retention_s": 604_800,
    "message_retention_s": 7_776_000,
}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path.resolve()


def test_the_documented_defaults_hold() -> None:
    settings = load({}, {}).settings

    assert {name: getattr(settings, name) for name in DOCUMENTED} == DOCUMENTED
    assert settings.opt_out_keywords[0] == "STOP"
    assert "UNSUBSCRIBE" in settings.opt_out_keywords


def test_the_settings_defaults_are_the_policys_own() -> None:
    assert messaging_policy(load({}, {}).settings) == MessagingPolicy()


@pytest.mark.parametrize(
    ("variable", "value", "complaint"),
    [
        ("OPENWA_MANAGER_MESSAGE_RETENTION_S", "60", "message_body_retention_s is above message_retention_s"),
        ("OPENWA_MANAGER_MESSAGE_TTL_S", "0", "greater than 0"),
        ("OPENWA_MANAGER_MESSAGE_TTL_S", "1e300", "less than or equal to 316224000"),
        ("OPENWA_MANAGER_MESSAGE_RETRY_S", "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]", "at most 20 items"),
        ("OPENWA_MANAGER_SEND_TIMEOUT_S", "0", "greater than 0"),
        ("OPENWA_MANAGER_QUOTA_TIME_ZONE", "Asia/HongKong", "quota_time_zone .from .*no such time zone"),
        ("OPENWA_MANAGER_QUOTA_TIME_ZONE", "../../etc/passwd", "no such time zone"),
        ("OPENWA_MANAGER_QUOTA_TIME_ZONE", "America", "no such time zone"),
        ("OPENWA_MANAGER_DEFAULT_REGION", "hk", "default_region .from .*two capital letters"),
        ("OPENWA_MANAGER_DEFAULT_REGION", "XX", "no such country"),
        ("OPENWA_MANAGER_PACING_PROFILE", "fast", "'guide' or 'careful'"),
        ("OPENWA_MANAGER_RETRY_UNCERTAIN", "perhaps", "valid boolean"),
        ("OPENWA_MANAGER_OPT_OUT_KEYWORDS", '["STOP", " "]', "a keyword must not be empty"),
        ("OPENWA_MANAGER_OPT_OUT_KEYWORDS", str(["S"] * 101).replace("'", '"'), "at most 100 keywords"),
    ],
)
def test_a_bad_value_is_refused_with_its_name_and_the_fix(
    home: Path, variable: str, value: str, complaint: str
) -> None:
    assert re.search(complaint, refusal({}, in_home(home, **{variable: value})))


@pytest.mark.parametrize(
    "name",
    [
        *("message_gap_max_s", "send_hold_s", "send_timeout_s", "message_ttl_s", "contact_check_gap_s"),
        *("batch_progress_s", "message_body_retention_s"),
    ],
)
def test_a_setting_reaches_the_policy(home: Path, name: str) -> None:
    settings = load({}, in_home(home, **{f"OPENWA_MANAGER_{name.upper()}": "17"})).settings

    assert "=17.0" in repr(messaging_policy(settings))


def test_every_message_setting_reaches_the_policy(home: Path) -> None:
    environ = in_home(
        home,
        OPENWA_MANAGER_PACING_PROFILE="careful",
        OPENWA_MANAGER_MESSAGE_RETRY_S="[1]",
        OPENWA_MANAGER_RETRY_UNCERTAIN="true",
        OPENWA_MANAGER_QUOTA_TIME_ZONE="Asia/Hong_Kong",
        OPENWA_MANAGER_DEFAULT_REGION="HK",
        OPENWA_MANAGER_OPT_OUT_KEYWORDS='["NO MORE"]',
        OPENWA_MANAGER_MESSAGE_RETENTION_S="700000",
    )

    policy = messaging_policy(load({}, environ).settings)

    assert policy.pace.profile == "careful"
    assert policy.retries == RetryPolicy(pauses_s=(1.0,), retry_uncertain=True)
    assert (policy.time_zone, policy.default_region, policy.opt_out_keywords) == ("Asia/Hong_Kong", "HK", ("NO MORE",))
    assert policy.retention.message_s == 700_000


def test_who_lets_messages_be_sent_twice_is_warned(home: Path) -> None:
    careful = load({}, in_home(home)).settings
    risky = load({}, in_home(home, OPENWA_MANAGER_RETRY_UNCERTAIN="true")).settings

    assert warnings_about(careful) == []
    assert "retry_uncertain = true" in warnings_about(risky)[0]
