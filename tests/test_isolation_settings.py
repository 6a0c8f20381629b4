"""The settings about the isolation of engines: what they open, what they may not, and what stays hidden."""

from pathlib import Path

import pytest

from openwa_manager.config import PortRange, load
from openwa_manager.config.policies import isolation_rules
from openwa_manager.domain.errors import ConfigError
from openwa_manager.processes.confinement.support import Support, system_support

POSSIBLE = Support(is_possible=True, what="a test")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path.resolve()


def in_home(home: Path, **variables: str) -> dict[str, str]:
    return {"OPENWA_MANAGER_HOME": str(home), **variables}


def test_ports_are_listed_by_number_and_by_range(home: Path) -> None:
    ports = {
        "OPENWA_MANAGER_ENGINE_CONNECT_PORTS": '[5222, "8000-8010"]',
        "OPENWA_MANAGER_ENGINE_BIND_PORTS": '["9000"]',
    }

    settings = load({}, in_home(home, **ports)).settings

    assert settings.engine_connect_ports == (PortRange(5222, 5222), PortRange(8000, 8010))
    assert settings.engine_bind_ports == (PortRange(9000, 9000),)
    rules = isolation_rules(settings, POSSIBLE)
    assert rules.connect_ports == (range(5222, 5223), range(8000, 8011))


@pytest.mark.parametrize("place", ["", "admin.key", "sessions", "sessions/neighbour", ".."])
def test_no_path_that_holds_secrets_or_sessions_is_opened_to_engines(home: Path, place: str) -> None:
    with pytest.raises(ConfigError, match="engine_read_paths"):
        load({}, in_home(home, OPENWA_MANAGER_ENGINE_READ_PATHS=f'["{home / place}"]'))


def test_secrets_and_sessions_are_hidden_from_engines(home: Path) -> None:
    for name in ("cert.pem", "key.pem"):
        (home / name).touch(0o600)
    places = {"OPENWA_SESSIONS_PATH": "/srv/sessions", "OPENWA_LOGS_PATH": "/srv/logs"}
    tls = {"tls_cert": str(home / "cert.pem"), "tls_key": str(home / "key.pem")}

    rules = isolation_rules(load(tls, in_home(home, **places)).settings, POSSIBLE)

    assert set(rules.hidden) == {home, Path("/srv/sessions"), Path("/srv/logs"), home / "key.pem"}


@pytest.mark.skipif(system_support().is_possible, reason="here engines can be kept apart")
def test_isolation_that_is_asked_for_and_impossible_is_refused(home: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be kept apart"):
        load({}, in_home(home, OPENWA_MANAGER_ENGINE_ISOLATION="kernel"))
