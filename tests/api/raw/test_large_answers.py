import asyncio
import socket
from pathlib import Path

from tests.api.raw.lines import Target, exchange
from tests.fakes.platforms import linux_only
from tests.fakes.polling import until

GET = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n"
KEY = b"X-API-Key: {key}\r\n"
LAST = b"Connection: close\r\n"
#: A hundred of them are made in a second.
_LOOKS = 40


async def test_strangers_get_one_large_answer_on_a_connection(target: Target) -> None:
    answers = await exchange(target.port, (GET + b"\r\n") * 20)

    assert [answer.status for answer in answers] == [200]
    assert answers[0].headers["connection"] == "close"
    assert answers[0].body.endswith(b"}")


async def test_who_has_a_key_gets_as_many_as_asked_for(target: Target) -> None:
    answers = await exchange(target.port, target.filled(GET + KEY + b"\r\n" + GET + KEY + LAST + b"\r\n"))

    assert [answer.status for answer in answers] == [200, 200]
    assert answers[0].body == answers[1].body


@linux_only("/proc tells what the kernel keeps for a connection")
async def test_the_kernel_keeps_little_for_who_does_not_read(target: Target) -> None:
    with socket.socket() as peer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(peer, ("127.0.0.1", target.port))
        await loop.sock_sendall(peer, GET + b"\r\n")
        await until(lambda: kept_for(peer) > 0)
        kept: list[int] = []

        def has_looked_often() -> bool:
            kept.append(kept_for(peer))
            return len(kept) > _LOOKS

        await until(has_looked_often)

    assert max(kept) < 256 * 1024


def kept_for(peer: socket.socket) -> int:
    """Return how many bytes the kernel keeps of what is sent to a peer (proc(5), /proc/net/tcp: tx_queue)."""
    port = f":{peer.getsockname()[1]:04X}"
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[2].endswith(port):
            return int(fields[4].partition(":")[0], 16)
    return 0
