"""The two worlds the same tests run in: the simulator, and a real OpenWA over a fake WhatsApp.

`OPENWA_HOME` is a built checkout, `OPENWA_MOCK` a folder whose `preload.cjs` replaces baileys' socket and listens for
control calls on the engine's port + 10000.
"""

import http.client
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass

from openwa_manager.processes.reading.identity import environment_of, live_identity_of
from tests.e2e.peers.daemon import Daemon

CONTROL_OFFSET = 10_000
#: Where the control ports of the tests' engines lie, which isolated engines may listen on only when they are told.
CONTROL_PORTS = "20000-25000"


@dataclass(frozen=True, slots=True)
class Phones:
    """How the phones of one world are steered, and what its engines need to be started."""

    engine: str

    @property
    def engine_env(self) -> Mapping[str, str]:
        """Return what is added to every engine's environment."""
        if self.engine == "simulator":
            return {}
        preload = os.path.join(os.environ["OPENWA_MOCK"], "preload.cjs")  # noqa: PTH118 (text for node)
        return {
            "MOCK_WA": "1",
            "MOCK_WA_CONTROL_OFFSET": str(CONTROL_OFFSET),
            "NODE_OPTIONS": f"--require {preload}",
        }

    @property
    def environ(self) -> Mapping[str, str]:
        """Return what is added to the daemon's environment."""
        if self.engine == "simulator":
            return {}
        opened = {
            "OPENWA_MANAGER_ENGINE_READ_PATHS": json.dumps([os.environ["OPENWA_MOCK"]]),
            "OPENWA_MANAGER_ENGINE_BIND_PORTS": json.dumps([CONTROL_PORTS]),
        }
        return opened | {name: os.environ[name] for name in ("OPENWA_HOME", "NODE") if name in os.environ}

    def steer(self, daemon: Daemon, session_id: str, verb: str) -> None:
        """Do something to the phone or the engine: `scan`, `close?code=`, `crash`, `exit?code=`, `hang?s=`."""
        if self.engine == "simulator":
            daemon.steer(session_id, verb)
            return
        port = control_port(daemon.session(session_id).number("pid"))
        if verb.startswith("hang?s="):
            _post(port, f"/_/block?ms={1000 * int(verb.removeprefix('hang?s='))}")
        else:
            _post(port, f"/_/{verb}")


def control_port(pid: int) -> int:
    """Return where the fake WhatsApp in a live engine is steered, which it derives from the `PORT` it was given."""
    identity = live_identity_of(pid)
    assert identity is not None
    return int(environment_of(identity)["PORT"]) + CONTROL_OFFSET


def _post(port: int, path: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=45)
    try:
        connection.request("POST", path)
        response = connection.getresponse()
        answer = response.read()
        assert response.status == 200, answer
        assert json.loads(answer) is not None
    finally:
        connection.close()
