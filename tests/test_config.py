"""The settings: where they come from, what is refused, and what is shown."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwa_manager.config import GUIDE_NAMES, Address, PortRange, Settings, load, masked
from openwa_manager.config.policies import (
    delivery_policy,
    log_policy,
    offline_policy,
    probe_policy,
    session_policy,
)
from openwa_manager.domain.delivery.delivery import DeliveryPolicy
from openwa_manager.domain.errors import ConfigError
from openwa_manager.domain.session.restart import OfflinePolicy, Policy, ProbePolicy
from openwa_manager.host.logs.logfile import LogPolicy

#: The names callers rely on, and their defaults.
DOCUMENTED: Mapping[str, object] = {
    "engine": "openwa",
    "listen": Address("127.0.0.1", 2790),
    "intake_listen": Address("127.0.0.1", 2791),
    "engine_ports": PortRange(28100, 29099),
    "engine_isolation": None,
    "engine_read_paths": (),
    "engine_connect_ports": (),
    "engine_bind_ports": (),
    "upstream_url": None,
    "upstream_secret": None,
    "upstream_events": None,
    "engine_env": {},
    "node": "node",
    "engine_type": "baileys",
    "backoff_first_s": 1,
    "backoff_max_s": 60,
    "backoff_reset_s": 600,
    "crash_loop_count": 5,
    "crash_loop_window_s": 600,
    "slow_retry_s": 1800,
    "allow_private_endpoints": False,
    "behind_proxy": False,
    "memory_soft_bytes": None,
    "memory_hard_bytes": None,
    "boot_timeout_s": 45,
    "probe_period_s": 15,
    "probe_timeout_s": 5,
    "probe_misses": 4,
    "stop_grace_s": 10,
    "start_spacing_s": 1.5,
    "min_free_memory_bytes": 600_000_000,
    "min_free_disk_bytes": 2**30,
    "engine_log_max_bytes": 10_000_000,
    "engine_log_copies": 5,
    "logs_max_bytes": 2_000_000_000,
    "exit_sweep_s": 30,
    "freeze_limit_s": None,
    "offline_sessions": 3,
    "offline_window_s": 30,
    "link_initializing_s": 90,
    "link_authenticating_s": 120,
    "link_down_restart_s": 300,
    "replaced_wait_s": 300,
    "pairing_window_s": 180,
    "qr_first_s": 60,
    "qr_next_s": 20,
    "heartbeat_s": 60,
    "silence_s": 120,
    "allowed_hosts": (),
    "audit_required": True,
    "trusted_proxies": (),
    "rate_per_s": 20,
    "rate_burst": 40,
    "cors_origins": (),
    "client_address_header": "X-Forwarded-For",
    "tls_cert": None,
    "tls_key": None,
    "log_level": "info",
}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path.resolve()


def in_home(home: Path, **variables: str) -> dict[str, str]:
    return {"OPENWA_MANAGER_HOME": str(home), **variables}


def write_toml(home: Path, text: str) -> None:
    file = home / "manager.toml"
    file.touch(mode=0o600)
    file.write_text(text)


def refusal(flags: Mapping[str, object], environ: Mapping[str, str]) -> str:
    with pytest.raises(ConfigError) as refused:
        load(flags, environ)
    return str(refused.value)


def test_the_documented_defaults_hold() -> None:
    settings = load({}, {}).settings

    assert {name: getattr(settings, name) for name in DOCUMENTED} == DOCUMENTED
    assert settings.home == Path("~/.openwa-manager").expanduser().resolve()
    assert settings.openwa_home == Path("~/openwa").expanduser()
    assert settings.start_concurrency in (2, 4)
    assert sum(settings.delivery_schedule_s) > 3 * 24 * 3600 - 7200


def test_a_flag_beats_the_environment_which_beats_the_file_which_beats_the_guides_names(home: Path) -> None:
    write_toml(home, 'node = "file"\nengine_type = "whatsapp-web.js"\nprobe_misses = 7\nlog_level = "error"\n')
    environ = in_home(home, OPENWA_MANAGER_NODE="own", OPENWA_MANAGER_LOG_LEVEL="debug")
    environ |= {"NODE": "guide", "ENGINE_TYPE": "baileys", "OPENWA_HOME": "/srv/openwa"}

    loaded = load({"log_level": "warning", "engine": None}, environ)

    found = {name: (getattr(loaded.settings, name), loaded.origin(name)) for name in loaded.origins}
    toml = str(home / "manager.toml")
    assert found == {
        "home": (home, "OPENWA_MANAGER_HOME"),
        "log_level": ("warning", "--log-level"),
        "node": ("own", "OPENWA_MANAGER_NODE"),
        "engine_type": ("whatsapp-web.js", toml),
        "probe_misses": (7, toml),
        "openwa_home": (Path("/srv/openwa"), "OPENWA_HOME"),
    }
    assert loaded.origin("engine") == "default"


def test_the_file_lies_in_the_home_that_a_flag_names(home: Path) -> None:
    write_toml(home, "probe_misses = 9")

    assert load({"home": str(home)}, {"OPENWA_MANAGER_HOME": "/elsewhere"}).settings.probe_misses == 9


@pytest.mark.parametrize(("variable", "name"), GUIDE_NAMES.items())
def test_the_guides_names_are_understood(home: Path, variable: str, name: str) -> None:
    value = {"upstream_url": "https://example.com/hook", "engine_type": "whatsapp-web.js"}.get(name, "/some/value")

    loaded = load({}, in_home(home, **{variable: value}))

    setting = getattr(loaded.settings, name)
    assert (setting.get_secret_value() if name == "upstream_secret" else str(setting)) == value
    assert loaded.origin(name) == variable


def test_lists_and_tables_are_json_in_the_environment_and_native_in_the_file(home: Path) -> None:
    write_toml(home, 'message_retry_s = [1, 2.5]\nallowed_hosts = ["a.example"]\n[engine_env]\nTZ = "UTC"\n')
    environ = in_home(
        home,
        OPENWA_MANAGER_COMMAND_ARGV='["/bin/engine", "{port}"]',
        OPENWA_MANAGER_COMMAND_ENV='{"A": "1"}',
        OPENWA_MANAGER_ENGINE_PORTS="30000-30009",
        OPENWA_MANAGER_TRUSTED_PROXIES='["10.0.0.0/8", "::1"]',
    )

    settings = load({}, environ).settings

    assert settings.message_retry_s == (1.0, 2.5)
    assert settings.allowed_hosts == ("a.example",)
    assert settings.engine_env == {"TZ": "UTC"}
    assert settings.command_argv == ("/bin/engine", "{port}")
    assert settings.command_env == {"A": "1"}
    assert settings.engine_ports == PortRange(30000, 30009)
    assert [str(network) for network in settings.trusted_proxies] == ["10.0.0.0/8", "::1/128"]


def test_an_empty_variable_is_one_that_is_not_set(home: Path) -> None:
    assert load({}, in_home(home, OPENWA_MANAGER_LISTEN="", WEBHOOK_URL="")).settings.upstream_url is None


@pytest.mark.parametrize(
    ("variable", "value", "complaint"),
    [
        ("OPENWA_MANAGER_LISEN", "x", "OPENWA_MANAGER_LISEN is not a setting; did you mean OPENWA_MANAGER_LISTEN?"),
        ("OPENWA_MANAGER_PROBE_MISSES", "many", "probe_misses .from OPENWA_MANAGER_PROBE_MISSES.: .*valid integer"),
        ("OPENWA_MANAGER_PROBE_MISSES", "0", "greater than or equal to 1"),
        ("OPENWA_MANAGER_HEARTBEAT_S", "nan", "finite number"),
        ("OPENWA_MANAGER_STOP_GRACE_S", "-1", "greater than or equal to 0"),
        ("OPENWA_MANAGER_FREEZE_LIMIT_S", "0.0000001", "freeze_limit_s .from .*: .*less than 2 s"),
        ("OPENWA_MANAGER_FREEZE_LIMIT_S", "1e300", "less than or equal to 86400"),
        ("OPENWA_MANAGER_LISTEN", "2790", "host:port"),
        ("OPENWA_MANAGER_LISTEN", "127.0.0.1:70000", "host:port"),
        ("OPENWA_MANAGER_LISTEN", ":2790", "host:port"),
        ("OPENWA_MANAGER_LISTEN", "0.0.0.0:2790", "open to other machines: set tls_cert and tls_key, or behind_proxy"),
        ("OPENWA_MANAGER_LISTEN", "manager.example:2790", "open to other machines"),
        ("OPENWA_MANAGER_LISTEN", "127.0.0.1:2791", "listen and intake_listen are both 127.0.0.1:2791"),
        ("OPENWA_MANAGER_INTAKE_LISTEN", "0.0.0.0:2791", "use a loopback address"),
        ("OPENWA_MANAGER_ENGINE_PORTS", "29099-28100", "first-last"),
        ("OPENWA_MANAGER_ENGINE_PORTS", "80", "first-last"),
        ("OPENWA_MANAGER_ENGINE", "docker", "must be one of openwa, simulator, command"),
        ("OPENWA_MANAGER_ENGINE", "command", "needs command_argv"),
        ("OPENWA_MANAGER_COMMAND_ARGV", "ls -l", "write it as JSON"),
        ("OPENWA_MANAGER_ENGINE_ENV", '{"A": 1}', "engine_env.A .from OPENWA_MANAGER_ENGINE_ENV.: .*valid string"),
        ("OPENWA_MANAGER_UPSTREAM_URL", "ftp://example.com", "http://"),
        ("OPENWA_MANAGER_UPSTREAM_URL", "https:///path", "http://"),
        ("OPENWA_MANAGER_UPSTREAM_URL", "https://a.example/h,https://b.example/h", "more than one URL"),
        ("OPENWA_MANAGER_UPSTREAM_URL", "https://a.example/h https://b.example/h", "a space"),
        ("OPENWA_MANAGER_UPSTREAM_SECRET", "long-secret\r", "invisible character"),
        ("OPENWA_MANAGER_UPSTREAM_SECRET", "\ufefflong-secret", "invisible character"),
        ("OPENWA_MANAGER_TLS_CERT", "/missing.pem", "/missing.pem cannot be read"),
        ("OPENWA_MANAGER_MESSAGE_GAP_MIN_S", "9", "message_gap_min_s is above message_gap_max_s"),
        ("OPENWA_MANAGER_LOG_LEVEL", "loud", "'debug', 'info', 'warning' or 'error'"),
        ("OPENWA_MANAGER_UPSTREAM_SECRET_FILE", "/missing", "OPENWA_MANAGER_UPSTREAM_SECRET_FILE: /missing cannot"),
        ("OPENWA_MANAGER_UPSTREAM_SECRET", "whsec_*", "upstream_secret .from .*base64"),
        ("OPENWA_MANAGER_NODE_FILE", "/missing", "is not a setting"),
        ("OPENWA_MANAGER_ENGINE_ISOLATION", "wall", "'kernel' or 'none'"),
        ("OPENWA_MANAGER_ENGINE_CONNECT_PORTS", "5222", "write it as a list"),
        ("OPENWA_MANAGER_ENGINE_CONNECT_PORTS", '["8010-8000"]', "8010-8000 is no port"),
        ("OPENWA_MANAGER_ENGINE_BIND_PORTS", "[0]", "0 is no port"),
        ("OPENWA_MANAGER_ENGINE_READ_PATHS", '["/"]', "would open"),
    ],
)
def test_a_bad_value_is_refused_with_its_name_and_the_fix(
    home: Path, variable: str, value: str, complaint: str
) -> None:
    assert re.search(complaint, refusal({}, in_home(home, **{variable: value})))


def test_all_that_is_wrong_is_said_at_once(home: Path) -> None:
    text = refusal({}, in_home(home, OPENWA_MANAGER_PROBE_MISSES="x", OPENWA_MANAGER_SILENCE_S="y"))

    assert [line.partition(" ")[0] for line in text.splitlines()] == ["probe_misses", "silence_s"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('lissten = "x"', "manager.toml: lissten is not a setting; did you mean listen?"),
        ("listen = ", "manager.toml is not TOML: "),
        ('home = "/srv"', "home is where this file lies; use --home or OPENWA_MANAGER_HOME"),
        ("memory_soft_bytes = 20\nmemory_hard_bytes = 10", "memory_soft_bytes is above memory_hard_bytes"),
    ],
)
def test_a_bad_file_is_refused(home: Path, text: str, complaint: str) -> None:
    write_toml(home, text)

    assert complaint in refusal({}, in_home(home))


def test_a_file_that_is_no_text_is_refused(home: Path) -> None:
    write_toml(home, "")
    (home / "manager.toml").write_bytes(b"\xff\xfe")

    assert "manager.toml is not TOML: " in refusal({}, in_home(home))


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_file_open_to_others_is_refused(home: Path, mode: int) -> None:
    write_toml(home, "probe_misses = 4")
    (home / "manager.toml").chmod(mode)

    assert f"chmod 600 {home}/manager.toml" in refusal({}, in_home(home))


def test_a_file_that_is_a_directory_is_refused(home: Path) -> None:
    (home / "manager.toml").mkdir(mode=0o700)

    assert "manager.toml is no plain file" in refusal({}, in_home(home))


@pytest.mark.parametrize("variable", ["OPENWA_MANAGER_UPSTREAM_SECRET_FILE", "WEBHOOK_SECRET_FILE"])
def test_a_secret_may_lie_in_a_file(home: Path, variable: str) -> None:
    (home / "secret").write_text("whsec_c2VjcmV0\n")
    (home / "secret").chmod(0o600)

    loaded = load({}, in_home(home, **{variable: str(home / "secret")}))

    assert loaded.settings.upstream_secret is not None
    assert loaded.settings.upstream_secret.get_secret_value() == "whsec_c2VjcmV0"
    assert loaded.origin("upstream_secret") == variable


def test_a_secrets_file_in_the_environment_beats_the_secret_in_the_file(home: Path) -> None:
    write_toml(home, 'upstream_secret = "weak"')
    (home / "secret").write_text("strong")
    (home / "secret").chmod(0o600)

    secret = load({}, in_home(home, OPENWA_MANAGER_UPSTREAM_SECRET_FILE=str(home / "secret"))).settings.upstream_secret

    assert secret is not None
    assert secret.get_secret_value() == "strong"


def test_a_secret_given_twice_or_empty_is_refused(home: Path) -> None:
    (home / "empty").write_text("\n")
    file = in_home(home, OPENWA_MANAGER_UPSTREAM_SECRET_FILE=str(home / "empty"))

    assert "is empty" in refusal({}, file)
    assert "remove one" in refusal({}, file | {"OPENWA_MANAGER_UPSTREAM_SECRET": "x"})


def test_a_variable_that_an_engine_is_given_by_us_is_no_setting() -> None:
    said = refusal({"engine_env": {"LOG_LEVEL": "debug", "PORT": "2785"}}, {})

    assert "PORT is what every engine is given by us: remove it from engine_env" in said


@pytest.mark.parametrize("extra", [{"behind_proxy": True}, {"tls_cert": "cert.pem", "tls_key": "key.pem"}])
def test_an_open_listener_is_accepted_behind_tls(
    home: Path, extra: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home)
    (home / "cert.pem").touch(0o600)
    (home / "key.pem").touch(0o600)

    settings = load({"listen": "0.0.0.0:2790", **extra}, in_home(home)).settings

    assert settings.listen == Address("0.0.0.0", 2790)  # noqa: S104
    assert settings.tls_key in (None, home / "key.pem")


def test_half_of_a_tls_pair_is_refused(home: Path) -> None:
    (home / "cert.pem").touch(0o600)

    assert "belong together" in refusal({"tls_cert": str(home / "cert.pem")}, in_home(home))


def test_paths_follow_the_home_unless_the_guides_names_move_them(home: Path) -> None:
    at_home = load({}, in_home(home)).settings
    moved = load({}, in_home(home, OPENWA_SESSIONS_PATH="/srv/sessions")).settings

    assert at_home.socket_path == home / "run" / "manager.sock"
    assert at_home.sessions_root == home / "sessions"
    assert moved.sessions_root == Path("/srv/sessions")


def test_secrets_are_shown_masked(home: Path) -> None:
    environ = in_home(home, WEBHOOK_SECRET="whsec_aGlkZGVu", OPENWA_MANAGER_ENGINE_ENV='{"TOKEN": "tea"}')

    shown = masked(load({}, environ).settings)

    assert set(shown) == set(Settings.model_fields)
    assert shown["upstream_secret"] == "***"
    assert shown["engine_env"] == {"TOKEN": "***"}
    assert shown["listen"] == "127.0.0.1:2790"
    assert shown["engine_ports"] == "28100-29099"
    assert shown["message_retry_s"] == [5.0, 25.0, 125.0]
    assert shown["home"] == str(home)


@given(
    host=st.sampled_from(["127.0.0.1", "localhost", "::1", "::", "10.0.0.1", "host.example"]),
    port=st.integers(0, 65535),
)
def test_an_address_reads_back_as_written(host: str, port: int) -> None:
    address = Address(host, port)

    read = Settings(listen=str(address), behind_proxy=True, intake_listen="127.0.0.2:1").listen  # type: ignore[arg-type]

    assert read == address
    assert read.is_loopback == (host in ("127.0.0.1", "localhost", "::1"))


def test_engines_must_be_able_to_post_to_the_next_daemon_too() -> None:
    with pytest.raises(ConfigError, match="intake_listen must name a port"):
        load({"intake_listen": "127.0.0.1:0"}, {})


def test_the_settings_defaults_are_the_policies_own() -> None:
    settings = load({}, {}).settings

    assert session_policy(settings) == Policy()
    assert probe_policy(settings) == ProbePolicy()
    assert delivery_policy(settings) == DeliveryPolicy()
    assert offline_policy(settings) == OfflinePolicy()
    assert log_policy(settings) == LogPolicy()


@pytest.mark.parametrize(
    ("name", "policy_of"),
    [
        *((name, session_policy) for name in ("replaced_wait_s", "link_initializing_s", "link_authenticating_s")),
        *((name, session_policy) for name in ("link_down_restart_s", "pairing_window_s", "crash_loop_window_s")),
        *((name, offline_policy) for name in ("offline_sessions", "offline_window_s")),
        *((name, log_policy) for name in ("engine_log_copies",)),
        *((name, probe_policy) for name in ("silence_s", "probe_misses")),
    ],
)
def test_a_setting_reaches_the_policy_that_uses_it(
    home: Path, name: str, policy_of: Callable[[Settings], object]
) -> None:
    settings = load({}, in_home(home, **{f"OPENWA_MANAGER_{name.upper()}": "17"})).settings

    assert "=17" in repr(policy_of(settings)).replace("17.0", "17")
