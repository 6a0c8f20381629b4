"""Makes frozen, slotted dataclasses in a twelfth of the time that Python takes for one.

For each of them `dataclasses` writes six functions as source and compiles them, which takes 0.4 ms. There are some
hundred, so that this was a third of the daemon's start. Here only `__init__` is compiled, because it is called often,
and not before the first object is made: many classes have none in a daemon's life. The others do the same for every
class, once they know its fields. The fields, the slots and what `replace`, `asdict` and `match` go by are still made by
`dataclasses`, and to a type checker these are its dataclasses.
"""

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from dataclasses import MISSING, FrozenInstanceError
from operator import attrgetter
from typing import TYPE_CHECKING, Never

if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(*, frozen: bool, slots: bool, kw_only: bool = False) -> Callable[[type], type]:
        """Return what makes a class a dataclass that is frozen and has slots."""
        if not (frozen and slots):
            raise TypeError("dataclasses.dataclass makes the others")
        bare = dataclasses.dataclass(init=False, repr=False, eq=False, slots=True, kw_only=kw_only)
        return lambda cls: _complete(bare(_described(cls)))


__all__ = ["dataclass"]

_Fields = Sequence["dataclasses.Field[object]"]


def _described(cls: type) -> type:
    """Have a class without a docstring say its name: `dataclasses` would make up a signature, at some cost."""
    cls.__doc__ = cls.__doc__ or cls.__name__
    return cls


def _complete(cls: type) -> type:
    """Add what `dataclasses` would have compiled, but for what the class says itself."""
    fields: _Fields = dataclasses.fields(cls)
    added = {"__setattr__": _refuse_assignment, "__delattr__": _refuse_deletion, "__init__": _LateInit(cls, fields)}
    added |= {"__repr__": _repr_of(fields), **_comparison_of(fields)}
    for name, method in added.items():
        if vars(cls).get(name) is None:  # a class that says when it is equal has None for its hash
            setattr(cls, name, method)
    return cls


class _LateInit:
    """Stands for the `__init__` of a class, which is compiled when it is asked for first, and then is in its place."""

    def __init__(self, cls: type, fields: _Fields) -> None:
        self._cls = cls
        self._fields = fields

    def __get__(self, value: object, owner: type) -> Callable[..., None]:
        init = _init_of(self._cls, self._fields)
        type.__setattr__(self._cls, "__init__", init)
        bound: Callable[..., None] = init.__get__(value, owner)
        return bound


def _refuse_assignment(_: object, name: str, __: object) -> Never:
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_deletion(_: object, name: str) -> Never:
    raise FrozenInstanceError(f"cannot delete field {name!r}")


def _repr_of(fields: _Fields) -> Callable[[object], str]:
    names = [each.name for each in fields if each.repr]

    def shown(self: object) -> str:
        values = ", ".join(f"{name}={getattr(self, name)!r}" for name in names)
        return f"{type(self).__qualname__}({values})"

    return shown


def _comparison_of(fields: _Fields) -> dict[str, Callable[..., object]]:
    names = [each.name for each in fields if each.compare]
    values_of: Callable[[object], object] = attrgetter(*names) if names else type

    def is_equal(self: object, other: object) -> bool:
        return values_of(self) == values_of(other) if other.__class__ is self.__class__ else NotImplemented

    def hash_of(self: object) -> int:
        return hash(values_of(self))

    return {"__eq__": is_equal, "__hash__": hash_of}


def _init_of(cls: type, fields: _Fields) -> Callable[..., None]:
    """Return what fills the slots, each by its own descriptor, since the class refuses assignments."""
    names: dict[str, object] = {"MISSING": MISSING}
    lines = []
    for each in fields:
        names |= {f"set_{each.name}": getattr(cls, each.name).__set__, f"make_{each.name}": each.default_factory}
        names[f"default_{each.name}"] = each.default
        if (value := _value_of(each)) is not None:
            lines.append(f"set_{each.name}(self, {value})")
    if hasattr(cls, "__post_init__"):
        lines.append("self.__post_init__()")
    source = f"def __init__({', '.join(_parameters_of(fields))}):\n " + "\n ".join(lines or ["pass"])
    made: dict[str, Callable[..., None]] = {}
    exec(source, names, made)  # noqa: S102 - made of the names of fields alone
    init = made["__init__"]
    init.__qualname__ = f"{cls.__qualname__}.__init__"
    init.__annotations__ = {each.name: each.type for each in fields if each.init} | {"return": None}
    return init


def _value_of(field: "dataclasses.Field[object]") -> str | None:
    """Return what a field is filled with; None: nothing, the class does that itself after it was made."""
    if field.default_factory is not MISSING:
        made = f"make_{field.name}()"
        return f"{made} if {field.name} is MISSING else {field.name}" if field.init else made
    if field.init:
        return field.name
    return None if field.default is MISSING else f"default_{field.name}"


def _parameters_of(fields: _Fields) -> Iterable[str]:
    taken = [each for each in fields if each.init]
    by_keyword = [_parameter_of(each) for each in taken if each.kw_only]
    return [
        "self",
        *(_parameter_of(each) for each in taken if not each.kw_only),
        *(["*", *by_keyword] if by_keyword else []),
    ]


def _parameter_of(field: "dataclasses.Field[object]") -> str:
    if field.default_factory is not MISSING:
        return f"{field.name}=MISSING"
    return field.name if field.default is MISSING else f"{field.name}=default_{field.name}"
