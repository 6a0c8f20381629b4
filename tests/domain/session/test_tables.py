"""The tables of the lifecycle: whole, without a second entry for anything, and nothing written beside them."""

import inspect
from collections import Counter
from types import ModuleType

import pytest

from openwa_manager.domain.session import link, process, requests
from openwa_manager.domain.session.context import Context
from openwa_manager.domain.session.lifecycle import DEADLINES, ROWS, TRANSITIONS
from openwa_manager.domain.session.stimuli import Deadline, LinkReport, Observation, Request


def test_every_stimulus_has_exactly_one_row() -> None:
    rows = Counter(row.stimulus.__name__ for row in ROWS)

    assert rows == Counter(_leaves(Request) | _leaves(Observation))
    assert set(TRANSITIONS) == {row.stimulus for row in ROWS}


def leaves_of_stimuli() -> set[str]:
    return _leaves(Request) | _leaves(Observation)


def _leaves(kind: type[object]) -> set[str]:
    """Return the names of the last classes below one; a class with slots is made twice, so only its name counts."""
    below = _below(kind)
    return {each.__name__ for each in below} - {each.__name__ for each in below if each.__subclasses__()}


def _below(kind: type[object]) -> set[type[object]]:
    return {each for child in kind.__subclasses__() for each in (child, *_below(child))}


def test_every_deadline_has_its_function() -> None:
    assert set(DEADLINES) == set(Deadline)


@pytest.mark.parametrize("module", [requests, process, link])
def test_every_transition_is_in_a_table(module: ModuleType) -> None:
    in_tables = {row.transition for row in ROWS} | set(DEADLINES.values())
    transitions = {each for _, each in inspect.getmembers(module, inspect.isfunction) if _is_transition(each, module)}

    assert transitions
    assert transitions <= in_tables


def _is_transition(function: object, module: ModuleType) -> bool:
    """Tell whether this is a public function of the module that is given a context."""
    if not inspect.isfunction(function) or function.__module__ != module.__name__:
        return False
    parameters = inspect.signature(function).parameters.values()
    return not function.__name__.startswith("_") and any(each.annotation is Context for each in parameters)


@pytest.mark.parametrize("word", sorted({each.value for each in Deadline} & {each.value for each in LinkReport}))
def test_a_deadline_is_not_a_report_of_the_same_word(word: str) -> None:
    assert len({Deadline(word), LinkReport(word)}) == 2


def test_every_row_takes_its_stimulus_somewhere() -> None:
    for row in ROWS:
        assert row.leads_to
        assert all(row.leads_to.values())
