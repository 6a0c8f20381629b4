"""The programs that make a build, step by step: git, then npm; strangers' code runs in them, so each is confined.

npm is asked for the packages first, without running anything of theirs (`--ignore-scripts`); only then do their
installation scripts run, and OpenWA's own build. All of it may write to the folder of this installation only, has an
environment of its own without a secret, reaches the web, and cannot set modes (`host.builds.trees.allow_programs`).
"""

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Final

from openwa_manager.domain.builds.builds import GitSource
from openwa_manager.domain.errors import ProgramMissingError
from openwa_manager.domain.isolation import WEB_PORTS, Confinement, IsolationRules, ports_of
from openwa_manager.domain.values import dataclass
from openwa_manager.engines.builds.browsers import CACHE
from openwa_manager.engines.program import NODE_PLACES

_GIT_WITHIN_S: Final = 600.0
_PACKAGES_WITHIN_S: Final = 1200.0
_SCRIPTS_WITHIN_S: Final = 1200.0
_BUILD_WITHIN_S: Final = 900.0
_SSH: Final = range(22, 23)

#: What the steps inherit; nothing of it is a secret, but a proxy's password where one is in its address.
_INHERITED: Final = (
    *("SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "TZ"),
    *("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"),
)
#: What of these names a file or folder to be read.
_NAMED_PATHS: Final = ("SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "npm_config_cafile", "npm_config_nodedir")
#: Of the settings of npm those that say where its registry is, whom to trust for it, and where the headers of Node.js
#: are, for a host that cannot fetch them; others may hold a secret.
_NPM_SETTINGS: Final = ("registry", "cafile", "nodedir")
#: git runs nothing that a repository or its owner's settings name, and speaks no other protocols.
_GIT_OPTIONS: Final = (
    *("-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "core.attributesFile=/dev/null"),
    *("-c", "protocol.allow=never", "-c", "protocol.https.allow=always"),
    *("-c", "protocol.ssh.allow=always", "-c", "protocol.file.allow=always", "-c", "gc.auto=0"),
)
_NPM_OPTIONS: Final = ("--no-audit", "--no-fund", "--loglevel=http", "--no-update-notifier", "--node-options=")
#: What the tree's own `.npmrc` does not decide, for variables outrank it: which programs run, as whom npm was set up,
#: and on which folder it works. That file may still say from which registry packages come, and how that is reached.
_NPM_FIXED: Final[Mapping[str, str]] = {
    "script_shell": "/bin/sh",
    "shell": "/bin/sh",
    "userconfig": os.devnull,
    "location": "project",
    "global": "false",
    "strict_ssl": "true",
}
#: Native packages for which nothing is compiled yet are compiled with the help of a Python (node-gyp): ours is there.
_PYTHON: Final = Path(os.path.realpath(sys.executable))
#: Where programs lie that a build may run: compilers call others by their paths.
_SYSTEM_PROGRAMS: Final = ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/opt/homebrew")


#: What a program's prefix has of it (Filesystem Hierarchy Standard, 4): itself, its packages, headers, data.
_OF_PREFIXES: Final = ("bin", "lib", "lib64", "include", "share")


@dataclass(frozen=True, slots=True)
class InstallPlace:
    """The folder of one installation: nothing in it counts before `tree` is moved away from it."""

    root: Path

    @property
    def tree(self) -> Path:
        """Return where the build is made."""
        return self.root / "tree"

    @property
    def home(self) -> Path:
        """Return the home of whoever makes it, which goes with the place."""
        return self.root / "home"

    @property
    def tmp(self) -> Path:
        """Return where its temporary files are."""
        return self.root / "tmp"


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallStep:
    """One program of an installation; `label` says to people what it does."""

    label: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(repr=False)
    cwd: Path
    within_s: float
    confinement: Confinement


@dataclass(frozen=True, slots=True, kw_only=True)
class StepMaker:
    """Spells the steps; `environ` is the daemon's own environment, `needs_browser`: its engines steer a Chromium."""

    environ: Mapping[str, str] = field(repr=False)
    rules: IsolationRules
    needs_browser: bool = False

    def fetching(self, source: GitSource, place: InstallPlace) -> tuple[InstallStep, ...]:
        """Return what fetches one commit of a repository into the place's tree.

        Raises:
            ProgramMissingError: there is no git here.
        """
        git = self._find("git", "install git")
        env = self._git_env(place)
        confinement = self._confinement(place, env, (git,), self._git_files(source))
        words = (
            ("init", "--quiet", "--template=", str(place.tree)),
            ("-C", str(place.tree), "fetch", "--depth=1", "--no-tags", "--no-recurse-submodules", "--progress"),
            ("-C", str(place.tree), "checkout", "--quiet", "--detach", "FETCH_HEAD"),
        )
        ends: tuple[tuple[str, ...], ...] = ((), ("--", source.url, source.ref), ("--",))
        labels = ("begin a repository", f"fetch {source.shown}", "check the files out")
        return tuple(
            InstallStep(
                label=label,
                argv=(str(git), *_GIT_OPTIONS, *given, *end),
                env=env,
                cwd=place.root,
                within_s=_GIT_WITHIN_S,
                confinement=confinement,
            )
            for label, given, end in zip(labels, words, ends, strict=True)
        )

    def making(self, node: Path, place: InstallPlace) -> tuple[InstallStep, ...]:
        """Return what turns OpenWA's source in the place's tree into a build.

        Raises:
            ProgramMissingError: there is no npm here.
        """
        npm = self._find("npm", "install npm, which comes with Node.js", first=node.parent)
        env = self._npm_env(node, place)
        outside = (*self.rules.hidden, Path(self.environ.get("HOME", "/")))
        prefixes = {each for program in (node, npm, _PYTHON) for each in _prefixes(program, outside)}
        confinement = self._confinement(place, env, (node, npm, *prefixes), tuple(prefixes))
        given = (
            ("get the packages", ("ci", "--ignore-scripts"), _PACKAGES_WITHIN_S),
            ("run the packages' installation scripts", ("rebuild",), _SCRIPTS_WITHIN_S),
            ("finish the installation", ("run", "--if-present", "postinstall"), _SCRIPTS_WITHIN_S),
            ("build OpenWA", ("run", "build"), _BUILD_WITHIN_S),
        )
        return tuple(
            InstallStep(
                label=label,
                argv=(str(npm), *words, *_NPM_OPTIONS),
                env=env,
                cwd=place.tree,
                within_s=within_s,
                confinement=confinement,
            )
            for label, words, within_s in given
        )

    def _find(self, name: str, advice: str, first: Path | None = None) -> Path:
        places = ":".join(map(str, filter(None, (first, self.environ.get("PATH"), *NODE_PLACES))))
        found = shutil.which(name, path=places)
        if found is None:
            raise ProgramMissingError(f"{name} was not found in {places}: {advice}")
        return Path(found).absolute()

    def _env(self, place: InstallPlace) -> dict[str, str]:
        kept = {name: self.environ[name] for name in _INHERITED if name in self.environ}
        return {**kept, "HOME": str(place.home), "TMPDIR": str(place.tmp), "LANG": "C.UTF-8", "CI": "1"}

    def _git_env(self, place: InstallPlace) -> dict[str, str]:
        agent = {"SSH_AUTH_SOCK": self.environ["SSH_AUTH_SOCK"]} if "SSH_AUTH_SOCK" in self.environ else {}
        return {
            **self._env(place),
            **agent,
            "PATH": self.environ.get("PATH", os.defpath),
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_SSH_COMMAND": "ssh -o BatchMode=yes",
            "GIT_LFS_SKIP_SMUDGE": "1",
        }

    def _npm_env(self, node: Path, place: InstallPlace) -> dict[str, str]:
        given = {name.lower(): value for name, value in self.environ.items()}
        kept = {name: given[name] for each in _NPM_SETTINGS if (name := f"npm_config_{each}") in given}
        skipped = (
            {} if self.needs_browser else {"PUPPETEER_SKIP_DOWNLOAD": "1", "PUPPETEER_SKIP_CHROMIUM_DOWNLOAD": "1"}
        )
        return {
            **self._env(place),
            **skipped,
            **kept,
            "PYTHON": str(_PYTHON),
            "PATH": f"{node.parent}:{self.environ.get('PATH', os.defpath)}",
            "GIT_TERMINAL_PROMPT": "0",
            **{f"npm_config_{name}": value for name, value in _NPM_FIXED.items()},
            "npm_config_git": shutil.which("git", path=self.environ.get("PATH")) or "git",
            "NODE_GYP_FORCE_PYTHON": str(_PYTHON),
            "npm_config_globalconfig": str(place.home / "npmrc"),  # is not there; npm refuses one file for two
            "npm_config_cache": str(place.home / ".npm"),
            "npm_config_logs_dir": str(place.home / ".npm" / "_logs"),
            "npm_config_prefix": str(place.home / ".npm-global"),
            "PUPPETEER_CACHE_DIR": str(place.tree / CACHE),
        }

    def _git_files(self, source: GitSource) -> tuple[Path, ...]:
        """Return what git reads beside the system's own: a repository of this host, or the keys of ssh."""
        if source.local_path is not None:
            return (source.local_path,)
        home = self.environ.get("HOME")
        return (Path(home, ".ssh"),) if home is not None and source.url.startswith("ssh:") else ()

    def _confinement(
        self, place: InstallPlace, env: Mapping[str, str], programs: Sequence[Path], readable: Sequence[Path]
    ) -> Confinement:
        named = (Path(env[name]) for name in _NAMED_PATHS if name in env)
        return Confinement(
            programs=(*programs, place.root, *map(Path, _SYSTEM_PROGRAMS)),
            readable=(*readable, *self.rules.read_paths, *named),
            writable=(place.root,),
            hidden=self.rules.hidden,
            connect_ports=(*WEB_PORTS, _SSH, *ports_of(_outside(env)), *self.rules.connect_ports),
            bind_ports=(),
        )


def _outside(env: Mapping[str, str]) -> list[str]:
    """Return whom the steps speak to beside the web: proxies, and a registry of one's own."""
    asked = [value for name, value in env.items() if name.lower() in ("http_proxy", "https_proxy", "all_proxy")]
    registry = env.get("npm_config_registry")
    return [*(each if "://" in each else f"http://{each}" for each in asked), *([registry] if registry else [])]


def _prefixes(program: Path, hidden: Sequence[Path]) -> list[Path]:
    """Return where a program is installed, with what belongs to it; nothing that holds what is hidden, as a home does.

    What else lies beside these folders, strangers' scripts need not read.
    """
    places = {each.parent.parent for each in (program, Path(os.path.realpath(program))) if each.parent.name == "bin"}
    parts = {place / name for place in places for name in _OF_PREFIXES}
    return [part for part in parts if not any(each.is_relative_to(part) for each in hidden)]
