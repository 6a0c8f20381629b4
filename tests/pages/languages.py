"""What is known of a block without running it: that it is what its language says."""

import ast
import configparser
import json
import re
import shutil
import subprocess
import tomllib
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]  # its types are another package

from openwa_manager.config import PREFIX, Settings
from tests.pages.blocks import Block

_WITHIN_S = 30
_VARIABLE = re.compile(r"(?:export )?([A-Za-z_][A-Za-z0-9_]*)=(.*)")
#: Variables of the environment that are no settings of the daemon, and whose they are.
OTHER_VARIABLES = {
    "OPENWA_MANAGER_HOST": "the guide's name for an address",
    "OPENWA_MANAGER_OUTPUT": "the form in which commands print",
}


def _sh(block: Block) -> None:
    _accepted(block, "bash", "-n")


def _php(block: Block) -> None:
    if shutil.which("php") is None:
        pytest.skip("needs php")
    code = block.code if block.code.lstrip().startswith("<?php") else f"<?php\n{block.code}"
    _accepted(block, "php", "-l", code=code)


def _js(block: Block) -> None:
    if shutil.which("node") is None:
        pytest.skip("needs node")
    _accepted(block, "node", "--check", "-")


def _python(block: Block) -> None:
    ast.parse(block.code, str(block))


def _json(block: Block) -> None:
    code = "".join(line for line in block.code.splitlines(keepends=True) if not line.startswith("//"))
    try:
        json.loads(code)
    except ValueError:  # one document a line
        for line in code.splitlines():
            json.loads(line)


def _toml(block: Block) -> None:
    """Take settings of ours, all of them known, as `manager.toml` has them."""
    unknown = tomllib.loads(block.code).keys() - Settings.model_fields.keys()
    assert not unknown, f"{block}: no settings: {unknown}"


def _yaml(block: Block) -> None:
    assert list(yaml.safe_load_all(block.code)), block


def _ini(block: Block) -> None:
    parser = configparser.ConfigParser(strict=False, interpolation=None, delimiters=("=",))
    parser.read_string(block.code)
    assert parser.sections(), block


def _env(block: Block) -> None:
    """Lines `NAME=value`; names that begin as our settings do are settings."""
    for line in block.code.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        found = _VARIABLE.fullmatch(line.strip())
        assert found, f"{block}: {line!r}"
        name = found[1]
        if name.startswith(PREFIX) and name not in OTHER_VARIABLES:
            assert name.removeprefix(PREFIX).removesuffix("_FILE").lower() in Settings.model_fields, f"{block}: {name}"


def _xml(block: Block) -> None:
    ET.fromstring(block.code)  # noqa: S314 - a page of ours


def _braced(block: Block) -> None:
    """Blocks in braces, as Caddy and nginx have them; their own programs check them where they are installed."""
    depth = 0
    for line in block.code.splitlines():
        bare = line.partition("#")[0].strip()
        depth += bare.count("{") - bare.count("}")
        assert depth >= 0, f"{block}: {line!r}"
    assert depth == 0, f"{block}: a brace is open"


def _nothing(_: Block) -> None:
    """Shown only."""


#: By the word behind the fence. `text` and `http` show what a reader sees; `mermaid` is drawn by whoever shows it.
LANGUAGES: Mapping[str, Callable[[Block], None]] = {
    "sh": _sh,
    "python": _python,
    "php": _php,
    "js": _js,
    "json": _json,
    "toml": _toml,
    "yaml": _yaml,
    "ini": _ini,
    "env": _env,
    "xml": _xml,
    "caddyfile": _braced,
    "nginx": _braced,
    "text": _nothing,
    "http": _nothing,
    "promql": _nothing,
    "mermaid": _nothing,
}


def check(block: Block) -> None:
    """Fail if a block is not what its language says, or its language is none of LANGUAGES."""
    assert block.language in LANGUAGES, f"{block}: {block.language!r} is none of {', '.join(LANGUAGES)}"
    try:
        LANGUAGES[block.language](block)
    except (ValueError, SyntaxError, configparser.Error, yaml.YAMLError) as error:
        raise AssertionError(f"{block}: {error}") from None


def _accepted(block: Block, program: str, *options: str, code: str | None = None) -> None:
    found = shutil.which(program)
    assert found is not None, f"{program} is missing"
    said = subprocess.run(
        [str(Path(found)), *options],
        input=block.code if code is None else code,
        capture_output=True,
        text=True,
        check=False,
        timeout=_WITHIN_S,
    )
    assert said.returncode == 0, f"{block}: {said.stdout}{said.stderr}"
