"""Whoever opens something gives it back, also when what follows fails: no descriptor is without an owner for a line.

Looks at each call that returns something to be closed. It must be the subject of a `with`, be closed or returned or
given to an exit stack at once, or be followed at once by `try … finally`, a `with` or `stack.callback(close, it)`.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.source import PACKAGE, ROOT, name_of, tree_of

#: Calls whose result must be closed: ours that hand on what they have opened are among them.
ACQUIRING = frozenset(
    {
        "os.open",
        "os.dup",
        "os.pidfd_open",
        "os.pipe",
        "os.fdopen",
        "os.scandir",
        "os.memfd_create",
        "open",
        "socket.socket",
        "socket.socketpair",
        "socket.create_server",
        "socket.create_connection",
        "select.kqueue",
        "open_kernel_queue",
        "sqlite3.connect",
        "connect_read_only",
        "fcntl.fcntl",
        "mmap.mmap",
        "tempfile.mkstemp",
        "tempfile.mkdtemp",
        "tempfile.NamedTemporaryFile",
        "tempfile.TemporaryDirectory",
        "subprocess.Popen",
        "asyncio.create_subprocess_exec",
        "asyncio.open_connection",
        "aiohttp.ClientSession",
        "open_pidfd",
        "open_log",
        "_open_log",
        "_open_null",
    }
)
#: Methods of that kind, whatever they are called on.
ACQUIRING_METHODS = frozenset({"open", "create_server", "create_unix_server"})
#: An exit stack's methods that take something over.
TAKING_OVER = frozenset({"callback", "enter_context", "enter_async_context", "push", "push_async_callback"})

#: Why these few need not, by file and name of what is opened there.
EXEMPT = {
    ("openwa_manager/host/streams.py", "Path(os.devnull).open"): "in place of a closed stream, for the process's life",
    ("openwa_manager/host/streams.py", "os.open"): "in place of a closed stream, for the process's life",
    ("openwa_manager/cli/__init__.py", "os.open"): "dup2 makes it our stdout; the process ends",
    ("openwa_manager/processes/tools/spawning.py", "subprocess.Popen"): "the child is watched by its pid from there on",
    ("openwa_manager/api/listeners.py", "socket.socket"): "closed where it gets no port; then its taker's",
    ("openwa_manager/cli/mock/routes.py", "os.dup"): "the keeper's, or closed with the process that is replaced",
    ("openwa_manager/cli/client.py", "socket.socket"): "http.client closes the `sock` of its connection",
}


class Tree:
    """A module's syntax tree in which every node knows its parent."""

    def __init__(self, path: Path) -> None:
        self.module = tree_of(path)
        self._parents = {child: node for node in ast.walk(self.module) for child in ast.iter_child_nodes(node)}

    def calls(self) -> Iterator[tuple[ast.Call, str]]:
        for node in ast.walk(self.module):
            if isinstance(node, ast.Call):
                name = ast.unparse(node.func)
                is_method = isinstance(node.func, ast.Attribute) and node.func.attr in ACQUIRING_METHODS
                is_database = is_method and name.endswith(".open") and isinstance(self._parents[node], ast.Await)
                if name in ACQUIRING or (is_method and not is_database):
                    yield node, name

    def ancestors(self, node: ast.AST) -> Iterator[ast.AST]:
        while node in self._parents:
            node = self._parents[node]
            yield node

    def next_statements(self, statement: ast.stmt) -> list[ast.stmt]:
        """Return what follows in the same block; behind the last one of a `try`, `with` or `if`, what follows that."""
        parent = self._parents.get(statement)
        for _, block in ast.iter_fields(parent) if parent else ():
            if isinstance(block, list) and statement in block:
                rest = block[block.index(statement) + 1 :]
                if not rest and isinstance(parent, ast.Try | ast.With | ast.If):
                    return self.next_statements(parent)
                return rest
        return []


def is_owned(tree: Tree, call: ast.Call) -> bool:
    for ancestor in tree.ancestors(call):
        match ancestor:
            case ast.withitem() | ast.Return() | ast.Yield():
                return True
            case ast.Call(func=ast.Name(id="closing") | ast.Attribute(attr="close")):
                return True
            case ast.Call(func=ast.Attribute(attr=name)) if name in TAKING_OVER:
                return True
            case ast.Assign() | ast.AnnAssign():
                return is_safe_to_follow(tree.next_statements(ancestor))
            case ast.stmt():
                return False
    return False


def is_safe_to_follow(statements: list[ast.stmt]) -> bool:
    """Tell whether nothing can fail before what was opened has an owner."""
    takes_over = next((statement for statement in statements if not is_harmless(statement)), None)
    match takes_over:
        case ast.Try(handlers=handlers, finalbody=last):
            return bool(last) or any(ast.unparse(each.type or each) == "BaseException" for each in handlers)
        case ast.Expr(value=ast.Call(func=ast.Attribute(attr=name))):
            return name in TAKING_OVER
        case ast.With() | ast.AsyncWith() | ast.Return(value=ast.Name() | None) | None:
            return True
        case _:
            return False


def is_harmless(statement: ast.stmt) -> bool:
    match statement:
        case ast.Expr(value=ast.Call(func=ast.Attribute(attr="pop_all"))):
            return True
        case ast.If(test=ast.Compare(ops=[ast.Is()]), body=[ast.Return(value=ast.Constant() | None)], orelse=[]):
            return True  # nothing was opened
        case ast.Assign(value=ast.Name() | ast.Constant()) | ast.AnnAssign(value=ast.Name() | ast.Constant()):
            return True
        case _:
            return False


def test_what_is_opened_has_an_owner_at_once() -> None:
    loose = [
        f"{name_of(path)}:{call.lineno} {name}"
        for path in PACKAGE
        for tree in [Tree(path)]
        for call, name in tree.calls()
        if (name_of(path), name) not in EXEMPT and not is_owned(tree, call)
    ]

    assert loose == []


def test_every_exemption_is_needed() -> None:
    needed = {
        (file, name)
        for file in {file for file, _ in EXEMPT}
        for tree in [Tree(ROOT / file)]
        for call, name in tree.calls()
        if not is_owned(tree, call)
    }

    assert needed == EXEMPT.keys()
