from openwa_manager.domain.messaging.batches import BatchOrigin
from openwa_manager.domain.messaging.messages import Origin
from openwa_manager.domain.messaging.policy import MessagingPolicy
from openwa_manager.domain.session.session import SessionId


def test_quota_and_opt_outs_are_the_users_or_else_the_sessions_own() -> None:
    session_id = SessionId("user_1_session_a")

    users = [kind(session_id=session_id, user_id="1").user_key for kind in (Origin, BatchOrigin)]
    own = [kind(session_id=session_id).user_key for kind in (Origin, BatchOrigin)]

    assert (users, own) == (["user:1", "user:1"], ["session:user_1_session_a"] * 2)


def test_what_the_settings_leave_open_is_the_pace_of_the_guide() -> None:
    policy = MessagingPolicy()

    assert (policy.pace.profile, policy.pace.gap_min_s, policy.pace.gap_max_s) == ("guide", 1.2, 1.8)
    assert (policy.ttl_s, policy.retries.retry_uncertain) == (86_400.0, False)
