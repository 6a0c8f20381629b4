"""The Chromium that a build of OpenWA brings along, where its packages have fetched one (puppeteer, browsers)."""

import re
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Final

#: Where puppeteer is told to put what it fetches while a build is made, seen from the build's folder.
CACHE: Final = Path(".cache", "puppeteer")
#: Tells puppeteer which browser to start; a build's own lies where an engine would not look for it.
VARIABLE: Final = "PUPPETEER_EXECUTABLE_PATH"
#: Where the program lies in there: `chrome/<platform>-<version>/…` (@puppeteer/browsers, browser-data/chrome.ts).
_PROGRAMS: Final = (
    "chrome/*/chrome-linux*/chrome",
    "chrome/*/chrome-mac-*/Google Chrome for Testing.app/Contents/MacOS/Google Chrome for Testing",
)
_LOOKED_AT_MAX: Final = 20


def browser_in(tree: Path) -> Path | None:
    """Return the newest Chromium of a build; None: it has none. Blocks."""
    programs = islice(_programs(tree / CACHE), _LOOKED_AT_MAX)
    return max(programs, key=_version_of, default=None)


def env_of(own: Path | None, environ: Mapping[str, str]) -> Mapping[str, str]:
    """Return what tells an engine of its build's own browser; nothing where the admin has named one (`environ`)."""
    return {} if own is None or VARIABLE in environ else {VARIABLE: str(own)}


def programs_of(env: Mapping[str, str], own: Path | None) -> tuple[Path, ...]:
    """Return what an engine with this environment starts as its browser; of its build's own all that lies beside it."""
    named = env.get(VARIABLE)
    if not named:
        return ()
    if own is None or Path(named) != own:
        return (Path(named),)
    return own, next((each.parent for each in own.parents if each.suffix == ".app"), own.parent)


def _programs(cache: Path) -> Iterator[Path]:
    """Go through the programs, none of which may lie elsewhere by way of a link."""
    real = cache.resolve()
    for pattern in _PROGRAMS:
        for found in cache.glob(pattern):
            if found.is_file() and found.resolve().is_relative_to(real):
                yield found


def _version_of(browser: Path) -> tuple[int, ...]:
    folder = next((part for part in browser.parts if re.search(r"-\d+(\.\d+)+$", part)), "")
    return tuple(int(number) for number in folder.rpartition("-")[2].split(".") if number.isdecimal())
