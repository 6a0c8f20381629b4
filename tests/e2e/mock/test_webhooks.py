"""Events of the mock reach the application, signed, at the address that it names, and none comes after a reset."""

import asyncio
import hashlib
import hmac
from pathlib import Path

import pytest

from tests.e2e.mock.running import NUMBER, SESSION, mocking
from tests.e2e.peers.daemon import eventually
from tests.fakes.receiver import Receiver, receiving


def are_signed(receiver: Receiver, secret: str) -> bool:
    def signature(body: bytes) -> str:
        return f"sha256={hmac.digest(secret.encode(), body, hashlib.sha256).hex()}"

    return all(each.headers["X-OpenWA-Signature"] == signature(each.body) for each in receiver.received)


def types(receiver: Receiver) -> list[object]:
    return [each.json["type"] for each in receiver.received]


@pytest.mark.parametrize(
    ("arguments", "environ", "secret"),
    [
        (("--webhook-url", "{url}"), {}, "mock-webhook-secret"),
        (("--webhook-url", "{url}", "--webhook-secret", "s-1"), {"WEBHOOK_SECRET": "s-2"}, "s-1"),
        ((), {"WEBHOOK_URL": "{url}", "OPENWA_WEBHOOK_SECRET": "s-3"}, "s-3"),
    ],
)
async def test_they_come_as_the_guide_reads_them(
    place: Path, arguments: tuple[str, ...], environ: dict[str, str], secret: str
) -> None:
    async with receiving() as receiver:

        def use() -> None:
            argv = [each.format(url=receiver.url) for each in arguments]
            env = {name: text.format(url=receiver.url) for name, text in environ.items()}
            with mocking(place, "--scan-after", "0", *argv, environ=env) as mock:
                assert mock.env["OPENWA_WEBHOOK_SECRET"] == secret
                mock.link()
                mock.send(NUMBER)
                eventually(lambda: {"session.connected", "message.sent", "message.read"} <= set(types(receiver)))

        await asyncio.to_thread(use)

    connected = next(each.json for each in receiver.received if each.json["type"] == "session.connected")
    assert (connected["event"], connected["session_id"]) == ("session.connected", SESSION)
    assert connected["phone_number"]
    assert are_signed(receiver, secret)


async def test_after_a_reset_nothing_of_before_comes(place: Path) -> None:
    async with receiving() as receiver:

        def use() -> int:
            with mocking(place, "--scan-after", "0", "--webhook-url", receiver.url) as mock:
                mock.link()
                for number in range(20):
                    mock.send(f"+852123460{number:02}")
                mock.reset()
                count = len(receiver.received)
                mock.link("after")
                eventually(lambda: "session.connected" in types(receiver)[count:])  # what comes, comes in its time
                return count

        count = await asyncio.to_thread(use)

    after = [each.json for each in receiver.received[count:]]
    assert "session.connected" in types(receiver)[:count]
    assert {each["session_id"] for each in after if not str(each["type"]).startswith("manager.")} == {"after"}
