"""Secrets that are marked, and where they are found again, however they are written there."""

import base64
import json
from collections.abc import Iterator, Mapping
from urllib.parse import quote, quote_plus


class Marks:
    """The secrets of one test by what they are called; several values may have one name."""

    def __init__(self) -> None:
        self._forms: dict[bytes, str] = {}
        self.values: dict[str, str] = {}

    def add(self, name: str, value: str) -> str:
        """Mark a value, and return it."""
        assert len(value) >= 8, (name, "is too short to be told from chance")
        self.values.setdefault(name, value)
        for form in forms_of(value):
            self._forms.setdefault(form, name)
        return value

    def found_in(self, data: bytes) -> frozenset[str]:
        """Return the names of those that are in there."""
        return frozenset(name for form, name in self._forms.items() if form in data)

    def found_in_all(self, places: Mapping[str, bytes]) -> set[tuple[str, str]]:
        """Return the place and the name of each that is found."""
        return {(place, name) for place, data in places.items() for name in self.found_in(data)}


def forms_of(value: str) -> Iterator[bytes]:
    """Yield how a value may stand in a text: as it is, escaped, quoted for a URL, in hexadecimal and in base64."""
    raw = value.encode()
    yield raw
    yield json.dumps(value)[1:-1].encode()
    yield quote(value, safe="").encode()
    yield quote_plus(value).encode()
    yield "".join(f"%{byte:02X}" for byte in raw).encode()
    yield raw.hex().encode()
    yield raw.hex().upper().encode()
    for before in range(3):  # base64 depends on where in its text the value begins
        inner = base64.b64encode(b"\0" * before + raw)[(0, 2, 3)[before] :]
        whole = inner.rstrip(b"=")[:-1]  # the last letter holds bits of what follows
        yield whole
        yield whole.replace(b"+", b"-").replace(b"/", b"_")
