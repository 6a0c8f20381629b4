"""Nothing in the tests waits for ever, and the unit tests do not wait for time to pass at all.

A test that takes too long is interrupted once. Whatever waits in its clean-up after that has no limit but its own, so
every wait for a process, a thread or a socket says how long. An await in a test needs none: a test's coroutine is
cancelled in time (`tests/run/limit.py`). Awaits of fixtures and of programs are not in such a coroutine.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.source import FILES, name_of, tree_of

TESTS = Path(__file__).parent
MODULES = [path for path in FILES if path.is_relative_to(TESTS)]

#: Where real processes take their real time; everywhere else a fake clock moves, or something is waited for.
IN_REAL_TIME = ("benchmarks", "e2e", "examples", "faults", "messages", "packaging", "run", "simulator", "soak")
#: Looks again and again at what cannot announce itself.
POLLING = TESTS / "fakes" / "polling.py"
UNIT_TESTS = [path for path in MODULES if path.relative_to(TESTS).parts[0] not in IN_REAL_TIME and path != POLLING]

#: How many positional arguments a call must have to be bounded by one of them; None: only a named one does it.
ENDLESS = {
    "wait": 1,
    "join": 1,
    "communicate": 2,
    "os.wait": None,
    "select": 1,
    "select.select": 4,
    "create_connection": 2,
    "urlopen": None,
    "HTTPConnection": None,
    "HTTPSConnection": None,
    "threading.Thread": None,
    "subprocess.run": None,
    "subprocess.call": None,
    "subprocess.check_call": None,
    "subprocess.check_output": None,
}
#: Awaited without an argument that bounds it.
ENDLESS_AWAITS = ("wait", "wait_for")
#: Tasks that wait until their owner, who waits for them no longer than he says, ends them.
ENDED_BY_THEIR_OWNER = {
    ("benchmarks/floors/hello.py", "serve"),
    ("benchmarks/tally.py", "_serve"),
    ("fakes/clock.py", "wait"),
    ("fakes/clock.py", "_wait_within"),
    ("services/starting/test_start_ticket.py", "hear"),
    ("fakes/receiver.py", "hang"),
    ("messages/lives.py", "at"),
}


def called(node: ast.expr) -> str:
    """Return `subprocess.run` for that expression, `wait` for a method of that name, `wait()` for a plain name."""
    if isinstance(node, ast.Attribute):
        full = f"{node.value.id}.{node.attr}" if isinstance(node.value, ast.Name) else node.attr
        return full if full in ENDLESS or full.endswith((".sleep", ".timeout", ".Popen")) else node.attr
    return f"{node.id}()" if isinstance(node, ast.Name) else ""


def is_endless(call: ast.Call) -> bool:
    """Tell whether the call, or the one it hands to a thread, may wait for ever."""
    named = {keyword.arg for keyword in call.keywords}
    handed_on = [called(each) for each in call.args if isinstance(each, ast.Attribute)]
    if named & {"timeout", "daemon", None}:  # a program waits for its threads at its end, unless they are daemons
        return False
    if any(name.startswith("subprocess.") for name in handed_on):
        return True
    name = called(call.func)
    enough = ENDLESS.get(name, 0)
    return name in ENDLESS and (enough is None or len(call.args) < enough)


class Waits(ast.NodeVisitor):
    """Collects what waits without a bound."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.found: list[str] = []
        self._functions: list[str] = []
        self._timeout_count = 0
        self._is_awaited = False

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._functions.append(node.name)
        self.generic_visit(node)
        self._functions.pop()

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815 - the name ast looks for

    def visit_AsyncWith(self, node: ast.AsyncWith) -> None:
        bounds = [each for each in node.items if ".timeout" in ast.unparse(each.context_expr)]
        self._timeout_count += len(bounds)
        self.generic_visit(node)
        self._timeout_count -= len(bounds)

    def visit_With(self, node: ast.With) -> None:
        for item in node.items:
            if isinstance(item.context_expr, ast.Call) and called(item.context_expr.func) == "subprocess.Popen":
                self._note(item.context_expr, "waits for the end without a bound: with ending(subprocess.Popen(…))")
        self.generic_visit(node)

    def visit_Await(self, node: ast.Await) -> None:
        if isinstance(node.value, ast.Call) and called(node.value.func) in ENDLESS_AWAITS:
            has_limit = len(node.value.args) > 1  # as in `sessions.wait(id, is_met, 20)`
            if not (has_limit or self._is_bounded()):
                self._note(node, "needs `async with asyncio.timeout(…)`")
            node = ast.Await(value=ast.Tuple(elts=[*node.value.args]))
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        if is_endless(node):
            self._note(node, "needs a timeout")
        self.generic_visit(node)

    def _is_bounded(self) -> bool:
        in_test = any(name.startswith("test_") for name in self._functions)
        return bool(in_test or self._timeout_count or (self.file, self._functions[-1]) in ENDED_BY_THEIR_OWNER)

    def _note(self, node: ast.expr, what: str) -> None:
        self.found.append(f"line {node.lineno}: {ast.unparse(node)} {what}")


def sleeps_in(tree: ast.AST) -> Iterator[str]:
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    sleeps = (call for call in calls if called(call.func) in ("time.sleep", "asyncio.sleep"))
    return (f"line {call.lineno}: {ast.unparse(call)}" for call in sleeps if ast.unparse(call) != "asyncio.sleep(0)")


def waits_in(file: str, tree: ast.AST) -> list[str]:
    waits = Waits(file)
    waits.visit(tree)
    return waits.found


def test_every_wait_has_a_bound() -> None:
    found = {name_of(path): waits_in(str(path.relative_to(TESTS)), tree_of(path)) for path in MODULES}

    assert {name: endless for name, endless in found.items() if endless} == {}


def test_no_unit_test_sleeps() -> None:
    assert {name_of(path): found for path in UNIT_TESTS if (found := [*sleeps_in(tree_of(path))])} == {}


@pytest.mark.parametrize(
    "wait",
    [
        "process.wait()",
        "self.thread.join()",
        "process.communicate(b'x')",
        "subprocess.run(['true'], check=True)",
        "asyncio.to_thread(subprocess.run, ['true'])",
        "with subprocess.Popen(['true']): pass",
        "socket.create_connection(('127.0.0.1', 1))",
        "selector.select()",
        "threading.Thread(target=work)",
        "async def fixture(): await event.wait()",
        "async def fixture():\n    async with asyncio.timeout(1): pass\n    await event.wait()",
    ],
)
def test_a_wait_without_a_bound_is_found(wait: str) -> None:
    assert len(waits_in("test_x.py", ast.parse(wait))) == 1


@pytest.mark.parametrize(
    "wait",
    [
        "process.wait(10)",
        "', '.join(words)",
        "subprocess.run(['true'], check=True, timeout=30)",
        "with ending(subprocess.Popen(['true'])): pass",
        "threading.Thread(target=work, daemon=True)",
        "async def test_x(): await event.wait()",
        "async def fixture():\n    async with asyncio.timeout(1):\n        await event.wait()",
        "async def fixture(): await sessions.wait('a', is_met, 20)",
    ],
)
def test_a_wait_with_a_bound_is_none_of_our_business(wait: str) -> None:
    assert waits_in("test_x.py", ast.parse(wait)) == []
