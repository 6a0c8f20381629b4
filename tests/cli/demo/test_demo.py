"""The demo runs all its steps on real processes, and says so when it goes wrong."""

import base64
import hmac
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
from standardwebhooks.webhooks import Webhook

from openwa_manager.cli import main
from openwa_manager.cli.demo.receiver import ReceivedEvent, Receiver, is_signed
from tests.fakes.process import ending, handing_on

SECRET = "whsec_" + base64.b64encode(b"s" * 32).decode()


@pytest.fixture(autouse=True)
def temporary(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give the demo a place of its own, with a path short enough for a socket, that must be empty again at the end."""
    folder = tmp_path_factory.mktemp("d")
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", None)
    yield folder
    assert list(folder.iterdir()) == []


def test_every_step_of_the_demo_succeeds(capfd: pytest.CaptureFixture[str]) -> None:
    code = main(["demo", "--once"])

    told = capfd.readouterr().out
    assert code == 0
    assert "▀▀▀▀▀▀▀" in told
    events = [line.split()[1] for line in told.splitlines() if line.startswith("    \N{CHECK MARK} ")]
    wanted = ["session.created", "session.qr", "session.connected", "session.crashed", "session.restarted"]
    assert [event for event in events if event in wanted] == [*wanted, "session.connected"]
    assert [event for event in events if event.startswith("session.")][-1] == "session.stopped"
    assert "curl -H" not in told
    assert "help install" in told
    assert told.endswith("All went as told.\n")


@pytest.mark.slow
def test_it_goes_on_until_it_is_interrupted() -> None:
    argv = (sys.executable, "-m", "openwa_manager", "demo")
    with ending(subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)) as demo:
        assert demo.stdout
        told = ""
        for line in demo.stdout:
            told += line
            if "Going on until Ctrl-C" in line:
                demo.send_signal(signal.SIGINT)
                break
        rest, _ = demo.communicate(timeout=60)

    assert demo.returncode == 0
    assert "curl -H" in told
    assert "/docs" in told
    assert "session.stopped" in rest


@pytest.mark.slow
def test_an_interrupt_in_the_middle_puts_everything_away() -> None:
    argv = (sys.executable, "-m", "openwa_manager", "demo", "--once")
    with ending(subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)) as demo:
        assert demo.stdout
        for line in demo.stdout:
            if "session.qr " in line:
                demo.send_signal(signal.SIGTERM)
                break
        rest, _ = demo.communicate(timeout=60)

    assert demo.returncode == 130
    assert "session.stopped" in rest


@pytest.mark.slow
def test_a_demo_in_the_background_of_a_script_is_ended_by_sigterm_alone() -> None:
    argv = (sys.executable, "-m", "openwa_manager", "demo", "--once")
    with handing_on(ignored={signal.SIGINT, signal.SIGTERM, signal.SIGHUP}):
        background = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    with ending(background) as demo:
        assert demo.stdout
        for line in demo.stdout:
            if "session.qr " in line:
                demo.send_signal(signal.SIGINT)
            if "session.connected " in line:
                demo.send_signal(signal.SIGTERM)
                break
        rest, _ = demo.communicate(timeout=60)

    assert demo.returncode == 130
    assert "session.stopped" in rest


def test_a_daemon_that_does_not_start_fails_the_demo(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONHOME", "/nonexistent")

    code = main(["demo", "--once"])

    said = capfd.readouterr()
    assert code == 1
    assert "the daemon did not become ready" in said.err
    assert "init_fs_encoding" in said.out


async def test_the_receiver_knows_a_forged_event() -> None:
    seen: list[ReceivedEvent] = []
    body = b'{"type":"session.qr"}'
    headers = signed(body, 1_700_000_000)
    async with Receiver(SECRET, seen.append) as receiver, aiohttp.ClientSession() as client:
        genuine = await client.post(receiver.url, data=body, headers=headers)
        forged = await client.post(receiver.url, data=b'{"type":"session.xx"}', headers=headers)

        assert (genuine.status, forged.status) == (204, 401)
        assert (await receiver.expect("session.qr", 5)).event == {"type": "session.qr"}
        assert [arrival.type for arrival in receiver.forged] == ["session.xx"]
        assert [arrival.is_genuine for arrival in seen] == [True, False]


async def test_an_event_that_does_not_come_is_not_awaited_for_ever() -> None:
    async with Receiver(SECRET, lambda _: None) as receiver:
        with pytest.raises(TimeoutError):
            await receiver.expect("session.qr", 0.01)


@pytest.mark.parametrize("missing", ["webhook-signature", "X-OpenWA-Signature", "webhook-id", "webhook-timestamp"])
def test_both_signatures_must_be_right(missing: str) -> None:
    headers = signed(b"{}", 1_700_000_000)

    assert is_signed(b"{}", headers, SECRET)
    assert not is_signed(b"{}", {name: text for name, text in headers.items() if name != missing}, SECRET)


def signed(body: bytes, at: int) -> dict[str, str]:
    """Sign as the standard's own library does, and as the guide's handlers expect."""
    when = datetime.fromtimestamp(at, tz=UTC)
    return {
        "webhook-id": "evt_1",
        "webhook-timestamp": str(at),
        "webhook-signature": Webhook(SECRET).sign("evt_1", when, body.decode()),
        "X-OpenWA-Signature": "sha256=" + hmac.digest(SECRET.encode(), body, "sha256").hex(),
    }
