"""The models of what is answered about pairing links."""

from openwa_manager.api.responses import Out, Timestamp


class PairingLinkOut(Out):
    """A new link: whoever presses its button first, in its time, may link the session. It is shown this once."""

    url: str
    expires_at: Timestamp


class PageCodeOut(Out):
    """The code to type into the phone, as WhatsApp's own pages write it."""

    pairing_code: str


class PageView(Out):
    """What a page has to show now; `state` is one of the names of its sections."""

    state: str
    qr_base64: str | None
    code_left_s: float | None
    link_left_s: float
    codes_left: int
