"""What a build is: its name, where it comes from, how far its installation is, and what is said of it."""

import re
from enum import StrEnum
from pathlib import Path
from typing import Final, NewType
from urllib.parse import unquote, urlsplit

from openwa_manager.domain.errors import InvalidInputError
from openwa_manager.domain.printable import has_hidden
from openwa_manager.domain.session.session import LaunchId
from openwa_manager.domain.values import dataclass

BuildName = NewType("BuildName", str)

#: The build that the setting `openwa_home` names; it is there without an installation and cannot be removed.
HOME_BUILD: Final = BuildName("openwa_home")
#: What stands for whichever build is the default; no build has this name, nor that of what lies beside them in the API.
DEFAULT_WORD: Final = "default"
_RESERVED: Final = frozenset({HOME_BUILD, DEFAULT_WORD, "rollouts"})
#: It is the name of a folder: it begins with a letter or digit, so that none is hidden or leads elsewhere.
BUILD_NAME_PATTERN: Final = r"[a-z0-9][a-z0-9._-]{0,62}"
#: A branch, a tag or a commit; git forbids more, and says so itself (git-check-ref-format(1)).
REF_PATTERN: Final = r"[A-Za-z0-9][A-Za-z0-9._/-]{0,199}"
URL_MAX: Final = 2048

_NAME = re.compile(BUILD_NAME_PATTERN)
_REF = re.compile(REF_PATTERN)
_NOT_IN_NAMES = re.compile(r"[^a-z0-9._-]+")
_SCHEMES: Final = frozenset({"https", "ssh", "file"})
_HOST = re.compile(r"[A-Za-z0-9\[][A-Za-z0-9.:\[\]-]*")


class BuildState(StrEnum):
    """How far a build is; only one that is ready has a folder."""

    INSTALLING = "installing"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class GitSource:
    """A commit of a git repository: a branch, a tag or the hash of one."""

    url: str
    ref: str

    @property
    def shown(self) -> str:
        """Return it as people write it."""
        return f"{self.url}#{self.ref}"

    @property
    def local_path(self) -> Path | None:
        """Return where on this host the repository is; None: it is elsewhere."""
        parts = urlsplit(self.url)
        return Path(unquote(parts.path)) if parts.scheme == "file" else None


@dataclass(frozen=True, slots=True)
class FolderSource:
    """A folder of this host that is copied: OpenWA's source, or a tree that is built already."""

    path: Path

    @property
    def shown(self) -> str:
        """Return it as people write it."""
        return str(self.path)


Source = GitSource | FolderSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """One build as it is recorded.

    `source` is where it came from, in words. `install_id` names its installation: all processes of it carry it.
    `version` is OpenWA's own (None: not known yet). `error` says why it failed, `warnings` what to know of one that is
    ready. The times are wall time.
    """

    name: BuildName
    state: BuildState
    source: str
    install_id: LaunchId
    created_at: float
    version: str | None = None
    error: str | None = None
    warnings: tuple[str, ...] = ()
    size_bytes: int | None = None
    installed_at: float | None = None


class CheckResult(StrEnum):
    """What a check of a build comes to: only `failed` keeps it from being used."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildCheck:
    """One thing that was looked at in a build, and what was found."""

    name: str
    result: CheckResult
    detail: str


def is_build(text: str) -> bool:
    """Tell whether a build can have this name, the one of `openwa_home` among them."""
    return _NAME.fullmatch(text) is not None and text != DEFAULT_WORD


def build_name(text: str, field: str = "version") -> BuildName:
    """Return a text as the name of a build that can be installed.

    Raises:
        InvalidInputError: it is none, or stands for something else; `field` is what it is called there.
    """
    if _NAME.fullmatch(text) is None:
        raise InvalidInputError(
            field, "must have 1 to 63 characters: a to z, 0 to 9, . _ -, the first a letter or digit"
        )
    if text in _RESERVED:
        raise InvalidInputError(field, f"{text} stands for something else")
    return BuildName(text)


def folder_source(text: str) -> FolderSource:
    """Return the folder of this host that a path names.

    Raises:
        InvalidInputError: it has characters that nobody sees: it is kept and shown.
    """
    if has_hidden(text):
        raise InvalidInputError("path", "has invisible characters")
    return FolderSource(Path(text))


def git_source(text: str) -> GitSource:
    """Return what `URL#REF` names; nothing in it can be taken for an option of git's or ssh's.

    Raises:
        InvalidInputError: it is no such thing, holds a password, or has a scheme that we do not use.
    """
    url, hash_sign, ref = text.rpartition("#")
    if not hash_sign:
        raise InvalidInputError("git", "must be URL#REF, where REF is a tag, a branch or a commit")
    if _REF.fullmatch(ref) is None or ".." in ref or "//" in ref or ref.endswith(("/", ".", ".lock")):
        raise InvalidInputError("git", "the part behind # is no tag, branch or commit")
    return GitSource(checked_git_url(url), ref)


def checked_git_url(url: str) -> str:
    """Return the address of a repository that git may be asked for.

    Raises:
        InvalidInputError: it has a scheme that we do not use, holds a password, or could be taken for something else.
    """
    try:
        parts = urlsplit(url)
        host, password = parts.hostname, parts.password
    except ValueError as error:
        raise InvalidInputError("git", f"is no URL: {error}") from error
    if parts.scheme not in _SCHEMES:
        raise InvalidInputError("git", "must begin with https://, ssh:// or file:///")
    if has_hidden(url) or " " in url or len(url) > URL_MAX or parts.query or parts.fragment:
        raise InvalidInputError("git", "has invisible characters, a query, or more than 2048 characters")
    if password is not None or (parts.username and parts.scheme != "ssh"):
        raise InvalidInputError("git", "must not hold a user or a password: it is kept and shown")
    if parts.scheme == "file":
        if host or not parts.path.startswith("/"):
            raise InvalidInputError("git", "a file URL must have an absolute path and no host")
    elif host is None or _HOST.fullmatch(host) is None or (parts.username or "").startswith("-"):
        raise InvalidInputError("git", "names no host")
    return url


def name_of_ref(ref: str) -> str:
    """Return the name that a build from this ref has unless another is given: `v0.23.1` becomes `0.23.1`."""
    lowered = _NOT_IN_NAMES.sub("-", ref.lower())
    return (lowered[1:] if re.fullmatch(r"v\d.*", lowered) else lowered)[:63]
