"""The simulator's guard stands where OpenWA's does, and knows the name that our shim knows."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from openwa_manager.simulator.settings import Intake
from openwa_manager.simulator.state.addresses import AddressGuard
from tests.simulator.harness import Receiver, Simulator

NAME = "abc.openwa-intake.invalid"
INTAKE = Intake(name=NAME, address="127.0.0.1", port=2791)


def guard(*hosts: str, is_online: bool = False) -> AddressGuard:
    return AddressGuard(frozenset(hosts), INTAKE, is_online=is_online)


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "localhost", "[::1]", "[::ffff:10.0.0.1]", "[2002:7f00:1::]", "10.0.0.1", "169.254.169.254"),
        *("192.168.1.1", "100.64.0.1", "0.0.0.0", "224.0.0.1", "example.com", NAME),  # noqa: S104 an address to refuse
    ],
)
def test_what_is_private_or_does_not_resolve_is_refused(host: str) -> None:
    assert not guard().allows(f"http://{host}:8080/x")


@pytest.mark.parametrize("url", ["", "http://", "http://[::1", "ftp://1.1.1.1/x", "//1.1.1.1/x", "1.1.1.1"])
def test_what_is_no_web_address_is_refused(url: str) -> None:
    assert not guard("1.1.1.1").allows(url)


def test_public_addresses_pass_and_public_names_do_online() -> None:
    assert guard().allows("https://1.1.1.1/x")
    assert guard().allows("https://[2606:4700::1111]/x")
    assert guard(is_online=True).allows("https://example.com/x")
    assert not guard(is_online=True).allows("http://localhost/x")


def test_a_host_that_is_named_passes_with_any_port() -> None:
    assert guard(NAME).allows(f"http://{NAME.upper()}:9/x")


def test_the_managers_name_leads_to_its_port_alone() -> None:
    assert guard().address(NAME, 2791) == "127.0.0.1"
    assert guard().address("example.com", 9) == "example.com"
    with pytest.raises(ConnectionRefusedError):
        guard().address(NAME, 2792)


def outcome_at(simulator: Simulator, url: str) -> object:
    """Register a webhook and return what a test of it says."""
    session_id = simulator.create()
    path = f"/api/sessions/{session_id}/webhooks"
    hook = simulator.ask("POST", path, {"url": url, "events": ["*"]})
    assert hook.status == 201, hook
    return simulator.ask("POST", f"{path}/{hook.fields['id']}/test").body


def known(port: int) -> Mapping[str, str]:
    place = {"OPENWA_MANAGER_INTAKE_NAME": NAME, "OPENWA_MANAGER_INTAKE": f"127.0.0.1 {port}"}
    return {"SSRF_ALLOWED_HOSTS": NAME, **place}


def test_it_posts_to_the_managers_name(tmp_path: Path, receiver: Receiver) -> None:
    port = int(receiver.url.split(":")[2].partition("/")[0])
    with Simulator(tmp_path, known(port)) as simulator:
        assert outcome_at(simulator, f"http://{NAME}:{port}/x") == {"success": True, "statusCode": 200}

    (delivery,) = receiver.deliveries
    assert (delivery.path, delivery.headers["Host"]) == ("/x", f"{NAME}:{port}")


def test_it_posts_to_no_other_port_of_that_name(tmp_path: Path, receiver: Receiver) -> None:
    port = int(receiver.url.split(":")[2].partition("/")[0])
    with Simulator(tmp_path, known(port + 1)) as simulator:
        assert outcome_at(simulator, f"http://{NAME}:{port}/x") == {"success": False, "error": "fetch failed"}

    assert receiver.deliveries == []


def test_a_webhook_of_before_is_not_posted_where_the_guard_says_no(tmp_path: Path, receiver: Receiver) -> None:
    with Simulator(tmp_path) as simulator:
        session_id = simulator.create()
        path = f"/api/sessions/{session_id}/webhooks"
        hook = simulator.ask("POST", path, {"url": receiver.url, "events": ["*"]}).fields

    with Simulator(tmp_path, {"SSRF_ALLOWED_HOSTS": NAME}) as simulator:
        answer = simulator.ask("POST", f"{path}/{hook['id']}/test").body

    assert answer == {"success": False, "error": "Destination address is not allowed"}
    assert receiver.deliveries == []
