"""The daemon behind its own certificate, which is renewed while it runs."""

import signal
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

from tests.e2e.peers.daemon import Daemon, eventually
from tests.fakes.certificates import make_certificate

Serve = Callable[..., Daemon]


def name_of(port: int, names: tuple[str, ...]) -> str | None:
    """Return which of the names the certificate of a new connection has; None if none."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", port), 10) as plain, context.wrap_socket(plain) as line:
        raw = line.getpeercert(binary_form=True) or b""
    return next((name for name in names if name.encode() in raw), None)


def test_a_renewed_certificate_is_used_after_sighup(serve: Serve, tmp_path: Path) -> None:
    names = ("earlier", "renewed")
    cert, key = make_certificate(tmp_path, names[0])
    daemon = serve(settings={"TLS_CERT": str(cert), "TLS_KEY": str(key)})
    assert daemon.process is not None
    before = name_of(daemon.port, names)
    for new, used in zip(make_certificate(tmp_path, names[1]), (cert, key), strict=True):
        new.replace(used)

    daemon.process.send_signal(signal.SIGHUP)

    assert before == names[0]
    assert eventually(lambda: name_of(daemon.port, names) == names[1])
    assert daemon.terminate() == 0
