"""A pairing link while it holds: what is known of it, and the pages that look at it."""

import asyncio
import hmac
from collections.abc import Callable
from typing import Final

from openwa_manager.domain.access.pairing_links import PairingLink
from openwa_manager.domain.access.secret_hashes import sha256_of

#: So many pages of one link are kept up to date at once: a phone that changes its network leaves one behind.
_WATCHERS_MAX: Final = 2


class Watcher:
    """One page that is kept up to date; `news` is set when it should look again."""

    def __init__(self) -> None:
        self.news = asyncio.Event()
        self.is_sent_away = False


class OpenLink:
    """A link that holds, and those who watch it; `due_boot_s` is when its time is over, on the boot clock."""

    def __init__(self, link: PairingLink, due_boot_s: float) -> None:
        self.link = link
        self.due_boot_s = due_boot_s
        #: Why it ended; None while it holds.
        self.ended_because: str | None = None
        #: Its requests that change something go one after the other.
        self.turn = asyncio.Lock()
        self._watchers: list[Watcher] = []

    def is_of(self, secret: str | None) -> bool:
        """Tell whether this is the secret of the browser that the link belongs to; None: it gave none."""
        bound = self.link.browser_sha256
        return bound is not None and hmac.compare_digest(sha256_of(secret or ""), bound)

    def join(self) -> Watcher:
        """Return a new watcher; beyond the most there may be, the oldest is sent away."""
        if len(self._watchers) >= _WATCHERS_MAX:
            oldest = self._watchers.pop(0)
            oldest.is_sent_away = True
            oldest.news.set()
        watcher = Watcher()
        self._watchers.append(watcher)
        return watcher

    def leave(self, watcher: Watcher) -> None:
        """Forget a watcher that does not look any more."""
        if watcher in self._watchers:
            self._watchers.remove(watcher)

    def send_away(self) -> None:
        """Send all who watch away."""
        for watcher in self._watchers:
            watcher.is_sent_away = True
        self.wake()

    def wake(self) -> None:
        """Have all who watch look again."""
        for watcher in self._watchers:
            watcher.news.set()

    def change(self, update: Callable[[PairingLink], PairingLink]) -> None:
        """Change what is known of the link, and tell those who watch it."""
        self.link = update(self.link)
        self.wake()
