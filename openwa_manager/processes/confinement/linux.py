"""Starts a program from a thread that has restricted itself before, and ends with it; Linux only."""

import ctypes
import os
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from functools import partial
from threading import Thread
from typing import TypeVar

from openwa_manager.domain.isolation import Confinement
from openwa_manager.processes.confinement import landlock, seccomp
from openwa_manager.processes.confinement.rules import path_rules, port_rules

T = TypeVar("T")

_PR_SET_NO_NEW_PRIVS = 38  # linux/prctl.h


def run_confined(confinement: Confinement, environ: Mapping[str, str], start: Callable[[], T]) -> T:
    """Return what `start` returns, called in a thread that is confined, as is whatever it starts.

    Blocks for about a millisecond. What `start` needs beyond must be open before. Raises what `start` raises.

    Raises OSError when the kernel refuses the rules.
    """
    handled = landlock.handled_by(landlock.abi())
    with landlock.ruleset(handled, path_rules(confinement, environ), port_rules(confinement)) as rules:
        outcome: Future[T] = Future()
        thread = Thread(target=_settle, args=(outcome, partial(_confine_and, rules, start)), name="confined")
        thread.start()
        thread.join()
    return outcome.result()


def _settle(outcome: Future[T], call: Callable[[], T]) -> None:
    try:
        outcome.set_result(call())
    except BaseException as error:  # noqa: BLE001 the thread that waits raises it
        outcome.set_exception(error)


def _confine_and(rules: int, start: Callable[[], T]) -> T:
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_NO_NEW_PRIVS, *map(ctypes.c_ulong, (1, 0, 0, 0))) < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"no_new_privs: {os.strerror(number)}")
    landlock.restrict_thread(rules)
    seccomp.filter_thread()
    return start()
