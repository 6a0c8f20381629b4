"""What is secret of our own is read in one way (`host/own_files.py`), which looks at whose it is before."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.source import PACKAGE, name_of, tree_of

#: Who has to do with files that hold secrets of ours: the settings, the home, the key, the listeners.
HOLDERS = (
    "config/",
    "host/home.py",
    "host/own_files.py",
    "api/admission/",
    "services/access/",
    "api/connections/",
    "parts/",
    "daemon.py",
)
#: What opens a file, and what hands a path to something that does.
OPENING = frozenset({"open", "read_text", "read_bytes", "load_cert_chain", "load_verify_locations", "fdopen"})
#: What may: the one way, and what is opened without its content being used as a secret or after it was looked at.
ALLOWED = {
    "host/own_files.py": {"open"},
    "host/home.py": {"open"},  # the daemon's lock, which follows no link and holds a pid
    "api/connections/tls.py": {
        "load_cert_chain"
    },  # OpenSSL opens by path only; `config/settings.py` has looked at both
}


def opening_in(path: Path) -> Iterator[str]:
    for node in ast.walk(tree_of(path)):
        name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
        if name in OPENING:
            yield name


def test_a_secret_of_ours_is_opened_in_one_place() -> None:
    names = {name_of(path).removeprefix("openwa_manager/"): path for path in PACKAGE}

    opened = {name: {*opening_in(path)} for name, path in names.items() if name.startswith(HOLDERS)}

    assert {name: found for name, found in opened.items() if found} == ALLOWED


def test_every_setting_that_names_a_file_of_ours_is_looked_at() -> None:
    """A path among the settings is a directory, a program, or checked by `require_own`."""
    settings = next(path for path in PACKAGE if name_of(path) == "openwa_manager/config/settings.py")
    paths = {
        each.target.id
        for owner in ast.walk(tree_of(settings))
        if isinstance(owner, ast.ClassDef) and owner.name == "Settings"
        for each in owner.body
        if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name) and "Path" in ast.unparse(each)
    }
    checked = {
        argument.value
        for node in ast.walk(tree_of(settings))
        if isinstance(node, ast.FunctionDef) and "require_own(" in ast.unparse(node)
        for decorator in node.decorator_list
        if isinstance(decorator, ast.Call)
        for argument in decorator.args
        if isinstance(argument, ast.Constant)
    }

    directories = {"home", "sessions_path", "logs_path", "openwa_home", "engine_read_paths"}
    assert paths - directories == checked == {"tls_cert", "tls_key"}
