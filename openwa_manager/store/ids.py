"""Identifiers that sort by the time they were made: ULIDs with a prefix that names their kind."""

import random

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
#: Every two characters: an id is made for each event, and two at a time takes half as long.
_PAIRS = [first + second for first in _CROCKFORD for second in _CROCKFORD]


def new_id(prefix: str, at: float) -> str:
    """Return `<prefix>_<ULID>`: 48 bits of `at` in milliseconds, 80 random bits (github.com/ulid/spec).

    It is a name and no secret: randomness of the better kind would be asked of the system for every event.
    """
    number = (max(0, int(at * 1000)) % (1 << 48)) << 80 | random.getrandbits(80)
    return prefix + "_" + "".join([_PAIRS[number >> shift & 1023] for shift in range(120, -10, -10)])
