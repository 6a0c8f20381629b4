"""What the page of a pairing link has to show."""

from openwa_manager.domain.access.pairing_links import PairingState
from openwa_manager.domain.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PairingView:
    """What the page of a link has to show now.

    `image` (PNG) is the code to scan, valid for `code_left_s`; None: there is none. The link holds for `link_left_s`.
    """

    state: PairingState
    image: bytes | None = None
    code_left_s: float | None = None
    link_left_s: float = 0.0
    codes_left: int = 0


def is_same(view: PairingView, seen: PairingView | None) -> bool:
    """Tell whether a page that has seen the one need not see the other; its countdown goes on by itself."""
    return seen is not None and (view.state, view.image, view.codes_left) == (seen.state, seen.image, seen.codes_left)
