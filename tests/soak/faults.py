"""Random faults on many simulators for minutes, or none at all, then a verdict."""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from typing import cast

import psutil

from tests.e2e.peers.daemon import Daemon, eventually
from tests.faults.chaos import Chaos

SETTINGS = {
    "PROBE_PERIOD_S": "2",
    "PROBE_TIMEOUT_S": "2",
    "STOP_GRACE_S": "2",
    "BACKOFF_FIRST_S": "0.2",
    "BACKOFF_MAX_S": "5",
}
#: Between two faults, on average.
_PAUSE_S = 1.0
#: Healthy sessions are watched as they are by default; only their start is hurried.
DEFAULTS = {"BACKOFF_FIRST_S": "1", "CRASH_LOOP_COUNT": "5", "STOP_GRACE_S": "10", "START_CONCURRENCY": "2"}
#: Between two messages that some session receives.
_TRAFFIC_PERIOD_S = 5.0


def judge_peace(chaos: Chaos, session_count: int, seconds: float, dice: random.Random) -> int:
    """Let healthy sessions receive messages, and accept nothing else: no restart, no change of status, no error."""
    daemon = chaos.daemon
    for number in range(session_count):
        chaos.start(f"s{number}")
    chaos.require_healed()
    before = daemon.registry()
    _, seen_seq = _told(daemon, 0)
    cpu_s = _cpu_s(daemon)
    print(f"all {session_count} connected", flush=True)
    end_s, sent = time.monotonic() + seconds, 0
    while time.monotonic() < end_s:
        daemon.steer(dice.choice(sorted(before)), "receive?from=85212345678&text=hello")
        sent += 1
        time.sleep(_TRAFFIC_PERIOD_S)
    cpu_s = _cpu_s(daemon) - cpu_s
    eventually(lambda: _told(daemon, seen_seq)[0].total() >= sent)
    told, _ = _told(daemon, seen_seq)
    held = daemon.registry() == before and told == {"message.received": sent}
    print(f"{'HELD' if held else 'FAILED'}: {session_count} sessions, {seconds / 60:g} min; told: {dict(told)}")
    print(f"the daemon took {cpu_s / seconds * 60:.2f} CPU-s a minute\n{_complaints(chaos)}")
    return 0 if held else 1


def _told(daemon: Daemon, after: int) -> tuple[Counter[str], int]:
    """Return what was told after this seq, counted by type, and the newest seq."""
    told: Counter[str] = Counter()
    while True:
        page = daemon.ask("GET", f"/v1/events?limit=1000&after={after}").body
        events, after = cast("list[dict[str, str]]", page["events"]), cast("int", page["next_after"])
        if not events:
            return told, after
        told.update(event["type"] for event in events)


def _cpu_s(daemon: Daemon) -> float:
    assert daemon.process is not None
    times = psutil.Process(daemon.process.pid).cpu_times()
    return times.user + times.system


def judge_faults(chaos: Chaos, session_count: int, seconds: float, dice: random.Random) -> int:
    """Let one fault follow the other, and accept nothing but one engine a session, and that all heal."""
    done: Counter[str] = Counter()
    try:
        for number in range(session_count):
            chaos.start(f"s{number}")
        chaos.require_healed()
        print(f"all {session_count} connected", flush=True)
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            done[_one_fault(chaos, dice)] += 1
            chaos.require_one_owner()
            time.sleep(dice.uniform(0, 2 * _PAUSE_S))
        chaos.require_healed()
    except AssertionError as broken:
        print(f"FAILED after {done.total()} faults ({_listed(done)}): {broken}\n{_complaints(chaos)}")
        return 1
    print(f"HELD: {done.total()} faults ({_listed(done)}); never two engines for one session, and all healed")
    print(_complaints(chaos))
    return 0


def _one_fault(chaos: Chaos, dice: random.Random) -> str:
    name = dice.choice(sorted(chaos.desired))
    faults: dict[str, tuple[int, Callable[[], None]]] = {
        "engine killed": (6, lambda: chaos.signal_engine(name, signal.SIGKILL)),
        "engine terminated": (2, lambda: chaos.signal_engine(name, signal.SIGTERM)),
        "engine frozen": (4, lambda: chaos.signal_engine(name, signal.SIGSTOP)),
        "stopped": (2, lambda: chaos.stop(name)),
        "started": (6, lambda: chaos.start(name)),
        "restarted": (2, lambda: chaos.restart(name)),
        "deleted and made anew": (1, lambda: _remake(chaos, name)),
        "daemon killed": (1, lambda: _lose_daemon(chaos, dice, [name])),
        "daemon frozen": (1, lambda: _freeze_daemon(chaos)),
    }
    words = list(faults)
    (word,) = dice.choices(words, [faults[each][0] for each in words])
    faults[word][1]()
    return word


def _remake(chaos: Chaos, name: str) -> None:
    chaos.delete(name)
    chaos.start(name)


def _lose_daemon(chaos: Chaos, dice: random.Random, victims: list[str]) -> None:
    """Kill the daemon, and perhaps an engine while nobody watches; then start it again."""
    chaos.kill_daemon()
    if dice.random() < 0.5:
        for name in victims:
            chaos.signal_engine(name, signal.SIGKILL)
    chaos.start_daemon()


def _freeze_daemon(chaos: Chaos) -> None:
    process = chaos.daemon.process
    assert process is not None
    os.kill(process.pid, signal.SIGSTOP)
    time.sleep(3)
    os.kill(process.pid, signal.SIGCONT)


def _listed(done: Counter[str]) -> str:
    return ", ".join(f"{count} {word}" for word, count in done.most_common())


def _complaints(chaos: Chaos) -> str:
    """Return what the daemon logged as errors; a bug that was caught is still a bug."""
    errors = [line for line in chaos.daemon.log.splitlines() if '"level": "error"' in line]
    return "\n".join([f"{len(errors)} errors in the log", *(error[:400] for error in errors[:5])])
