"""Where a file of an engine lies: which part of its path is the admin's, and which an engine may have changed."""

from pathlib import Path

from openwa_manager.domain.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignPath:
    """The place of something in an engine's hands; only `host.foreign` opens what lies there.

    `root` is the admin's and may be a link. Each of `parts` below it may be anything by now: a link into another
    directory, a pipe, a second name of somebody else's file. So this is no `Path` that could be opened by mistake.
    """

    root: Path
    parts: tuple[str, ...]

    @property
    def path(self) -> Path:
        """Return how the place is written: for messages, for the engine itself, for comparing."""
        return self.root.joinpath(*self.parts)

    @property
    def name(self) -> str:
        """Return its last part."""
        return self.parts[-1]

    @property
    def parent(self) -> "ForeignPath":
        """Return the directory it lies in."""
        return ForeignPath(root=self.root, parts=self.parts[:-1])

    def child(self, *parts: str) -> "ForeignPath":
        """Return a place below this one."""
        return ForeignPath(root=self.root, parts=(*self.parts, *parts))

    def sibling(self, name: str) -> "ForeignPath":
        """Return the place of this name beside it."""
        return self.parent.child(name)

    def __str__(self) -> str:
        return str(self.path)


def of_session(directory: Path) -> ForeignPath:
    """Return a session's directory as what it is: the engine may have put something else in its place."""
    return ForeignPath(root=directory.parent, parts=(directory.name,))
