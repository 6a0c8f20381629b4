"""The policies that the services follow, made from the settings."""

from collections.abc import Mapping

from openwa_manager.config.settings import Settings
from openwa_manager.domain.delivery.delivery import DeliveryPolicy
from openwa_manager.domain.isolation import IsolationRules
from openwa_manager.domain.messaging.policy import MessageRetention, MessagingPolicy, PacePolicy
from openwa_manager.domain.messaging.retries import RetryPolicy
from openwa_manager.domain.session.restart import LinkPolicy, OfflinePolicy, Policy, ProbePolicy, RestartPolicy
from openwa_manager.engines.program import ProgramValues
from openwa_manager.host.logs.logfile import LogPolicy
from openwa_manager.host.user_paths import spelled_on_disk
from openwa_manager.processes.confinement.support import Support
from openwa_manager.services.monitoring.memory_guard import MemoryLimits


def session_policy(settings: Settings) -> Policy:
    """Return when a supervisor restarts its engine and how long it waits."""
    restart = RestartPolicy(
        backoff_first_s=settings.backoff_first_s,
        backoff_max_s=settings.backoff_max_s,
        backoff_reset_s=settings.backoff_reset_s,
        crash_loop_count=settings.crash_loop_count,
        crash_loop_window_s=settings.crash_loop_window_s,
        slow_retry_s=settings.slow_retry_s,
    )
    link = LinkPolicy(
        boot_timeout_s=settings.boot_timeout_s,
        initializing_s=settings.link_initializing_s,
        authenticating_s=settings.link_authenticating_s,
        link_down_s=settings.link_down_restart_s,
        replaced_s=settings.replaced_wait_s,
        pairing_window_s=settings.pairing_window_s,
        qr_first_s=settings.qr_first_s,
        qr_next_s=settings.qr_next_s,
    )
    return Policy(restart=restart, link=link)


def isolation_rules(settings: Settings, support: Support) -> IsolationRules:
    """Return which engines are kept apart, and what the admin opens to them; secrets and sessions are hidden."""
    places = (settings.home, settings.sessions_root, settings.logs_path, settings.tls_key)
    return IsolationRules(
        asked=settings.engine_isolation,
        is_possible=support.is_possible,
        read_paths=settings.engine_read_paths,
        hidden=tuple(spelled_on_disk(place) for place in places if place is not None),
        connect_ports=tuple(range(first, last + 1) for first, last in settings.engine_connect_ports),
        bind_ports=tuple(range(first, last + 1) for first, last in settings.engine_bind_ports),
    )


def memory_limits(settings: Settings) -> MemoryLimits:
    """Return how much memory an engine may take."""
    return MemoryLimits(soft_bytes=settings.memory_soft_bytes, hard_bytes=settings.memory_hard_bytes)


def probe_policy(settings: Settings) -> ProbePolicy:
    """Return how often an engine is asked whether it is well."""
    return ProbePolicy(
        period_s=settings.probe_period_s,
        timeout_s=settings.probe_timeout_s,
        misses=settings.probe_misses,
        silence_s=settings.silence_s,
    )


def offline_policy(settings: Settings) -> OfflinePolicy:
    """Return how many sessions must lose their link together before the host is taken for offline."""
    return OfflinePolicy(sessions=settings.offline_sessions, window_s=settings.offline_window_s)


def log_policy(settings: Settings) -> LogPolicy:
    """Return how large the engines' logs may become."""
    return LogPolicy(
        total_max_bytes=settings.logs_max_bytes,
        log_max_bytes=settings.engine_log_max_bytes,
        copies=settings.engine_log_copies,
    )


def delivery_policy(settings: Settings) -> DeliveryPolicy:
    """Return when a delivery is tried again and when it is given up."""
    return DeliveryPolicy(schedule_s=settings.delivery_schedule_s)


def messaging_policy(settings: Settings) -> MessagingPolicy:
    """Return how messages are sent and kept."""
    pace = PacePolicy(
        profile=settings.pacing_profile,
        gap_min_s=settings.message_gap_min_s,
        gap_max_s=settings.message_gap_max_s,
        check_gap_s=settings.contact_check_gap_s,
        hold_s=settings.send_hold_s,
    )
    return MessagingPolicy(
        pace=pace,
        retries=RetryPolicy(pauses_s=settings.message_retry_s, retry_uncertain=settings.retry_uncertain),
        retention=MessageRetention(body_s=settings.message_body_retention_s, message_s=settings.message_retention_s),
        send_timeout_s=settings.send_timeout_s,
        ttl_s=settings.message_ttl_s,
        time_zone=settings.quota_time_zone,
        default_region=settings.default_region,
        opt_out_keywords=settings.opt_out_keywords,
        batch_progress_s=settings.batch_progress_s,
    )


def program_values(settings: Settings, environ: Mapping[str, str]) -> ProgramValues:
    """Return by what the engines' programs are found."""
    return ProgramValues(
        node=settings.node,
        openwa_home=settings.openwa_home,
        builds=settings.home / "builds",
        command_argv=settings.command_argv,
        environ=environ,
    )
