"""The pages of `openwa_manager/docs` as text for a terminal."""

from collections.abc import Mapping

from openwa_manager.api.docs.contents import PageEntry, entries

_NAME_WIDTH = 18
#: A line of prose that is longer is hard to read, however wide the window is.
_WIDTH_MAX = 100
_WIDTH_PIPED = 80


def topics() -> Mapping[str, PageEntry]:
    """Return the pages by their names, in the order in which they are read."""
    return entries()


def topic_of(word: str) -> str | None:
    """Return the page that a word names, by all of its name or the end of it (`settings`); None: there is none."""
    found = topics()
    ending = [name for name in found if name.endswith(f"/{word}")]
    return word if word in found else (ending[0] if len(ending) == 1 else None)


def summary() -> str:
    """Return each page with its title, a line each."""
    return "\n".join(f"    {name.ljust(_NAME_WIDTH)}  {each.title}" for name, each in topics().items())


def page_text(name: str, width: int | None, *, has_colors: bool = False) -> str:
    """Return a page, wrapped to the window (None: 80 columns); code stays as it is."""
    from openwa_manager.cli.help.drawing import draw_page

    source = topics()[name].path.read_text("utf-8")
    return draw_page(source, name, min(width or _WIDTH_PIPED, _WIDTH_MAX), is_bold=has_colors)
