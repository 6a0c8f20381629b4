"""Where settings may be given, in order of precedence: flags, environment, file, the guide's names, defaults.

Not pydantic-settings: every complaint and `config check` name the place a value was given in, and unknown names are
refused in all of them; what that library could still do after this is one merge.
"""

import difflib
import tomllib
from collections import ChainMap
from collections.abc import Iterator, Mapping
from dataclasses import field
from pathlib import Path

from pydantic import SecretStr, ValidationError

from openwa_manager.config.settings import Settings
from openwa_manager.domain.errors import ConfigError, UnavailableError
from openwa_manager.domain.values import dataclass
from openwa_manager.host.own_files import read_own, read_private
from openwa_manager.host.user_paths import expanded

PREFIX = "OPENWA_MANAGER_"
FILE_NAME = "manager.toml"
DEFAULT = "default"

#: The names of the users' guide, and what they are called here; of two for one setting the later one wins.
GUIDE_NAMES: Mapping[str, str] = {
    "OPENWA_SESSIONS_PATH": "sessions_path",
    "OPENWA_LOGS_PATH": "logs_path",
    "WEBHOOK_SECRET": "upstream_secret",
    "OPENWA_WEBHOOK_SECRET": "upstream_secret",
    "WEBHOOK_URL": "upstream_url",
    "OPENWA_HOME": "openwa_home",
    "NODE": "node",
    "ENGINE_TYPE": "engine_type",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcedValue:
    """A raw value and the name it was given under: a flag, a variable or the file."""

    value: object = field(repr=False)
    origin: str


Layer = Mapping[str, SourcedValue]

SECRETS = tuple(name for name, info in Settings.model_fields.items() if info.annotation == SecretStr | None)
_FILE_ENDING = "_file"


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """The settings in effect, and for each one that is not a default, where it was given."""

    settings: Settings
    origins: Mapping[str, str]

    def origin(self, name: str) -> str:
        """Return where a setting comes from."""
        return self.origins.get(name, DEFAULT)


def load(flags: Mapping[str, object], environ: Mapping[str, str]) -> Loaded:
    """Return the settings in effect: flags, then the environment, the file, the guide's names, the defaults.

    `flags` holds the command line's values by setting, None where a flag was not given.

    Raises:
        ConfigError: all that is wrong, a line each.
    """
    asked = {name: SourcedValue(value=value, origin=_flag(name)) for name, value in flags.items() if value is not None}
    own = dict(_from_environment(environ))
    home = ChainMap(asked, own).get("home")
    path = expanded(str(home.value) if home else "~/.openwa-manager") / FILE_NAME
    layers = (asked, own, dict(_from_file(path)), dict(_from_guide(environ)))
    problems = [complaint for layer in layers for complaint in _unknown(layer)]
    if problems:
        raise ConfigError("\n".join(problems))
    given = ChainMap(*(dict(_with_secrets(layer)) for layer in layers))
    try:
        settings = Settings.model_validate({name: each.value for name, each in given.items()})
    except ValidationError as error:
        raise ConfigError("\n".join(_complaints(error, given))) from None
    return Loaded(settings=settings, origins={name: each.origin for name, each in given.items()})


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _from_environment(environ: Mapping[str, str]) -> Iterator[tuple[str, SourcedValue]]:
    for variable, text in environ.items():
        if variable.startswith(PREFIX) and text:
            yield variable.removeprefix(PREFIX).lower(), SourcedValue(value=text, origin=variable)


def _from_guide(environ: Mapping[str, str]) -> Iterator[tuple[str, SourcedValue]]:
    for variable, name in GUIDE_NAMES.items():
        for ending in ("", _FILE_ENDING) if name in SECRETS else ("",):
            if text := environ.get(variable + ending.upper()):
                yield name + ending, SourcedValue(value=text, origin=variable + ending.upper())


def _from_file(path: Path) -> Iterator[tuple[str, SourcedValue]]:
    try:
        values = tomllib.loads(read_private(path).decode("utf-8-sig"))
    except FileNotFoundError:
        return
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}") from error
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    if "home" in values:
        raise ConfigError(f"{path}: home is where this file lies; use --home or {PREFIX}HOME")
    for name, value in values.items():
        yield name, SourcedValue(value=value, origin=str(path))


def _unknown(layer: Layer) -> Iterator[str]:
    known = [*Settings.model_fields, *(secret + _FILE_ENDING for secret in SECRETS)]
    for name, given in layer.items():
        if name not in known:
            is_variable = given.origin.startswith(PREFIX)
            spelled = given.origin if is_variable else f"{given.origin}: {name}"
            nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.0)[0]
            meant = PREFIX + nearest.upper() if is_variable else nearest
            yield f"{spelled} is not a setting; did you mean {meant}?"


def _with_secrets(layer: Layer) -> Iterator[tuple[str, SourcedValue]]:
    """Put a secret's text in the place of its file's name."""
    for name, given in layer.items():
        secret = name.removesuffix(_FILE_ENDING)
        if name == secret or secret not in SECRETS:
            yield name, given
        elif secret in layer:
            raise ConfigError(f"{given.origin} and {layer[secret].origin} both give {secret}: remove one")
        else:
            yield secret, SourcedValue(value=_read_secret(given), origin=given.origin)


def _read_secret(given: SourcedValue) -> str:
    try:
        text = read_own(expanded(str(given.value))).decode("utf-8-sig").strip()
    except ConfigError as error:
        raise ConfigError(f"{given.origin}: {error}") from error
    except OSError as error:
        raise UnavailableError(f"{given.origin}: {given.value} cannot be read: {error}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{given.origin}: {given.value} cannot be read: {error}") from error
    if not text:
        raise ConfigError(f"{given.origin}: {given.value} is empty: write the secret into it")
    return text


def _complaints(error: ValidationError, given: Layer) -> Iterator[str]:
    for each in error.errors(include_url=False, include_context=False, include_input=False):
        message = each["msg"].removeprefix("Value error, ")
        if not each["loc"]:
            yield message
            continue
        source = given.get(str(each["loc"][0]))
        place = f" (from {source.origin})" if source else ""
        yield f"{'.'.join(map(str, each['loc']))}{place}: {message}"
