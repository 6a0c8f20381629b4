"""What is taken out of texts before they leave the host; too much rather than too little."""

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwa_manager.cli.diagnose.scrubbing import Scrubber

SESSION = "user_1_session_550e8400-e29b-41d4-a716-446655440000"
SCRUBBER = Scrubber(["a secret of the settings", " padded-secret \n", "short"], [SESSION])


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("for a secret of the settings and padded-secret", "for <hidden> and <hidden>"),
        ("short words stay", "short words stay"),
        ("85212345678@c.us left", "<chat> left"),
        ("120363-99@g.us, ann.b@example.com", "<chat>, <address>"),
        ("to +852 1234-5678 and 85212345678", "to <number> and <number>"),
        ("8521 234 5678", "<number>"),
        ("code K7QD-X2PM", "code <code>"),
        ("GET https://a.example/x?X-Amz-Signature=1 404", "GET https://a.example/x?<query> 404"),
        (f"{SESSION} has pid 4711, 250 MB", f"{SESSION} has pid 4711, 250 MB"),
        ("2026-11-30T10:00:00.123Z connect ECONNREFUSED 127.0.0.1:5432", None),
        ("exited with code 137 after 12.5 s", None),
        ("key owm_abc_def of us", "key *** of us"),
        ("\x1b[31mred", "red"),
        ("8521\x1b[0m2345678", "<number>"),
        ("call 415.555.1212 or (415) 555-1212 now", "call <number> or <number> now"),
        ("06.12.34.56.78", "<number>"),
        ("type K7QDX2PM", "type <code>"),
        ("ENOTCONN, EMSGSIZE, 127.0.0.1", None),
    ],
)
def test_what_identifies_people_or_opens_doors_is_replaced(text: str, left: str | None) -> None:
    assert SCRUBBER.text(text) == (text if left is None else left)


@pytest.mark.parametrize(
    ("line", "left"),
    [
        ("API_MASTER_KEY=whatever it is", "API_MASTER_KEY=<hidden>"),
        ("Sending 'hello Ann' now", 'Sending "<hidden>" now'),
        ("pushName: Ann B", "pushName: <hidden>"),
        ("text=hello", "text=<hidden>"),
        ("messageText: hello", "messageText: <hidden>"),
        ("PW=hello", "PW=<hidden>"),
        ("sending 'hello", "sending <hidden>"),
        ("it can't be", "it can't be"),
        ("    at Object.run (/opt/openwa/dist/main.js:10:5)", "    at Object.run (/opt/openwa/dist/main.js:10:5)"),
        ("Error: SQLITE_FULL: database or disk is full", "Error: SQLITE_FULL: database or disk is full"),
    ],
)
def test_of_a_log_stays_what_the_program_says_in_its_own_words(line: str, left: str) -> None:
    assert SCRUBBER.log(f"{line}\n[{line}").splitlines()[0] == left


def test_a_hidden_text_is_hidden_to_its_last_line() -> None:
    printed = "text: hello\nAnn of Kowloon\n  is here\nError: gone\n    at run (main.js:1:1)\nand more"

    assert SCRUBBER.log(printed) == "text: <hidden>\nError: gone\n    at run (main.js:1:1)\nand more"


def test_codes_that_are_drawn_are_left_out() -> None:
    assert SCRUBBER.log("scan this\n\u2588\u2580\u2584 \u2588\nthen wait") == "scan this\nthen wait"


@given(before=st.integers(900, 1_100))
def test_no_piece_of_a_secret_stays_where_a_line_is_cut(before: int) -> None:
    left = SCRUBBER.log(f"{'w ' * (before // 2)}{'x' * (before % 2)}a secret of the settings")

    assert "secret" not in left


SHORT = st.sampled_from(["85212345678", "8521-2345", "t_1"]) | st.from_regex(r"[a-z0-9]", fullmatch=True)


@given(session_id=SHORT | st.from_regex(r"[0-9]{1,14}", fullmatch=True))
def test_no_id_of_a_session_switches_a_rule_off(session_id: str) -> None:
    own = Scrubber([], [session_id])

    text = own.text("to +852 1234-5678, 85212345678@c.us, 85298761234, K7QD-X2PM, a1b2c3d4e5f6a7b8c9d0/Xy5+z")

    assert text == "to <number>, <chat>, <number>, <code>, <token>"
    assert own.log("text: hello 5 a") == "text: <hidden>"


def test_other_sessions_are_not_named() -> None:
    own = Scrubber([], [SESSION], {"user_2", SESSION})

    assert own.text(f"{SESSION} and user_2, user_22: https://a.example/user_2/x") == (
        f"{SESSION} and <session>, user_22: https://a.example/<session>/x"
    )


def test_what_engines_say_in_a_document_is_scrubbed_as_a_log_is() -> None:
    document = SCRUBBER.document({"reason": {"detail": "text: hello"}, "steps": [{"error_detail": "'hello'"}]})

    assert document == {"reason": {"detail": "text: <hidden>"}, "steps": [{"error_detail": '"<hidden>"'}]}


@pytest.mark.parametrize("unit", ["1", "1.", "a.", "a", "A1", "a@", "/", "'", '"', "text", "x=", "+1 "])
def test_a_hostile_line_takes_no_long_time(unit: str) -> None:
    assert len(SCRUBBER.log(unit * 500_000)) <= 1_100


@given(seed=st.integers(0, 2**32), size=st.integers(16, 200), before=st.text(max_size=20))
def test_no_long_key_in_base64_or_hexadecimal_stays(seed: int, size: int, before: str) -> None:
    token = hashlib.shake_256(str(seed).encode()).digest(size)
    forms = token.hex(), base64.b64encode(token).decode(), base64.urlsafe_b64encode(token).decode()
    for form in (each for each in forms if len(each) >= 64 or any(map(str.isdigit, each))):  # a few have no digit
        for way in (SCRUBBER.text, SCRUBBER.log):
            assert form not in way(f"{before} {form} ")


@given(number=st.from_regex(r"[1-9][0-9]{8,13}", fullmatch=True), before=st.sampled_from(["", "+", "to ", "(", "id="]))
def test_no_number_of_a_phone_stays(number: str, before: str) -> None:
    assert number not in SCRUBBER.text(f"{before}{number}, then")


@given(secret=st.text(min_size=6, max_size=40).filter(lambda text: len(text.strip()) >= 6 and text.isprintable()))
def test_no_secret_of_the_settings_stays(secret: str) -> None:
    own = Scrubber([secret], [SESSION])

    assert secret.strip() not in own.text(f"he said {secret}: yes").replace("<hidden>", "")


def test_a_document_keeps_its_shape_and_hides_what_is_named_as_a_secret() -> None:
    document = SCRUBBER.document({"pid": 85212345678, "steps": [{"api_key": "x", "detail": "85212345678"}], "ok": None})

    assert document == {"pid": 85212345678, "steps": [{"api_key": "***", "detail": "<number>"}], "ok": None}


def test_a_line_without_end_is_cut() -> None:
    assert len(SCRUBBER.log("word " * 10_000)) <= 1_000
