"""What comes to a session by itself is told in plain words, with its time."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from openwa_manager.domain.session.coming import Coming, Due, coming_to, kill_time, words_of
from openwa_manager.domain.session.launch_facts import ProgramMissing
from openwa_manager.domain.session.reasons import ReasonCode
from openwa_manager.domain.session.session import Restarts
from openwa_manager.domain.session.stimuli import Deadline, LaunchFailed, LinkReport, LinkReported, StopRequested
from openwa_manager.domain.session.words import STIMULI, words_of_stimulus
from tests.domain.session.driver import (
    AT,
    Driver,
    authenticating,
    backing_off,
    booting,
    connected,
    connected_again,
    deleting,
    failed,
    queued,
    running,
    showing_code,
    spawning,
    stopping,
)
from tests.domain.session.test_tables import leaves_of_stimuli

GRACE_S = 10.0


def coming(driver: Driver, ahead: int | None = None) -> list[Coming]:
    due = [
        Due(deadline=kind, at=driver.at + each.due_boot_s - driver.boot_s) for kind, each in driver.deadlines.items()
    ]
    return coming_to(driver.session, due, kill_time(driver.session, GRACE_S, driver.at), ahead)


def down(report: LinkReport) -> Driver:
    driver = connected()
    driver.report(report)
    return driver


def without_program() -> Driver:
    driver = spawning()
    facts = ProgramMissing(text="node is missing")
    driver.send(LaunchFailed(launch_id=driver.launch_id, code=ReasonCode.LAUNCH_FAILED, facts=facts))
    return driver


@pytest.mark.parametrize(
    ("make", "first", "in_s"),
    [
        (queued, "launch when the start gate has a slot", None),
        (spawning, "start the engine's process", None),
        (booting, "end the engine and start it again after a pause, unless it answers by then", 45),
        (running, "restart the engine, unless it shows a code by then", 90),
        (showing_code, "the code expires; the engine makes the next one", 60),
        (authenticating, "restart the engine, unless it connects by then", 120),
        (connected_again, "call it disconnected, unless it connects by then", 90),
        (lambda: down(LinkReport.DISCONNECTED), "restart the engine, unless the link is up by then", 300),
        (
            lambda: down(LinkReport.REPLACED),
            "restart the engine to take the connection back, unless the link is up by then",
            300,
        ),
        (backing_off, "start again", 1),
        (failed, "try once more to start", 1800),
        (without_program, "start again once its program is there, which is looked for all the time", None),
        (stopping, "kill what is left of the engine", GRACE_S),
    ],
)
def test_the_next_step_is_told_with_its_time(make: Callable[[], Driver], first: str, in_s: float | None) -> None:
    driver = make()

    following = coming(driver)[0]

    assert following.words == first
    assert following.at == (None if in_s is None else pytest.approx(driver.at + in_s))


def test_what_comes_later_is_told_too() -> None:
    shown = showing_code()

    assert [each.words for each in coming(shown)] == [
        "the code expires; the engine makes the next one",
        "end the engine, unless a code is scanned by then",
    ]
    assert [each.at for each in coming(shown)] == pytest.approx([AT + 60, AT + 180])
    assert [each.words for each in coming(stopping())][1:] == ["stay stopped once the engine has ended"]
    assert coming(deleting())[-1].words.startswith("delete the session")
    assert Coming(words="be connected again: the engine tries by itself") in coming(down(LinkReport.DISCONNECTED))
    assert coming(down(LinkReport.ACTION_REQUIRED)) == []


def test_no_end_is_promised_for_a_time_that_is_over() -> None:
    ended = stopping().session
    assert ended.reason is not None
    until = ended.reason.at + GRACE_S

    assert kill_time(ended, GRACE_S, until - 1) == until
    assert kill_time(ended, GRACE_S, until) is None
    assert coming_to(ended, (), None)[0] == Coming(words="kill what is left of the engine")


def test_those_in_front_of_it_at_the_gate_are_counted() -> None:
    assert coming(queued(), ahead=3)[0].words == "launch when the start gate has a slot; 3 before it"
    assert coming(queued(), ahead=0)[0].words == "launch when the start gate has a slot"


def test_a_session_at_rest_awaits_nothing() -> None:
    ended = stopping()
    ended.end()

    assert coming(Driver()) == []
    assert coming(connected()) == []
    assert coming(ended) == []


def test_after_its_one_restart_a_session_is_given_up() -> None:
    session = replace(running().session, restarts=Restarts(link_restarted=True))

    assert words_of(Deadline.INITIALIZING, session) == "give up for now, unless it shows a code by then"


@pytest.mark.parametrize("deadline", [each for each in Deadline if each is not Deadline.SLOW])
def test_every_deadline_has_words(deadline: Deadline) -> None:
    for driver in (running(), connected()):
        assert words_of(deadline, driver.session)
    happened = words_of_stimulus(f"DeadlinePassed({deadline})")
    assert happened != f"{str(deadline).replace('_', ' ')} was up"


def test_every_stimulus_has_words() -> None:
    assert set(STIMULI) == leaves_of_stimuli() - {"DeadlinePassed"} | {"Created", "Recovered"}


def test_a_name_of_another_version_comes_back_as_words() -> None:
    assert words_of_stimulus("MoonRisen") == "moon risen"
    assert words_of_stimulus("DeadlinePassed(first_code)") == "first code was up"


def test_the_words_of_a_report_do_not_name_a_class() -> None:
    driver = connected()
    driver.send(StopRequested())

    assert words_of_stimulus(driver.steps[-1].stimulus) == "stop asked for"
    assert words_of_stimulus(LinkReported.__name__) == "engine told of its link"


def test_of_an_engine_that_is_gone_already_only_what_follows_is_told() -> None:
    driver = deleting()
    gone = replace(driver.session, launch=None)

    assert [each.words for each in coming_to(gone, (), None)] == [coming(driver)[-1].words]
