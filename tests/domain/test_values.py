"""What `values` makes of a class is what `dataclasses` makes of it, in fewer compilations."""

import ast
import dataclasses
import inspect
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass as pythons_own
from dataclasses import field, fields, replace
from typing import ClassVar, Generic, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwa_manager.domain.values import dataclass
from tests.source import PACKAGE, ROOT, tree_of

T = TypeVar("T")

_NAMES = ("alpha", "beta", "gamma", "delta")
#: What a field is declared with; the factory makes what can be compared.
_DEFAULTS = st.sampled_from(["none", "default", "factory", "made", "hidden", "not compared"])


def _field(kind: str) -> object:
    match kind:
        case "default":
            return field(default=7)
        case "factory":
            return field(default_factory=lambda: (1, 2))
        case "made":
            return field(init=False, default_factory=lambda: "made")
        case "hidden":
            return field(default=8, repr=False)
        case "not compared":
            return field(default=9, compare=False)
    return field()


def _both(kinds: list[str]) -> tuple[type, type]:
    """Return the same class, made by Python and by us."""
    return _class(kinds, pythons_own), _class(kinds, dataclass)


def _class(kinds: list[str], maker: Callable[..., Callable[[type], type]]) -> type:
    names = dict(zip(_NAMES, kinds, strict=False))
    body: dict[str, object] = {name: _field(kind) for name, kind in names.items()}
    annotated: type = type("Made", (), {**body, "__annotations__": dict.fromkeys(names, "object"), "__doc__": "One."})
    return maker(frozen=True, slots=True, kw_only=True)(annotated)


_CLASSES = st.lists(_DEFAULTS, max_size=len(_NAMES)).map(_both)
_GIVEN = st.dictionaries(st.sampled_from(_NAMES), st.integers(0, 2), max_size=len(_NAMES))


def _outcome(act: Callable[[], object]) -> object:
    """Return what came of it: the value, or the error's kind and words."""
    try:
        return act()
    except (TypeError, AttributeError) as error:
        return type(error), str(error)


def _told(made: type, given: dict[str, int]) -> object:
    return _outcome(lambda: repr(made(**given)))


@given(classes=_CLASSES, given=_GIVEN)
def test_it_takes_and_refuses_the_same_arguments(classes: tuple[type, type], given: dict[str, int]) -> None:
    assert _told(classes[1], given) == _told(classes[0], given)
    assert inspect.signature(classes[1]).parameters.keys() == inspect.signature(classes[0]).parameters.keys()


@given(classes=_CLASSES, one=_GIVEN, other=_GIVEN)
def test_the_same_are_equal_and_have_the_same_hash(
    classes: tuple[type, type], one: dict[str, int], other: dict[str, int]
) -> None:
    def compared(made: type) -> object:
        left, right = made(**one), made(**other)
        return left == right, left != right, left == one, (hash(left) == hash(right)) if left == right else None

    assert _outcome(lambda: compared(classes[1])) == _outcome(lambda: compared(classes[0]))


@given(classes=_CLASSES, changed=st.sampled_from([*_NAMES, "unknown"]))
def test_it_refuses_to_be_changed(classes: tuple[type, type], changed: str) -> None:
    made = classes[1]
    if any(each.init and each.default is each.default_factory for each in fields(made)):
        return
    value = made()

    with pytest.raises(dataclasses.FrozenInstanceError, match=changed):
        setattr(value, changed, 1)
    with pytest.raises(dataclasses.FrozenInstanceError, match=changed):
        delattr(value, changed)


@dataclass(frozen=True, slots=True, kw_only=True)
class _First(Generic[T]):
    """One that others are made of."""

    one: T
    two: int = 2
    kind: ClassVar[str] = "first"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Second(_First[str]):
    """One that is made of another, and says more."""

    three: list[int] = field(default_factory=list)
    four: int = field(init=False)
    five: int = field(init=False, default=5)

    def __post_init__(self) -> None:
        object.__setattr__(self, "four", self.two * 2)


@dataclass(frozen=True, slots=True)
class _Named:  # noqa: PLW1641 - it is given one
    """One that says itself when it is equal, and what it looks like."""

    name: str
    size: int = 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Named) and self.name == other.name

    def __repr__(self) -> str:
        return self.name


def test_a_class_inherits_the_fields_and_may_fill_others_itself() -> None:
    made = _Second(one="1", two=4)

    assert repr(made) == "_Second(one='1', two=4, three=[], four=8, five=5)"
    assert replace(made, two=1) == _Second(one="1", two=1)
    assert made.three is not _Second(one="1").three
    assert made != _First(one="1", two=4)
    assert not hasattr(made, "__dict__")


def test_what_a_class_says_itself_stays() -> None:
    assert _Named("a", 1) == _Named("a", 2)
    assert repr(_Named("a", 1)) == "a"
    assert hash(_Named("a", 1)) == hash(_Named("a", 1))


def test_fields_by_position_are_matched() -> None:
    match _Named("a", 3):
        case _Named(name, size):
            assert (name, size) == ("a", 3)


def test_a_class_that_is_not_frozen_is_refused() -> None:
    with pytest.raises(TypeError, match="dataclasses"):
        dataclass(frozen=False, slots=True)
    with pytest.raises(TypeError, match="dataclasses"):
        dataclass(frozen=True, slots=False)


def test_one_function_is_compiled_for_a_class_and_not_before_its_first_object() -> None:
    code = """
import sys
from openwa_manager.domain.values import dataclass
run = []
sys.addaudithook(lambda event, _: run.append(event))
@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    "One."
    a: int
    b: str = ""
counts = [run.count("exec")]
for _ in range(2):
    Made(a=1)
    counts.append(run.count("exec"))
print(counts)
"""
    done = subprocess.run((sys.executable, "-c", code), capture_output=True, text=True, check=True, timeout=60)

    assert done.stdout == "[0, 1, 1]\n"


_OURS = {"@dataclass(frozen=True, slots=True)", "@dataclass(frozen=True, slots=True, kw_only=True)"}


def test_every_frozen_class_with_slots_is_made_so() -> None:
    made_by_python = {
        path.relative_to(ROOT).as_posix()
        for path in PACKAGE
        if "simulator" not in path.parts and path.name != "values.py"
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ImportFrom) and node.module == "dataclasses"
        if any(each.name == "dataclass" for each in node.names)
        if _OURS & {line.strip() for line in path.read_text("utf-8").splitlines()}
    }

    assert made_by_python == set()
