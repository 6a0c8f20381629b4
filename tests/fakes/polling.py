"""The one way to wait for what cannot announce itself."""

import asyncio
from collections.abc import Callable

#: How long a test waits for what should come at once: real processes, beside strangers' load.
PATIENCE_S = 45.0
_LOOK_S = 0.01


async def until(is_met: Callable[[], object], within_s: float = PATIENCE_S) -> None:
    """Return once this is true; look a hundred times a second.

    Raises:
        TimeoutError: it is not true in time.
    """
    async with asyncio.timeout(within_s):
        while not is_met():  # noqa: ASYNC110 - what has an event is waited for elsewhere
            await asyncio.sleep(_LOOK_S)
