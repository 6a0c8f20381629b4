"""Small builds of OpenWA for tests: what they need is made by npm, and what runs is the simulator."""

import json
import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

from tests.source import ROOT

#: Runs what it is given as Node.js would run OpenWA: `<build>/dist/main.js` is a table of variables for the simulator,
#: or what else becomes of it. It is found by a name of its own, so that npm runs on a real Node.js.
_NODE = """\
    #!{python}
    import json, os, runpy, sys
    from pathlib import Path

    if sys.argv[1:] == ["--version"]:
        print("v22.23.0")
        sys.exit()
    main = json.loads(Path(sys.argv[-1] + ".js").read_text().removeprefix("//"))
    if main.get("exits"):
        sys.exit(main["exits"])
    os.environ.update(main["env"])
    sys.argv = ["simulator"]
    runpy.run_module("openwa_manager.simulator", run_name="__main__")
"""
#: Writes `dist/main.js` as OpenWA's own build does, from what its source says.
_BUILD_SCRIPT = """\
    const fs = require('node:fs');
    fs.mkdirSync('dist', { recursive: true });
    fs.writeFileSync('dist/main.js', '//' + fs.readFileSync('main.json', 'utf8'));
"""


def write_node(folder: Path) -> Path:
    """Write the program that runs engines, and return where it is."""
    node = folder / "sim-node"
    node.write_text(dedent(_NODE).format(python=sys.executable))
    node.chmod(0o755)
    return node


def node_settings(node: Path) -> dict[str, str]:
    """Return the settings by which a daemon's engines run on this program, isolated or not."""
    readable = [str(ROOT / "openwa_manager"), str(Path(sys.prefix)), str(Path(sys.base_prefix) / "lib")]
    return {"NODE": str(node), "ENGINE_READ_PATHS": json.dumps(readable)}


def write_source(folder: Path, version: str, *, exits: int | None = None, **scripts: str) -> Path:
    """Write OpenWA's source as it is before npm: `exits` makes engines end at once, `scripts` join package.json's."""
    folder.mkdir(parents=True)
    package = {
        "name": "openwa",
        "version": version,
        "private": True,
        "engines": {"node": ">=20"},
        "scripts": {"build": "node build.js", **scripts},
    }
    lock = {"name": "openwa", "version": version, "lockfileVersion": 3, "packages": {"": {"version": version}}}
    (folder / "package.json").write_text(json.dumps(package))
    (folder / "package-lock.json").write_text(json.dumps(lock))
    (folder / "openapi.json").write_text(json.dumps({"paths": {"/api/sessions": {}}}))
    (folder / "build.js").write_text(dedent(_BUILD_SCRIPT))
    (folder / "main.json").write_text(json.dumps({"exits": exits, "env": {"SIM_VERSION": "0.23"}}))
    return folder


def write_built(folder: Path, version: str, *, exits: int | None = None) -> Path:
    """Write a tree that is built already."""
    write_source(folder, version, exits=exits)
    (folder / "dist").mkdir()
    (folder / "node_modules").mkdir()
    (folder / "dist" / "main.js").write_text("//" + (folder / "main.json").read_text())
    return folder


def commit_to(repository: Path, tree: Path, tag: str) -> None:
    """Keep a tree in a bare repository as a commit with this tag."""
    if not repository.exists():
        _git(repository.parent, "init", "--quiet", "--bare", str(repository))
    _git(tree, "init", "--quiet")
    _git(tree, "add", "--all")
    _git(tree, "-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "--quiet", "--message", tag)
    _git(tree, "push", "--quiet", str(repository), f"HEAD:refs/tags/{tag}")


def _git(folder: Path, *words: str) -> None:
    environ = {"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    subprocess.run(["git", "-C", str(folder), *words], env=environ, check=True, timeout=60)
