"""Lets a service begin once the sessions are taken up, so that what it measures and tidies does not hold that up."""

from typing import Protocol

from openwa_manager.services.starting.progress import Progress


class Service(Protocol):
    """What works until it is cancelled."""

    async def run(self) -> None:
        """Work until cancelled."""
        ...


class Later:
    """A service that waits for the sessions, but not for long."""

    def __init__(self, service: Service, progress: Progress) -> None:
        self._service = service
        self._progress = progress

    async def run(self) -> None:
        """Wait, then work until cancelled."""
        await self._progress.until_settled()
        await self._service.run()
