"""What is counted as it happens: from decisions about sessions, from answers, from measurements."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwa_manager.domain.session.deadlines import Moment
from openwa_manager.domain.session.decisions import Decisions, Moved
from openwa_manager.domain.session.reasons import ReasonCode
from openwa_manager.domain.session.restart import Policy
from openwa_manager.domain.session.session import LinkState, SessionId, Usage
from openwa_manager.domain.session.stimuli import LinkReport, LinkReported, Stimulus, StopRequested
from openwa_manager.metrics.tallies import EngineCpu, RequestTally, SessionTally
from tests.domain.session.driver import Driver, authenticating, booting, connected, connected_again, running

LATER_S = 12.5


def moves_of(driver: Driver, *stimuli: Stimulus, later_s: float = LATER_S) -> list[Moved]:
    """Return what is decided of the session when all this happens to it at once."""
    moment = Moment(at=driver.at + later_s, boot_s=driver.boot_s + later_s, chance=0.5, is_offline=False)
    decisions = Decisions(session=driver.session, deadlines=driver.deadlines, policy=Policy())
    for stimulus in stimuli:
        decisions.consider(stimulus, moment)
    return decisions.moves


def reported(driver: Driver, link: LinkReport) -> LinkReported:
    return LinkReported(launch_id=driver.launch_id, link=link, detail="", phone_number=None)


def using(cpu_s: float) -> Usage:
    return Usage(rss_bytes=1, cpu_percent=1.0, process_count=1, cpu_s=cpu_s)


def test_a_drop_that_heals_at_once_counts() -> None:
    driver, tally = connected(), SessionTally()
    drop, healed = (reported(driver, link) for link in (LinkReport.DISCONNECTED, LinkReport.CONNECTED))

    tally.note(moves_of(driver, drop, healed))

    assert tally.link_drops == {"network": 1}
    assert tally.pairing.count == 0


def test_a_code_that_was_asked_for_before_the_link_came_up_is_no_drop() -> None:
    driver, tally = connected(), SessionTally()
    stale, again = (reported(driver, link) for link in (LinkReport.QR_READY, LinkReport.CONNECTED))

    moves = moves_of(driver, stale, again)
    tally.note(moves)

    assert [each.after.link for each in moves] == [LinkState.DISCONNECTED, LinkState.CONNECTED]
    assert tally.link_drops == {}
    tally.note(moves_of(driver, reported(driver, LinkReport.DISCONNECTED)))
    assert tally.link_drops == {"network": 1}


def test_an_account_that_shows_codes_again_was_logged_out() -> None:
    driver, tally = connected(), SessionTally()
    before = driver.session
    driver.report(LinkReport.QR_READY)
    unlinked = driver.session
    driver.show_code("a")

    tally.note([Moved(before, unlinked)])
    assert tally.link_drops == {}
    tally.note([Moved(unlinked, driver.session)])

    assert driver.session.link is LinkState.QR_READY
    assert tally.link_drops == {"logged_out": 1}
    assert tally.codes == 1


def test_a_link_that_somebody_ends_counts_as_requested() -> None:
    tally = SessionTally()

    tally.note(moves_of(connected(), StopRequested()))

    assert tally.link_drops == {"requested": 1}


def test_a_link_that_was_not_up_cannot_drop() -> None:
    driver, tally = authenticating(), SessionTally()

    tally.note(moves_of(driver, reported(driver, LinkReport.DISCONNECTED)))

    assert tally.link_drops == {}


def test_a_crash_takes_the_link_with_it() -> None:
    driver = connected()
    before = driver.session
    driver.crash()
    tally = SessionTally()

    tally.note([Moved(before, driver.session)])

    assert tally.link_drops == {ReasonCode.ENGINE_EXITED: 1}


def test_an_account_that_is_linked_by_a_code_is_counted_with_the_time_it_took() -> None:
    driver, tally = authenticating(), SessionTally()

    tally.note(moves_of(driver, reported(driver, LinkReport.CONNECTED)))

    assert (tally.pairing.count, tally.pairing.total_s) == (1, LATER_S)


def test_an_account_that_was_linked_before_is_not_counted_again() -> None:
    driver, tally = connected_again(), SessionTally()

    moves = moves_of(driver, reported(driver, LinkReport.CONNECTED))
    tally.note(moves)

    assert moves[-1].after.link is LinkState.CONNECTED
    assert tally.pairing.count == 0


def test_each_code_counts_once() -> None:
    driver, tally = running(), SessionTally()
    for sha256 in ("a", "a", "b"):
        before = driver.session
        driver.show_code(sha256)
        tally.note([Moved(before, driver.session)])

    assert tally.codes == 2


def test_a_start_is_counted_when_the_engine_answers() -> None:
    driver, tally = booting(), SessionTally()
    before = driver.session
    driver.wait(3.0)
    driver.ready()

    tally.note([Moved(before, driver.session)])

    assert (tally.starts.count, tally.starts.total_s) == (1, 3.0)


@pytest.mark.parametrize(
    ("status", "label"), [(200, "200"), (429, "429"), (599, "other"), (799, "other"), (-1, "other")]
)
def test_only_statuses_that_have_a_name_have_a_label(status: int, label: str) -> None:
    tally = RequestTally()

    tally.note("GET /metrics", status)

    assert tally.counts == {("GET /metrics", label): 1}


@given(st.lists(st.dictionaries(st.sampled_from("abc"), st.floats(0, 1e6), max_size=3)))
def test_what_engines_have_used_never_falls(measurements: list[dict[str, float]]) -> None:
    cpu, totals = EngineCpu(), [0.0]
    for measured in measurements:
        cpu.add(
            {
                SessionId(each): Usage(rss_bytes=1, cpu_percent=1.0, process_count=1, cpu_s=used)
                for each, used in measured.items()
            }
        )
        totals.append(cpu.total_s)

    assert totals == sorted(totals)
    assert sum(cpu.of(SessionId(each)) for each in "abc") == pytest.approx(cpu.total_s)


def test_the_total_keeps_what_a_deleted_session_used() -> None:
    cpu = EngineCpu()
    cpu.add({SessionId("a"): using(2.5)})

    cpu.forget(SessionId("a"))

    assert (cpu.total_s, cpu.of(SessionId("a"))) == (2.5, 0.0)
