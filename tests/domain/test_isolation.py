from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from openwa_manager.domain.isolation import (
    WEB_PORTS,
    Isolation,
    IsolationRules,
    LaunchFacts,
    Needs,
    confinement_of,
)
from openwa_manager.domain.session.session import Spec
from tests.engines.rig import new_launch, new_session

NEEDS = Needs(default=Isolation.KERNEL, programs=(Path("/bin/node"),), readable=(Path("/opt/openwa"),))
POSSIBLE = IsolationRules(is_possible=True)
DIRECTORY = Path("/srv/sessions/a")


def facts(
    env: Mapping[str, str] | None = None, admin_env: Mapping[str, str] | None = None, proxy_url: str | None = None
) -> LaunchFacts:
    return LaunchFacts(
        session=new_session(Spec(engine="openwa", proxy_url=proxy_url)),
        launch=new_launch(28100),
        directory=DIRECTORY,
        env=env or {},
        intake_url="http://127.0.0.1:2791",
        admin_env=admin_env or {},
    )


@pytest.mark.parametrize(
    ("asked", "is_possible", "default", "isolation"),
    [
        (None, True, Isolation.KERNEL, Isolation.KERNEL),
        (None, True, Isolation.NONE, Isolation.NONE),
        (None, False, Isolation.KERNEL, Isolation.NONE),
        (Isolation.KERNEL, True, Isolation.NONE, Isolation.KERNEL),
        (Isolation.NONE, True, Isolation.KERNEL, Isolation.NONE),
    ],
)
def test_what_is_asked_for_counts_and_else_the_default_where_the_host_can(
    asked: Isolation | None, is_possible: bool, default: Isolation, isolation: Isolation
) -> None:
    rules = IsolationRules(asked=asked, is_possible=is_possible)

    assert rules.isolation(default) is isolation
    assert (confinement_of(rules, replace(NEEDS, default=default), facts()) is None) is (isolation is Isolation.NONE)


def test_an_engine_reaches_its_own_and_what_the_admin_opens() -> None:
    rules = replace(
        POSSIBLE,
        read_paths=(Path("/opt/fonts"),),
        hidden=(Path("/srv"),),
        connect_ports=(range(5222, 5223),),
        bind_ports=(range(9000, 9010),),
    )

    confinement = confinement_of(rules, NEEDS, facts())

    assert confinement is not None
    assert confinement.programs == NEEDS.programs
    assert confinement.readable == (Path("/opt/openwa"), Path("/opt/fonts"))
    assert confinement.writable == (DIRECTORY,)
    assert confinement.hidden == (Path("/srv"),)
    assert confinement.connect_ports == (*WEB_PORTS, range(2791, 2792), range(5222, 5223))
    assert confinement.bind_ports == (range(28100, 28101), range(9000, 9010))


@pytest.mark.parametrize(
    ("env", "proxy_url", "port"),
    [
        ({"HTTPS_PROXY": "http://proxy:3128"}, None, 3128),
        ({"https_proxy": "proxy:3128"}, None, 3128),
        ({"ALL_PROXY": "socks5://proxy"}, None, 1080),
        ({}, "socks5h://user:secret@proxy:9050", 9050),
        ({}, "https://proxy", 443),
    ],
)
def test_an_engine_reaches_its_proxy(env: Mapping[str, str], proxy_url: str | None, port: int) -> None:
    confinement = confinement_of(POSSIBLE, NEEDS, facts(env, proxy_url=proxy_url))

    assert confinement is not None
    assert any(port in each for each in confinement.connect_ports)


@pytest.mark.parametrize("proxy", ["", "nonsense://", "http://proxy:99999", "http://[broken", "NO_PROXY"])
def test_a_proxy_without_a_port_opens_none(proxy: str) -> None:
    confinement = confinement_of(POSSIBLE, NEEDS, facts({"HTTP_PROXY": proxy, "NO_PROXY": "a:1"}))

    assert confinement is not None
    assert {port for each in confinement.connect_ports for port in each} == {80, 443, 2791}


def test_certificates_are_read_where_the_admin_says_and_not_where_a_caller_does() -> None:
    told = {"NODE_EXTRA_CA_CERTS": "/opt/ca.pem", "SSL_CERT_FILE": "relative.pem"}

    confinement = confinement_of(POSSIBLE, NEEDS, facts({"SSL_CERT_DIR": "/srv/secrets"}, told))

    assert confinement is not None
    assert confinement.readable == (Path("/opt/openwa"), Path("/opt/ca.pem"))


def test_an_engine_with_a_socket_writes_its_directory_and_listens_on_no_port() -> None:
    launch = new_launch(28100, socket=Path("/home/me/run/e/0123456789abcdef/s"))

    confinement = confinement_of(POSSIBLE, NEEDS, replace(facts(), launch=launch))

    assert confinement is not None
    assert confinement.writable == (DIRECTORY, Path("/home/me/run/e/0123456789abcdef"))
    assert confinement.bind_ports == ()
