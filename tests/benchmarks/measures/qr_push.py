"""Measures how soon a code that an engine wrote as a file is at the backend. Linux only."""

import time
from collections.abc import Iterator

from openwa_manager.simulator.whatsapp.png import draw_png
from openwa_manager.simulator.whatsapp.qrcode import encode_qr
from tests.benchmarks.daemons import SLEEPER, running
from tests.benchmarks.floors.renames import rename_times
from tests.benchmarks.rows import FLOOR, OURS, Goal, Row, medians, percentiles
from tests.e2e.peers.daemon import eventually
from tests.e2e.peers.upstream import Upstream
from tests.fakes.ports import free_ports


def measure_qr_push(codes: int) -> Iterator[Row]:
    """Rename an image into place and wait for its POST; the floor is how soon inotify tells of the rename."""
    times_s: list[float] = []
    with (
        Upstream(free_ports(1)[0]) as upstream,
        running({**SLEEPER, **upstream.settings}) as (daemon, _),
    ):
        daemon.create("acme")
        directory = daemon.home / "sessions" / "acme"
        for number in range(codes):
            fresh = directory / "fresh.png"
            fresh.write_bytes(draw_png(encode_qr(f"2@round-{number}".encode())))
            began_s = time.perf_counter()
            fresh.replace(directory / "qr.png")
            eventually(lambda: len(upstream.of("acme", "session.qr")) > number, every_s=0.0005)  # noqa: B023
            times_s.append(time.perf_counter() - began_s)
    samples = {OURS: times_s, FLOOR: rename_times(codes)}
    yield Row(name="QR file → POST, median", unit="ms", sessions=1, values=medians(samples, 1000))
    values = percentiles(samples, 99, 1000)
    yield Row(name="QR file → POST, p99", unit="ms", sessions=1, values=values, goals=[Goal("", 250)])
