"""Writes docs/reference/settings.md: every setting, from the model that reads them and their descriptions."""

import json
import types
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from openwa_manager.config import values
from openwa_manager.config.descriptions import CHAPTERS
from openwa_manager.config.layers import GUIDE_NAMES, PREFIX, SECRETS
from openwa_manager.config.settings import Settings
from openwa_manager.engines import registry
from openwa_manager.engines.variables import LOADS_CODE, NEEDED, OPENWA_OF_SESSIONS, SIMULATOR_OF_SESSIONS
from openwa_manager.host.home import Home
from tests.reference.markdown import chapter, code, page, table

_INTRODUCTION: Final = """\
Every setting of the daemon. One is given, in this order of precedence, by a flag of `serve` (some have one:
`openwa-manager help serve`), by the environment, in the file `manager.toml` in the home, or by one of the
[other names](#other-names). `listen = "127.0.0.1:2790"` in the file is `OPENWA_MANAGER_LISTEN=127.0.0.1:2790` in the
environment.

Names that end in `_s` are seconds, those that end in `_bytes` are bytes, as whole numbers. In the environment a list or
a table is JSON: `OPENWA_MANAGER_ALLOWED_HOSTS='["wa.example.com"]'`. A name that is not known is refused, with the
nearest one that is. A change takes effect when the daemon is started anew; engines go on meanwhile.

`openwa-manager config check --all` prints what is in effect and where each value comes from; with `-o wide` also what
it is for."""

_OWN_ENGINE: Final = """\
With `engine = "command"` and `command_argv` any program is supervised that obeys `SESSION_ID`, `SESSION_DIR`, `PORT`,
`WEBHOOK_URL` and `WEBHOOK_SECRET`, and writes `qr.png`. `examples/command-engine` is one."""

#: What a value of each type may be, in words; a type that is not here has its own way below.
_WORDS: Final = (
    (values.ListenAddress, "`host:port`"),
    (values.Ports, "`first-last`, from 1024 to 65535"),
    (values.EngineName, ", ".join(map(code, registry.NAMES))),
    (values.Url, "a URL, `http://` or `https://`"),
    (values.GitUrl, "the URL of a Git repository"),
    (values.PublicUrl, "a URL, `https://` (for this host itself also `http://`)"),
    (values.AbsolutePath, "a path"),
    (values.RealPath, "a path"),
    (values.Paths, "a list of paths"),
    (values.EventPatterns, "a list of types, or of beginnings with a `*`"),
    (values.Origins, "a list of origins"),
    (values.Networks, "a list of addresses and networks"),
    (values.PortList, "a list of ports and ranges"),
    (values.Table, "a table of texts"),
    (values.TimeZone, "the name of a time zone"),
    (values.Region, "two capital letters"),
    (values.Words, "a list of texts"),
    (values.Keywords, "a list of texts"),
    (SecretStr, "a text; it is never shown"),
    (bool, "`true`, `false`"),
    (str, "a text"),
    (tuple[values.Seconds, ...], "a list of numbers"),
)
#: What does not follow from the type: some defaults are chosen by what there is.
_DEFAULTS: Final = {
    "start_concurrency": "2, or 4",
    "freeze_limit_s": "0, or 60",
    "engine_isolation": "`kernel`, or `none`",
    "log_format": "`console`, or `json`",
}
_TIMES: Final = ((86_400, "d"), (3_600, "h"), (60, "min"))
_SIZES: Final = ((2**30, "GiB"), (10**9, "GB"), (10**6, "MB"))


def settings_page() -> str:
    """Return the page."""
    chapters = [chapter(title, _settings(names)) for title, names in CHAPTERS.items()]
    own = chapter("An engine of your own", _OWN_ENGINE)
    return page("Settings", _INTRODUCTION, *chapters, _other_names(), _variables(), own, _files())


def _settings(descriptions: Mapping[str, str]) -> str:
    head = ["setting", "default", "may be", "what it does"]
    return table(head, ([_names(name), _default(name), _may_be(name), text] for name, text in descriptions.items()))


def _names(name: str) -> str:
    return f"{code(name)} {code(PREFIX + name.upper())}"


def _default(name: str) -> str:
    value = Settings.model_fields[name].get_default(call_default_factory=True)
    if name in _DEFAULTS or value is None:
        return _DEFAULTS.get(name, "unset")
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _number(name, value)
    return code(_as_written(value))


