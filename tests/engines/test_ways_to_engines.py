"""Nothing is said to an engine but through `connector_to`, which proves who listens before the first byte."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.source import PACKAGE, name_of, room_of, tree_of

CONNECTORS = "openwa_manager/engines/http/connectors.py"
#: Who connects by other means, with what, and to whom: never to an engine.
ELSEWHERE = {
    ("openwa_manager/webhooks/sender.py", "ClientSession"): "endpoints",
    ("openwa_manager/webhooks/answers.py", "TCPConnector"): "endpoints",
    ("openwa_manager/webhooks/downloads.py", "ClientSession"): "servers of files, where the guard lets it",
    ("openwa_manager/webhooks/downloads.py", "TCPConnector"): "servers of files, where the guard lets it",
    ("openwa_manager/host/network.py", "connect"): "nobody: a datagram socket is asked for its route",
    ("openwa_manager/host/notify.py", "sendto"): "systemd",
    ("openwa_manager/cli/client.py", "HTTPConnection"): "the daemon",
    ("openwa_manager/cli/client.py", "HTTPSConnection"): "the daemon",
    ("openwa_manager/cli/client.py", "connect"): "the daemon",
    ("openwa_manager/cli/listening.py", "HTTPConnection"): "whoever has a port that another user's daemon may have",
    ("openwa_manager/cli/mock/routes.py", "ClientSession"): "the mock's own simulators",
    ("openwa_manager/cli/mock/routes.py", "UnixConnector"): "the mock's own simulators",
    ("openwa_manager/cli/doctor/daemon_checks.py", "create_connection"): "an endpoint",
    ("openwa_manager/cli/doctor/clock_checks.py", "HTTPConnection"): "an endpoint, for its clock",
    ("openwa_manager/cli/doctor/clock_checks.py", "HTTPSConnection"): "an endpoint, for its clock",
    ("openwa_manager/cli/selftest/checks/ports.py", "create_connection"): "itself",
    ("openwa_manager/processes/ports.py", "connect"): "whoever has a port of our range, who is told nothing",
    ("openwa_manager/processes/confinement/rules.py", "connect"): "nobody: the field of a rule",
}
NAMES = """
    ClientSession TCPConnector UnixConnector NamedPipeConnector HTTPConnection HTTPSConnection urlopen ws_connect
    open_connection open_unix_connection create_connection create_unix_connection create_datagram_endpoint
    sock_connect sock_sendto connect connect_ex sendto"""
#: What connects to somebody, by its last name.
CONNECTING = frozenset(NAMES.split())
#: Libraries and modules that would, and that nothing imports.
FOREIGN = frozenset(
    {"requests", "httpx", "urllib3", "pycurl", "websockets", "urllib.request", "ftplib", "xmlrpc.client"}
)


def last_name(node: ast.AST) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def connecting_in(path: Path) -> Iterator[tuple[str, ast.AST]]:
    """Go through what connects, called or handed on; SQLite's `connect` and type hints aside."""
    hints = {
        id(part)
        for node in ast.walk(tree_of(path))
        for hint in (getattr(node, "annotation", None), getattr(node, "returns", None))
        if isinstance(hint, ast.AST)
        for part in ast.walk(hint)
    }
    for node in ast.walk(tree_of(path)):
        owner = last_name(node.value) if isinstance(node, ast.Attribute) else ""
        is_client = last_name(node) in CONNECTING or (owner, last_name(node)) == ("aiohttp", "request")
        if is_client and owner not in ("sqlite3", "aiosqlite") and id(node) not in hints:
            yield last_name(node), node


OUTSIDE = [path for path in PACKAGE if room_of(path) != "simulator" and name_of(path) != CONNECTORS]


def sessions_of(path: Path) -> list[ast.Call]:
    return [
        node
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call) and last_name(node.func) == "ClientSession"
    ]


def proven(path: Path) -> list[ast.Call]:
    """Return the HTTP sessions of a module whose connector comes from `connector_to`."""
    from_it = {
        target.id
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)
        if last_name(node.value.func) == "connector_to"
        for target in node.targets
        if isinstance(target, ast.Name)
    }

    def is_proven(given: ast.AST) -> bool:
        is_call = isinstance(given, ast.Call) and last_name(given.func) == "connector_to"
        return is_call or (isinstance(given, ast.Name) and given.id in from_it)

    return [
        call
        for call in sessions_of(path)
        if any(each.arg == "connector" and is_proven(each.value) for each in call.keywords)
    ]


def test_whoever_connects_proves_the_engine_or_speaks_to_somebody_else() -> None:
    connecting: set[tuple[str, str]] = set()
    for path in OUTSIDE:
        of_proven = {id(call.func) for call in proven(path)}
        connecting |= {(name_of(path), name) for name, node in connecting_in(path) if id(node) not in of_proven}

    assert connecting == ELSEWHERE.keys()


def test_engines_are_reached_from_these_modules_only() -> None:
    using = {name_of(path) for path in OUTSIDE if proven(path)}

    assert using == {
        "openwa_manager/engines/http/calls.py",
        "openwa_manager/engines/http/forwarding.py",
        "openwa_manager/engines/command.py",
    }


def test_no_other_client_is_imported() -> None:
    imported = {
        (name_of(path), name)
        for path in PACKAGE
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [each.name for each in node.names])
        if name in FOREIGN or name.partition(".")[0] in FOREIGN
    }

    assert imported == set()


def test_no_engine_leads_us_elsewhere() -> None:
    """A redirect would be followed past the proof: each request says that it is not."""
    asking = ("get", "post", "request", "put", "delete", "patch")
    requests = [
        (name_of(path), node.lineno, {each.arg: ast.unparse(each.value) for each in node.keywords})
        for path in OUTSIDE
        if proven(path)
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in asking
        if ast.unparse(node.func.value) in ("self._http", "http")
    ]

    assert len(requests) >= 3
    assert [where for *where, given in requests if given.get("allow_redirects") != "False"] == []
