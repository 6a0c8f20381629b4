"""A link that lives in a small file: kept while it is whole, put back once, forgotten when it is worth nothing."""

from openwa_manager.domain.session.commands import CheckCredentials, End, ForgetCredentials, KeepCredentials
from openwa_manager.domain.session.reasons import ReasonCode
from openwa_manager.domain.session.session import ProcessState
from openwa_manager.domain.session.stimuli import CredentialsRestored, LinkReport, LogoutRequested
from tests.domain.session.stage import authenticating, connected, connected_again, running, spawning


def test_the_credentials_are_kept_once_they_have_connected() -> None:
    stage = authenticating()

    stage.report(LinkReport.CONNECTED)

    assert stage.done(KeepCredentials)


def test_a_paired_session_that_shows_a_code_has_its_credentials_checked_once() -> None:
    stage = connected_again()

    stage.show_code("a")
    stage.show_code("b")

    assert [command.launch.launch_id for command in stage.done(CheckCredentials)] == [stage.launch_id]


def test_a_session_that_was_never_paired_has_no_credentials_to_check() -> None:
    stage = running()

    stage.show_code()

    assert not stage.done(CheckCredentials)


def test_broken_credentials_cost_one_restart_and_no_budget() -> None:
    stage = connected_again()
    streak = stage.session.restarts.streak
    stage.show_code()

    stage.fault(ReasonCode.CREDENTIALS_RESTORED)
    stage.end()
    stage.boot()

    assert stage.session.process is ProcessState.RUNNING
    assert stage.session.restarts.streak == streak
    assert stage.session.restarts.last_reason is ReasonCode.CREDENTIALS_RESTORED


def test_a_launch_that_began_with_the_kept_copy_says_so() -> None:
    stage = spawning()

    stage.play(CredentialsRestored(launch_id=stage.launch_id))

    assert stage.reason is ReasonCode.CREDENTIALS_RESTORED
    assert stage.steps[-1].decision == "credentials restored from the kept copy"


def test_the_copy_is_forgotten_when_the_phone_logs_out() -> None:
    stage = connected()

    stage.report(LinkReport.LOGGED_OUT, "logged out")

    assert stage.done(ForgetCredentials)
    assert stage.done(End)


def test_the_copy_is_forgotten_when_somebody_logs_out_here() -> None:
    stage = connected()

    stage.play(LogoutRequested())

    assert stage.done(ForgetCredentials)


def test_a_ban_keeps_the_copy() -> None:
    stage = connected()

    stage.report(LinkReport.BANNED, "(403)")

    assert not stage.done(ForgetCredentials)
