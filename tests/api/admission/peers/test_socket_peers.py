import os

import pytest

from openwa_manager.api.admission.peers.socket_peers import Peer, SocketPeers

ENGINE, SERVER, COMMAND = 1001, 1002, 1003


async def is_server(pid: int) -> bool:
    return pid in (SERVER, os.getpid())


peers = SocketPeers((ENGINE).__eq__, is_server)


@pytest.mark.parametrize(
    ("pid", "is_own", "peer"),
    [
        (COMMAND, True, Peer.OWN),
        (COMMAND, False, Peer.FOREIGN),
        (SERVER, True, Peer.FOREIGN),
        (ENGINE, True, Peer.ENGINE),
        (ENGINE, False, Peer.ENGINE),
        (None, True, Peer.ENGINE),  # it has ended since: nobody can tell what it was
        (0, True, Peer.OWN),  # of another container, or the host's
        (0, False, Peer.FOREIGN),
        pytest.param(os.getpid(), True, Peer.OWN, id="the daemon itself"),  # it asks for nobody else
    ],
)
async def test_who_is_at_the_other_end_of_the_socket(pid: int | None, is_own: bool, peer: Peer) -> None:
    assert await peers._look(pid, is_own=is_own) is peer
