"""The one way to wait for what cannot announce itself."""

import asyncio
from collections.abc import Callable

_LOOK_S = 0.01


async def until(is_met: Callable[[], object], within_s: float = 20.0) -> None:
    """Return once this is true; look a hundred times a second.

    Raises:
        TimeoutError: it is not true in time.
    """
    async with asyncio.timeout(within_s):
        while not is_met():  # noqa: ASYNC110 - what has an event is waited for elsewhere
            await asyncio.sleep(_LOOK_S)