def _as_written(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case values.Address() | values.PortRange() | str() | Path():
            return str(value)
        case tuple():
            items = (f"{each:g}" if isinstance(each, float) else json.dumps(each, ensure_ascii=False) for each in value)
            return f"[{', '.join(items)}]"
        case _:
            return json.dumps(value)


def _number(name: str, number: float) -> str:
    text = f"{number:.15g}"
    units = _SIZES if name.endswith("_bytes") else _TIMES if name.endswith("_s") else ()
    found = next(((size, word) for size, word in units if number >= size and not number % size), None)
    return f"{text} ({number / found[0]:g} {found[1]})" if found else text


def _may_be(name: str) -> str:
    hint = get_type_hints(Settings, include_extras=True)[name]
    options = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    said = [_said(option) for option in options if option is not types.NoneType]
    assert len(said) == 1, name
    return said[0]


def _said(hint: object) -> str:
    if words := next((words for known, words in _WORDS if known == hint), None):
        return words
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return ", ".join(code(each.value) for each in hint)
    if get_origin(hint) is Literal:
        return ", ".join(map(code, get_args(hint)))
    if get_origin(hint) is Annotated:
        base, *limits = get_args(hint)
        word = {int: "a whole number", float: "a number"}.get(base) or _said(base)
        return ", ".join([word, *_limits(limits)])
    raise TypeError(f"nobody has said what {hint} may be")


def _limits(limits: Iterable[object]) -> Iterator[str]:
    found = {
        name: value
        for limit in limits
        for each in (limit.metadata if isinstance(limit, FieldInfo) else [limit])
        for name in ("gt", "ge", "le", "min_length", "max_length")
        if (value := getattr(each, name, None)) is not None
    }
    words = {"gt": "above {}", "ge": "{} or more", "le": "{} at most"}
    words |= {"min_length": "{} at least", "max_length": "{} at most"}
    return (text.format(f"{found[name]:.15g}") for name, text in words.items() if name in found)


def _other_names() -> str:
    secrets = ", ".join(code(PREFIX + name.upper() + "_FILE") for name in SECRETS)
    words = (
        "These names of OpenWA's own guides are understood too, in the environment only; ours, in the environment or "
        "in the file, come first.\n\n"
        f"{table(['name', 'setting'], ([code(name), code(setting)] for name, setting in GUIDE_NAMES.items()))}\n\n"
        f"A secret may be read from a file: {secrets}, `upstream_secret_file` in `manager.toml`, or `_FILE` behind the "
        "names above. It must be a plain file, ours or root's, no link and no pipe.\n\n"
        "`OPENWA_BASE_URL`, `OPENWA_API_KEY`, `OPENWA_MANAGER_HOME` and `OPENWA_MANAGER_OUTPUT` are for the commands: "
        "[cli.md](cli.md)."
    )
    return chapter("Other names", words)


def _variables() -> str:
    """Return which variables of engines are whose to set."""

    def listed(names: Iterable[str]) -> str:
        return " ".join(code(name) for name in sorted(names))

    simulators = set(SIMULATOR_OF_SESSIONS) - set(OPENWA_OF_SESSIONS)
    rows = (
        ["a session's `env`, engine `openwa`", listed(OPENWA_OF_SESSIONS)],
        ["a session's `env`, engine `simulator`", f"the same and {listed(simulators)}"],
        [
            "a session's `env`, engine `command`",
            f"any name of capital letters, digits and `_`, but those that it is given by us and {listed(LOADS_CODE)}",
        ],
        ["`engine_env`", f"any, but {listed(NEEDED)}"],
    )
    words = "A name that may not be set is refused with 422. A `*` stands for any ending, or any beginning."
    return chapter("Variables of engines", words, table(["where", "what may be set"], rows))


#: What lies in the home, by the name of its part in the code (openwa_manager/host/home.py), or by its own.
_FILES: Final = {
    "database": "The registry: sessions, messages, events, keys (SQLite).",
    "reserve": "Room on the disk that is given up when the disk is full, so that stopping can still be recorded.",
    "admin_key": "The first key, with the id `admin`. Its role is `admin`.",
    "copies": "Hourly copies of the registry, three kept, and one from before each upgrade of its tables.",
    "builds": "Builds of OpenWA that `engine install` made.",
    "media": "Files that wait to be sent.",
    "run": "The socket `manager.sock` and the lock of the daemon.",
    "generation": "How far the messages have come, so that a restored copy of the registry is noticed.",
    "revoked_keys": "Which keys were revoked, so that a restored copy does not let them in.",
    "sockets": "A directory for each live engine, with the socket it listens on.",
    "sessions": "A directory for each session: what its engine writes, `qr.png`, `logs/engine.log`.",
    "locks": "A lock for each session, held while its engine lives.",
}


def home_files() -> dict[str, str]:
    """Return what lies in a home, by its path there."""
    root = Path("/home")
    home = Home(root=root, sessions=root / "sessions")
    paths = {name: getattr(home, name, root / name) for name in _FILES}
    return {str(paths[name].relative_to(root)): text for name, text in _FILES.items()}


def _files() -> str:
    rows = [[code(path), text] for path, text in home_files().items()]
    rows.insert(0, [code("manager.toml"), "The settings, if you write them into a file."])
    words = "What lies in the home. Directories are 0700, files 0600; what is open to others is closed or refused."
    return chapter("Files of the home", words, table(["file or directory", "what it holds"], rows))
