"""Keeps of a body that passes all but what is in its long strings: base64 may be 25 MB, an address is short."""

import re

#: What is kept of one string; no address that OpenWA takes is as long (validator's isURL: 2,083 characters).
STRING_MAX_BYTES = 4096
#: What is kept of one body: a bulk send of 100 messages with the longest texts is half of it.
KEPT_MAX_BYTES = 1 << 20
#: What a string ends with that was cut.
CUT = "\0"

_REST_OF_STRING = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
_WHOLE_CHARACTERS = re.compile(rb'(?:[^"\\]|\\u[0-9a-fA-F]{4}|\\[^u])*+', re.DOTALL)
#: As in `\\n` and `\\u000a`.
_ESCAPED_BYTES, _ESCAPED_CODE_BYTES = 2, 6


class JsonSkeleton:
    """Keeps a JSON text with its long strings cut, whatever the parts in which it comes."""

    def __init__(self) -> None:
        self.kept = bytearray()
        self._room: int | None = None  # of the string it is in
        self._is_cut = self._is_escaped = False

    @property
    def is_overfull(self) -> bool:
        """Tell whether there is more in it than any body has beside long strings; the rest was not kept."""
        return len(self.kept) > KEPT_MAX_BYTES

    def feed(self, chunk: bytes) -> None:
        """Take what comes next."""
        begin = 0
        while begin < len(chunk) and not self.is_overfull:
            begin = self._leave_or_enter(chunk, begin) if self._room is None else self._go_on(chunk, begin, self._room)

    def _leave_or_enter(self, chunk: bytes, begin: int) -> int:
        """Take what stands between two strings, with the quote that begins the next."""
        quote = chunk.find(b'"', begin)
        end = len(chunk) if quote < 0 else quote + 1
        self.kept += chunk[begin:end]
        if quote >= 0:
            self._room, self._is_cut = STRING_MAX_BYTES, False
        return end

    def _go_on(self, chunk: bytes, begin: int, room: int) -> int:
        """Take more of a string, up to its end or that of the chunk."""
        if self._is_escaped:
            self._is_escaped = False
            self._keep_escaped(chunk[begin : begin + 1], room)
            return begin + 1
        rest = _REST_OF_STRING.match(chunk, begin)
        end = rest.end() if rest else begin
        self._keep(chunk[begin:end], room)
        if chunk[end : end + 1] == b'"':
            self.kept += b'\\u0000"' if self._is_cut else b'"'
            self._room = None
        elif end < len(chunk):  # a backslash: what it escapes is in the next chunk
            self._is_escaped = True
        return end + 1

    def _keep_escaped(self, escaped: bytes, room: int) -> None:
        """Keep a backslash with what it escapes, if the rest of that has room as well."""
        size = _ESCAPED_CODE_BYTES if escaped == b"u" else _ESCAPED_BYTES
        if room < size:
            self._is_cut = True
        self._keep(b"\\" + escaped, room)

    def _keep(self, part: bytes, room: int) -> None:
        if self._is_cut:
            return
        if len(part) > room:
            whole = _WHOLE_CHARACTERS.match(part[:room])
            part, self._is_cut = part[: whole.end() if whole else 0], True
        self.kept += part
        self._room = room - len(part)


class FormSkeleton:
    """Keeps a form with its long fields cut."""

    def __init__(self) -> None:
        self.kept = bytearray()
        self._room = STRING_MAX_BYTES

    @property
    def is_overfull(self) -> bool:
        """Tell whether there is more in it than any form has beside long fields; the rest was not kept."""
        return len(self.kept) > KEPT_MAX_BYTES

    def feed(self, chunk: bytes) -> None:
        """Take what comes next."""
        for number, part in enumerate(chunk.split(b"&")):
            if self.is_overfull:
                return
            if number:
                self.kept += b"&"
                self._room = STRING_MAX_BYTES
            self.kept += part[: max(self._room, 0)]
            if len(part) > self._room >= 0:
                self.kept += b"%00"
                self._room = -1
            elif self._room >= 0:
                self._room -= len(part)
