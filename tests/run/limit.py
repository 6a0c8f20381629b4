"""Ends a run of the tests that takes too long, and what a run leaves behind.

A pytest plugin. A test has a limit of its own (`timeout`), but its end can hang as well: a clean-up that waits, a
thread, a worker of pytest-xdist that does not answer. So the first process of a run has a thread that looks at the
clock. When the whole run has taken too long, every process says where its threads are, everything that the run has
started is killed, and it exits. It does the same when it is told to end by SIGTERM.
"""

import asyncio
import faulthandler
import inspect
import os
import signal
import threading
import time
from collections.abc import Awaitable, Callable
from functools import wraps
from pathlib import Path
from typing import NoReturn, TextIO

import psutil
import pytest

from tests.run.leftovers import end_all, find_descendants, find_leftovers

#: Several times what `make test` takes on a machine with 2 cores.
_RUN_S = 45 * 60.0
_WHERE_ARE_YOU = signal.SIGUSR2
#: So long the workers have to say where they are.
_LAST_WORDS_S = 3.0
_KILLED_WITHIN_S = 10.0
#: What was told to end may need so long.
_ENDS_WITHIN_S = 3.0
EXIT_OVERDUE = 124  # as timeout(1) says it
#: All tests passed, but something of theirs went on. `make test` runs failed tests again; this is not mended by that.
EXIT_LEFTOVERS = 125
#: So long before its limit a test's coroutine is cancelled: then it cleans up in order, which a signal forbids.
_IN_ORDER_S = 10.0

_errors: TextIO = os.fdopen(os.dup(2), "w", encoding="utf-8", errors="replace")  # before pytest captures it
_is_overdue = threading.Event()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare how long a run may take."""
    parser.addoption("--run-limit", type=float, default=_RUN_S, metavar="S", help="end the run after so many seconds")


def pytest_configure(config: pytest.Config) -> None:
    """Begin to count."""
    if is_worker(config):
        faulthandler.register(_WHERE_ARE_YOU, file=_errors)
        return
    threading.Thread(target=_watch, args=(config, config.getoption("run_limit")), daemon=True).start()
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, lambda number, _: _end_at_once(config, 128 + number))


def _watch(config: pytest.Config, within_s: float) -> None:
    time.sleep(within_s)
    _is_overdue.set()
    print(f"\nThe run took longer than {within_s:g} s. All its processes say where they are:", file=_errors, flush=True)
    faulthandler.dump_traceback(_errors)
    if config.pluginmanager.hasplugin("dsession"):  # then our children are the workers of pytest-xdist
        for worker in psutil.Process().children():
            worker.send_signal(_WHERE_ARE_YOU)
    time.sleep(_LAST_WORDS_S)
    _end_at_once(config, EXIT_OVERDUE)


def _end_at_once(config: pytest.Config, exit_code: int) -> NoReturn:
    give_up_s = time.monotonic() + _KILLED_WITHIN_S
    while found := [*find_descendants(), *find_leftovers(place_of(config))]:  # pytest-xdist starts new workers
        for each in end_all(found):
            print(f"killed {each}", file=_errors, flush=True)
        if time.monotonic() > give_up_s:
            break
    os._exit(exit_code)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """End what still runs, once all workers are gone; a run that left something behind has failed."""
    if is_worker(session.config):
        return
    if _is_overdue.is_set():  # the last worker was killed; the thread that did it says what else it kills, and exits
        time.sleep(_KILLED_WITHIN_S)
    _, left = psutil.wait_procs(find_leftovers(place_of(session.config)), timeout=_ENDS_WITHIN_S)
    for each in end_all(left):
        print(f"left running by the tests, and killed: {each}", file=_errors, flush=True)
        if session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = EXIT_LEFTOVERS
    if _is_overdue.is_set():
        session.exitstatus = EXIT_OVERDUE


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give every await in a test a bound, unless tests have none (`--timeout=0`)."""
    for item in items:
        if isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.obj):
            limit_s = _limit_s_of(item)
            item.obj = _bounded(item.obj, limit_s - _IN_ORDER_S if limit_s else None)


def _limit_s_of(item: pytest.Item) -> float:
    marker = item.get_closest_marker("timeout")
    return float(marker.args[0] if marker else vars(item.config).get("_env_timeout") or 0)


def _bounded(test: Callable[..., Awaitable[None]], within_s: float | None) -> Callable[..., Awaitable[None]]:
    @wraps(test)
    async def run(*args: object, **fixtures: object) -> None:
        async with asyncio.timeout(within_s):
            await test(*args, **fixtures)

    return run


def is_worker(config: pytest.Config) -> bool:
    """Tell whether this is a worker of pytest-xdist, which ends with its controller."""
    return hasattr(config, "workerinput")


def place_of(config: pytest.Config) -> Path:
    """Return the temporary directory of the run; those of the workers are in it."""
    place: Path = vars(config)["_tmp_path_factory"].getbasetemp()
    return place
