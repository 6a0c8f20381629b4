"""What messages say is in nobody's log, and gone from the disk once they are sent."""

from collections.abc import Callable

from openwa_manager.api.messaging.responses import MessagePage
from tests.e2e.peers.daemon import SCANNED, Daemon, eventually

SETTINGS = {"MESSAGE_GAP_MIN_S": "0", "MESSAGE_GAP_MAX_S": "0", "CONTACT_CHECK_GAP_S": "0", "LOG_LEVEL": "debug"}
SESSION = "user_1_session_a"
#: By the last digits of the second its engine refuses the message, and by those of the third the phone answers STOP.
NUMBERS = ("85212340177", "85212340002", "85212340016")
SENT, REFUSED, ANSWERED = "CANARY-sent-text", "CANARY-refused-text", "CANARY-answered-text"


def test_no_text_is_logged_and_none_stays_that_was_sent(serve: Callable[..., Daemon]) -> None:
    daemon = serve(engine_env=SCANNED, settings=SETTINGS)
    daemon.create(SESSION)
    daemon.until(SESSION, "connected")
    for number, text in zip(NUMBERS, (SENT, REFUSED, ANSWERED), strict=True):
        path, body = (
            f"/v1/sessions/{SESSION}/messages",
            {"to": f"+{number}", "text": text, "reference": text[:8] + number},
        )
        assert daemon.ask("POST", path, body).status == 202
    eventually(lambda: all(status_at(daemon, number) in ("read", "bounced") for number in NUMBERS))
    why = daemon.ask("GET", f"/v1/sessions/{SESSION}/why").raw.decode()
    daemon.terminate()

    for text in (SENT, REFUSED, ANSWERED, *NUMBERS):
        assert text not in daemon.log
        assert text not in why
    assert kept_in(daemon, SENT) == kept_in(daemon, ANSWERED) == []
    assert kept_in(daemon, REFUSED) == ["manager.db"]  # it may be sent once more


def status_at(daemon: Daemon, number: str) -> str:
    """Return what became of the message to this number."""
    answer = daemon.ask("GET", f"/v1/sessions/{SESSION}/messages?to=%2B{number}")
    page = MessagePage.model_validate_json(answer.raw)
    return page.messages[0].status.value


def kept_in(daemon: Daemon, text: str) -> list[str]:
    """Return the names of our files that hold this text; what engines write is theirs."""
    files = [each for each in daemon.home.rglob("*") if each.is_file()]
    ours = [each for each in files if "sessions" not in each.relative_to(daemon.home).parts]
    return [each.name for each in ours if text.encode() in each.read_bytes()]
