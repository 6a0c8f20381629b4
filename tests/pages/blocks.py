"""The pages for people, and the fenced blocks in them."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "openwa_manager" / "docs"

#: What the first line of a block says that cannot run here; the mark of a comment stands before it.
_NOT_RUN = re.compile(r"^(?:#|//|<!--) not run here: *(\S.*)")
_FENCE = re.compile(r"^(?P<indent> *)(?P<ticks>`{3,}|~{3,})(?P<language>[^`\s]*)(?P<rest>[^`]*)$")
_INLINE = re.compile(r"`([^`\n]+)`")


class UnclosedBlockError(ValueError):
    """A page has a block without an end, or one that is indented less than its fence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One fenced block: `line` is where its fence stands, `code` has lost the fence's indentation."""

    page: str
    line: int
    language: str
    code: str

    @property
    def not_run_because(self) -> str | None:
        """Return why it cannot run here; None if it can."""
        found = _NOT_RUN.match(self.code)
        return found[1] if found else None

    def __str__(self) -> str:
        """Return where it stands."""
        return f"{self.page}:{self.line}"


def pages() -> list[str]:
    """Return every page for people, as paths below the top of the tree."""
    found = [ROOT / "README.md", *DOCS.rglob("*.md"), *(ROOT / "examples").rglob("*.md")]
    found += [ROOT / "systemd" / "README.md", ROOT / "launchd" / "README.md"]
    return sorted(str(path.relative_to(ROOT)) for path in found)


def text_of(page: str) -> str:
    """Return what a page says."""
    return (ROOT / page).read_text("utf-8")


def blocks_of(page: str) -> list[Block]:
    """Return the blocks of a page in their order."""
    return [part for part in _parts(page, text_of(page)) if isinstance(part, Block)]


def prose_of(page: str) -> str:
    """Return a page without its blocks."""
    return "\n".join(part for part in _parts(page, text_of(page)) if isinstance(part, str))


def spans_of(page: str) -> list[str]:
    """Return what stands between single backticks; code blocks aside."""
    return _INLINE.findall(prose_of(page))


def words_in(prose: str) -> int:
    """Count words: what has a letter or a digit. The frames of tables and lone signs are none."""
    return sum(any(map(str.isalnum, word)) for word in prose.split())


def read_blocks(page: str, text: str) -> list[Block]:
    """Return the blocks of a text that is no page yet."""
    return [part for part in _parts(page, text) if isinstance(part, Block)]


def _parts(page: str, text: str) -> Iterator[Block | str]:
    """Go through blocks and the lines between them.

    Raises:
        UnclosedBlockError: a block has no end, or its lines stand left of its fence.
    """
    lines = iter(enumerate(text.splitlines(), start=1))
    for number, line in lines:
        opened = _FENCE.match(line)
        if opened is None:
            yield line
            continue
        inside: list[str] = []
        for _, within in lines:
            if within.strip() == opened["ticks"]:
                break
            inside.append(_outdented(within, opened["indent"], f"{page}:{number}"))
        else:
            raise UnclosedBlockError(f"{page}:{number}: a block that does not end")
        yield Block(page=page, line=number, language=opened["language"], code=_joined(inside))


def _outdented(line: str, indent: str, where: str) -> str:
    if line.strip() and not line.startswith(indent):
        raise UnclosedBlockError(f"{where}: {line!r} stands left of its block")
    return line.removeprefix(indent)


def _joined(lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
