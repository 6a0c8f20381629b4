"""Engines, callers and a local user attack for a short while; `make soak ARGS=--hostile` does it for longer."""

import random

import pytest

from openwa_manager.processes.confinement import landlock
from tests.soak.attack import attack


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(not landlock.abi(), reason="engines cannot be kept apart here")
def test_attacks_end_at_their_session() -> None:
    """How long callers wait is not judged here: a machine under other load makes everybody wait."""
    judgement = attack(2, 30.0, random.Random(10))  # noqa: S311 (a test is to be repeatable)

    assert judgement.failures(judges_latency=False) == [], judgement.table()
    assert judgement.census.looks
    assert judgement.deletions
    assert judgement.messages.sent
