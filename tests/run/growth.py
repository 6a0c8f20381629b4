"""Tells how the cost of work grows with its size: times are only compared with each other, on whatever machine."""

import gc
from collections.abc import Callable
from time import process_time
from typing import Final

#: So much larger the large piece of work is than the small one.
_TIMES: Final = 8
#: So much dearer than in step with its size it may be by chance: work that looks at all again and again is 8 times so.
_CHANCE: Final = 4
#: What the clock of a process may add.
_FLOOR_S: Final = 0.02
_TRIES: Final = 3


def is_linear(work: Callable[[int], object], size: int) -> bool:
    """Tell whether `work(size)` costs at most in step with what an eighth of it costs, in CPU time of this process."""
    small_s, large_s = _cost_s(work, size // _TIMES), _cost_s(work, size)
    print(f"{size // _TIMES}: {small_s * 1000:.2f} ms, {size}: {large_s * 1000:.2f} ms")
    return large_s <= _TIMES * _CHANCE * small_s + _FLOOR_S


def is_constant(work: Callable[[int], object], size: int) -> bool:
    """Tell whether `work(size)` costs about what an eighth of it costs."""
    small_s, large_s = _cost_s(work, size // _TIMES), _cost_s(work, size)
    print(f"{size // _TIMES}: {small_s * 1000:.2f} ms, {size}: {large_s * 1000:.2f} ms")
    return large_s <= _CHANCE * small_s + _FLOOR_S


def _cost_s(work: Callable[[int], object], size: int) -> float:
    costs_s: list[float] = []
    gc.disable()  # it looks at all objects there are, also at those of other tests
    try:
        for _ in range(_TRIES):
            began_s = process_time()
            work(size)
            costs_s.append(process_time() - began_s)
    finally:
        gc.enable()
    return min(costs_s)
