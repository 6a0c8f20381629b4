"""Draws Markdown for a terminal: prose wrapped, code as it is, and tables in columns where they fit."""

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from markdown_it.tree import SyntaxTreeNode

from openwa_manager.api.docs.markdown import code_of, page_of, tokens_of
from openwa_manager.cli.terminal.texts import text_width

_BOLD, _PLAIN = "\x1b[1m", "\x1b[0m"
_CODE_INDENT: Final = "    "
_GAP: Final = "  "
#: A column narrower than that is no pleasure; a table of such columns is drawn row by row.
_COLUMN_MIN: Final = 14


def draw_page(source: str, name: str, width: int, *, is_bold: bool = False) -> str:
    """Return the page `name` in lines of `width` places; its headings may be bold, underlined they are anyway."""
    drawing = _Drawing(name, width, is_bold=is_bold)
    return "\n".join(_joined(drawing.blocks(SyntaxTreeNode(tokens_of(source)).children)))


class _Drawing:
    """A page as blocks of lines."""

    def __init__(self, name: str, width: int, *, is_bold: bool) -> None:
        self._name = name
        self._width = width
        self._is_bold = is_bold

    def blocks(self, nodes: Iterable[SyntaxTreeNode]) -> Iterator[Sequence[str]]:
        for node in nodes:
            match node.type:
                case "heading":
                    yield self._heading(node)
                case "paragraph":
                    yield wrapped(self._text(node), self._width)
                case "fence" | "code_block":
                    yield [*_code(node.content)]
                case "bullet_list" | "ordered_list":
                    yield [*self._list(node)]
                case "blockquote":
                    inside = _Drawing(self._name, self._width - 2, is_bold=False).blocks(node.children)
                    yield [f"| {line}".rstrip() for line in _joined(inside)]
                case "table":
                    rows = [
                        [self._text(cell) for cell in row.children] for part in node.children for row in part.children
                    ]
                    yield [f"{_GAP}{line}" for line in draw_table(rows, self._width - len(_GAP))]
                case _:
                    pass  # a line across the page

    def _heading(self, node: SyntaxTreeNode) -> Sequence[str]:
        title = self._text(node)
        lines = wrapped(title, self._width)
        under = {"h1": "=", "h2": "-"}.get(node.tag, "")
        bold = [f"{_BOLD}{line}{_PLAIN}" for line in lines] if self._is_bold else lines
        return [*bold, *([under * max(map(text_width, lines))] if under else [])]

    def _list(self, node: SyntaxTreeNode) -> Iterator[str]:
        start = int(node.attrs.get("start", 1))
        for place, item in enumerate(node.children):
            mark = f"{start + place}. " if node.type == "ordered_list" else "- "
            blocks = _Drawing(self._name, self._width - len(mark), is_bold=False).blocks(item.children)
            is_tight = all(not each.is_root and each.hidden for each in item.children if each.type == "paragraph")
            lines = [line for block in blocks for line in block] if is_tight else [*_joined(blocks)]
            if place and not is_tight:
                yield ""
            yield from textwrap.indent("\n".join(lines), " " * len(mark)).replace(" " * len(mark), mark, 1).split("\n")

    def _text(self, node: SyntaxTreeNode) -> str:
        """Return what stands in a paragraph, a heading or a cell, as one line."""
        return "".join(self._word(each) for line in node.children for each in line.children)

    def _word(self, node: SyntaxTreeNode) -> str:
        match node.type:
            case "code_inline":
                return f"`{node.content}`"
            case "softbreak" | "hardbreak":
                return " "
            case "link":
                return self._link("".join(map(self._word, node.children)), str(node.attrs["href"]))
            case "text" | "image":
                return node.content
            case _:
                return "".join(map(self._word, node.children))

    def _link(self, words: str, address: str) -> str:
        """Return a link as people follow it here: a page of ours by `help`, anything else by its address."""
        if "://" in address:
            return words if words == address else f"{words} ({address})"
        page, _ = page_of(address, self._name)
        if page == self._name:
            return words
        return f"`help {page}`" if words.endswith(".md") else f"{words} (`help {page}`)"


def wrapped(text: str, width: int) -> list[str]:
    """Return a text in lines; a word that is longer than one stays whole."""
    return textwrap.wrap(text, max(width, _COLUMN_MIN), break_long_words=False, break_on_hyphens=False) or [""]


def draw_table(rows: Sequence[Sequence[str]], width: int) -> Iterator[str]:
    """Yield the lines of a table whose first row has the names of the columns."""
    widths = _column_widths(rows, width)
    if widths is None:
        yield from _row_by_row(rows, width)
        return
    for place, row in enumerate(rows):
        cells = [
            wrapped(cell, column) if text_width(cell) > column else [cell]
            for cell, column in zip(row, widths, strict=True)
        ]
        for line in range(max(map(len, cells))):
            parts = (cell[line] if line < len(cell) else "" for cell in cells)
            padded = (part + " " * (column - text_width(part)) for part, column in zip(parts, widths, strict=True))
            yield _GAP.join(padded).rstrip()
        if place == 0:
            yield _GAP.join("-" * column for column in widths)


def _column_widths(rows: Sequence[Sequence[str]], width: int) -> Sequence[int] | None:
    """Return how wide each column is; None: they do not fit, or would be too narrow to read."""
    columns = [*zip(*rows, strict=True)]
    wanted = [max(map(text_width, column)) for column in columns]
    room = width - len(_GAP) * (len(columns) - 1)
    if sum(wanted) <= room:
        return wanted
    widths = [0] * len(columns)
    for left, place in zip(
        range(len(columns), 0, -1), sorted(range(len(columns)), key=wanted.__getitem__), strict=True
    ):
        widths[place] = min(wanted[place], room // left)
        room -= widths[place]
    is_readable = all(
        width >= min(full, max(_COLUMN_MIN, *map(_longest_word, column)))
        for width, full, column in zip(widths, wanted, columns, strict=True)
    )
    return widths if is_readable else None


def _longest_word(text: str) -> int:
    return max(map(text_width, text.split()), default=0)


def _row_by_row(rows: Sequence[Sequence[str]], width: int) -> Iterator[str]:
    """Yield the first cell of each row, and below it the others with the names of their columns."""
    names, *others = rows
    for row in others:
        yield from wrapped(row[0], width)
        for name, cell in zip(names[1:], row[1:], strict=True):
            if cell:
                text = f"{name}: {cell}" if name else cell
                yield from (f"{_CODE_INDENT}{line}" for line in wrapped(text, width - len(_CODE_INDENT)))


def _code(content: str) -> Iterator[str]:
    code, note = code_of(content)
    if note is not None:
        yield f"{_CODE_INDENT}(not run by our tests: {note})"
    for line in code.rstrip("\n").split("\n"):
        yield f"{_CODE_INDENT}{line}".rstrip()


def _joined(blocks: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of blocks, an empty one between two."""
    for place, block in enumerate(blocks):
        if place:
            yield ""
        yield from block
