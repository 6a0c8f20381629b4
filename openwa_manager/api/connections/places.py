"""Gives connections their places, and chooses who makes room when there are none left.

Theory. Whoever may connect at all can hold as many connections as there are, so a place alone must not be worth
holding. A connection is a *stranger's* until a request on it was shown to have a known caller; from then on it is that
*holder's*. In a full house the stranger goes whose last whole request is longest ago, whatever it does at the moment:
nobody who is known is kept out by those who are not, and somebody who has just come has the time that it takes the
others to fill all places once more. Without strangers a connection goes that nothing is asked on, and without such one
the oldest of a holder who has more than a quarter of all places. Only if there is none of these the newcomer goes.

That alone would let somebody who holds several keys, or may make some, keep all others out. So some places are kept
free for strangers, who so always come to say who they are. When all others are taken, room is made for one who has
said it: where nothing is asked, or of the holder of most, as long as that one has more than the newcomer's.
"""

from collections import Counter, defaultdict
from typing import Protocol

#: A holder with a larger part of the places than one of so many makes room for others.
_FAIR_PART = 4
#: One place of so many is kept free for those who have not said yet who they are: 16 of 256.
_KEPT_FREE_PART = 16


class PlacedConnection(Protocol):
    """A connection, as far as its place is concerned."""

    @property
    def group(self) -> str | None:
        """Return where it comes from, as limits count it; None if many come from there who do not belong together."""
        ...

    @property
    def holder(self) -> str | None:
        """Return who was last shown to use it; None for a stranger."""
        ...

    @property
    def is_idle(self) -> bool:
        """Tell whether nothing is asked on it now."""
        ...

    def cut(self) -> None:
        """End it at once."""
        ...


class Places:
    """The places of one listener: `count` altogether, for strangers of one group `strangers_per_group`."""

    def __init__(self, count: int, strangers_per_group: int) -> None:
        self._count = count
        self._known_max = count - count // _KEPT_FREE_PART
        self._strangers_per_group = strangers_per_group
        #: Those first that have asked for nothing for longest.
        self._strangers: dict[PlacedConnection, None] = {}
        self._groups: defaultdict[str, dict[PlacedConnection, None]] = defaultdict(dict)
        self._known: dict[PlacedConnection, None] = {}

    def __len__(self) -> int:
        """Return how many are taken."""
        return len(self._strangers) + len(self._known)

    def connections(self) -> tuple[PlacedConnection, ...]:
        """Return all that have a place."""
        return (*self._strangers, *self._known)

    def take(self, newcomer: PlacedConnection) -> bool:
        """Give a stranger a place, if need be that of another one; tell whether there was one."""
        group = newcomer.group
        if group is not None and len(of_group := self._groups.get(group, {})) >= self._strangers_per_group:
            self._end(next(iter(of_group)))
        if len(self) >= self._count:
            leaving = self._dispensable()
            if leaving is None:
                return False
            self._end(leaving)
        self._add(newcomer)
        return True

    def leave(self, connection: PlacedConnection) -> None:
        """Free the place of one that is over; nothing happens if it has none."""
        self._known.pop(connection, None)
        self._strangers.pop(connection, None)
        if connection.group is None or (of_group := self._groups.get(connection.group)) is None:
            return
        of_group.pop(connection, None)
        if not of_group:
            del self._groups[connection.group]

    def renew(self, connection: PlacedConnection) -> None:
        """Put one last in the row: it has asked for something, or it is known now whose it is."""
        if connection.holder is not None and connection in self._known:
            del self._known[connection]
            self._known[connection] = None
        elif connection in self._strangers or connection in self._known:
            self.leave(connection)
            self._add(connection)
            if len(self._known) > self._known_max:
                self._end(self._outdone_by(connection))

    def _add(self, connection: PlacedConnection) -> None:
        if connection.holder is not None:
            self._known[connection] = None
            return
        self._strangers[connection] = None
        if connection.group is not None:
            self._groups[connection.group][connection] = None

    def _end(self, connection: PlacedConnection) -> None:
        self.leave(connection)
        connection.cut()

    def _dispensable(self) -> PlacedConnection | None:
        if self._strangers:
            return next(iter(self._strangers))
        idle = next((each for each in self._known if each.is_idle), None)
        return self._of_greediest() if idle is None else idle

    def _outdone_by(self, newcomer: PlacedConnection) -> PlacedConnection:
        """Return whose place is for one who has just become known; its own if no holder has more than its."""
        idle = next((each for each in self._known if each.is_idle and each is not newcomer), None)
        if idle is not None:
            return idle
        counts = Counter(each.holder for each in self._known)
        ((holder, count),) = counts.most_common(1)
        if count <= counts[newcomer.holder]:
            return newcomer
        return next(each for each in self._known if each.holder == holder)

    def _of_greediest(self) -> PlacedConnection | None:
        """Return the oldest connection of the holder of most; None when even that one has no more than a fair part."""
        ((holder, count),) = Counter(each.holder for each in self._known).most_common(1) or ((None, 0),)
        if count * _FAIR_PART <= self._count:
            return None
        return next(each for each in self._known if each.holder == holder)
