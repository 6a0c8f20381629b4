"""The OpenAPI document of this version, made without a daemon."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

from openwa_manager.api.app import make_table
from openwa_manager.api.openapi import describe
from openwa_manager.domain.delivery.events import Json

if TYPE_CHECKING:
    from openwa_manager.api.app import ApiDependencies
    from openwa_manager.api.gateway.app import GatewayDependencies


class _Nothing:
    """Stands for all that routes are made with and only use once they are called."""

    def __getattr__(self, name: str) -> "_Nothing":
        return self

    def __bool__(self) -> bool:
        return False

    def __iter__(self) -> Iterator["_Nothing"]:
        return iter(())

    def __call__(self, *_: object, **__: object) -> "_Nothing":
        return self


def document() -> dict[str, Json]:
    """Return the document."""
    nothing = _Nothing()
    table = make_table(cast("ApiDependencies", nothing), cast("GatewayDependencies", nothing))
    return describe(table, "0")
