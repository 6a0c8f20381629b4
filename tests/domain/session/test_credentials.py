"""A link that lives in a small file: kept while it is whole, put back once, forgotten when it is worth nothing."""

from openwa_manager.domain.session.commands import CheckCredentials, End, ForgetCredentials, KeepCredentials
from openwa_manager.domain.session.reasons import ReasonCode
from openwa_manager.domain.session.session import ProcessState
from openwa_manager.domain.session.stimuli import CredentialsRestored, CredentialsSetAside, LinkReport, LogoutRequested
from tests.domain.session.driver import authenticating, connected, connected_again, running, showing_code, spawning


def test_the_credentials_are_kept_once_they_have_connected() -> None:
    driver = authenticating()

    driver.report(LinkReport.CONNECTED)

    assert driver.done(KeepCredentials)


def test_a_paired_session_that_shows_a_code_has_its_credentials_checked_once() -> None:
    driver = connected_again()

    driver.show_code("a")
    driver.show_code("b")

    assert [command.launch.launch_id for command in driver.done(CheckCredentials)] == [driver.launch_id]


def test_a_session_that_was_never_paired_has_no_credentials_to_check() -> None:
    driver = running()

    driver.show_code()

    assert not driver.done(CheckCredentials)


def test_broken_credentials_cost_one_restart_and_no_budget() -> None:
    driver = connected_again()
    streak = driver.session.restarts.streak
    driver.show_code()

    driver.fault(ReasonCode.CREDENTIALS_RESTORED)
    driver.end()
    driver.boot()

    assert driver.session.process is ProcessState.RUNNING
    assert driver.session.restarts.streak == streak
    assert driver.session.restarts.last_reason is ReasonCode.CREDENTIALS_RESTORED


def test_a_launch_that_began_with_the_kept_copy_says_so() -> None:
    driver = spawning()

    driver.send(CredentialsRestored(launch_id=driver.launch_id))

    assert driver.reason is ReasonCode.CREDENTIALS_RESTORED
    assert driver.steps[-1].decision == "credentials restored from the kept copy"


def test_the_copy_is_forgotten_when_the_phone_logs_out() -> None:
    driver = connected()

    driver.report(LinkReport.LOGGED_OUT, "logged out")

    assert driver.done(ForgetCredentials)
    assert driver.done(End)


def test_the_copy_is_forgotten_when_somebody_logs_out_here() -> None:
    driver = connected()

    driver.send(LogoutRequested())

    assert driver.done(ForgetCredentials)


def test_a_ban_keeps_the_copy() -> None:
    driver = connected()

    driver.report(LinkReport.BANNED, "(403)")

    assert not driver.done(ForgetCredentials)


def test_credentials_that_the_engine_set_aside_are_explained() -> None:
    driver = showing_code()

    driver.send(CredentialsSetAside(launch_id=driver.launch_id, directory="corrupt-1-a"))

    (step,) = driver.steps
    assert "set them aside" in step.decision
    assert step.evidence == {"directory": "corrupt-1-a"}
