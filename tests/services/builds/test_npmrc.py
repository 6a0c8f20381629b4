"""What the `.npmrc` of a tree cannot do: have other programs run, or have npm work elsewhere."""

import json
import subprocess
from pathlib import Path

from openwa_manager.domain.builds.builds import BuildName, BuildState, FolderSource
from tests.e2e.builds.trees import write_source
from tests.services.builds.conftest import Rig

#: Each of these would run a program of the tree's, or have npm read or write somewhere else.
HOSTILE = """\
script-shell={tree}/evil
shell={tree}/evil
git={tree}/evil
python={tree}/evil
node-options=--require={tree}/evil.js
globalconfig={outside}/global-npmrc
userconfig={outside}/user-npmrc
cache={outside}/cache
logs-dir={outside}/logs
prefix={outside}/prefix
location=global
global=true
timing=true
"""


def commit(folder: Path) -> str:
    """Make a package with a repository of its own, and return its commit."""
    folder.mkdir()
    (folder / "package.json").write_text('{"name": "dep", "version": "1.0.0"}')
    author = ("-c", "user.name=t", "-c", "user.email=t@example.com")
    for words in (("init", "--quiet"), ("add", "--all"), (*author, "commit", "--quiet", "--message", "1")):
        subprocess.run(["git", "-C", str(folder), *words], check=True, timeout=60)
    done = subprocess.run(
        ["git", "-C", str(folder), "rev-parse", "HEAD"], check=True, capture_output=True, text=True, timeout=60
    )
    return done.stdout.strip()


def depend_on(tree: Path, repository: Path) -> None:
    """Have a tree need a package that git fetches."""
    url = f"git+file://{repository}#{commit(repository)}"
    package = json.loads((tree / "package.json").read_text()) | {"dependencies": {"dep": url}}
    root = {"version": package["version"], "dependencies": {"dep": url}}
    packages = {"": root, "node_modules/dep": {"version": "1.0.0", "resolved": url}}
    lock = {"name": "openwa", "version": package["version"], "lockfileVersion": 3, "packages": packages}
    (tree / "package.json").write_text(json.dumps(package))
    (tree / "package-lock.json").write_text(json.dumps(lock))


async def test_the_npmrc_of_a_tree_decides_neither_what_runs_nor_where(rig: Rig) -> None:
    outside = rig.outside / "elsewhere"
    outside.mkdir()
    spoils = "echo ran > {outside}/{name}"
    tree = write_source(rig.outside / "tree", "0.23.1", postinstall="echo $0 $npm_config_registry > seen")
    depend_on(tree, rig.outside / "dep")
    (tree / "evil").write_text(f'#!/bin/sh\n{spoils.format(outside=outside, name="program")}\nexec /bin/sh "$@"\n')
    (tree / "evil").chmod(0o755)
    (tree / "evil.js").write_text(f"require('node:fs').writeFileSync('{outside}/module', 'ran')")
    (tree / ".npmrc").write_text(HOSTILE.format(tree=tree, outside=outside) + "registry=http://127.0.0.1:9/\n")

    await rig.installer.install(BuildName("a"), FolderSource(tree))
    build = await rig.until_over("a")

    assert build.state is BuildState.READY, build.error
    assert list(outside.iterdir()) == []
    assert (rig.folder / "a" / "node_modules" / "dep" / "package.json").is_file()
    assert (rig.folder / "a" / "seen").read_text().split()[0] in ("sh", "/bin/sh")
