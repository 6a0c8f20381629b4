"""The pages that are drawn from the code are as the code is now, and leave nothing out."""

import argparse
import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from openwa_manager.api.description.calls import NOTES
from openwa_manager.api.description.fields import OF
from openwa_manager.api.errors import MEANINGS, STATUS_OF
from openwa_manager.cli import NAMES
from openwa_manager.cli.commands.event_types import event_type
from openwa_manager.cli.help.pages import page_text
from openwa_manager.config import Settings
from openwa_manager.config.descriptions import CHAPTERS, DESCRIPTIONS
from openwa_manager.domain import errors
from openwa_manager.domain.delivery.event_types import EVENT_TYPES
from openwa_manager.domain.diagnosis.entries import Symptom
from openwa_manager.domain.messaging import words
from openwa_manager.domain.messaging.batches import BatchState, RejectionCode
from openwa_manager.domain.messaging.messages import AttemptOutcome, HoldCode, MessageStatus
from openwa_manager.domain.session.reasons import ReasonCode
from openwa_manager.domain.session.restart import AFTER
from openwa_manager.domain.session.session import After, Status
from openwa_manager.domain.session.words import AFTERS, REACTIONS, STATUSES, reaction_to
from tests.reference.openapi import document
from tests.reference.pages import DOCS, PAGES
from tests.reference.reasons import DELIVERIES
from tests.reference.trouble import USUAL
from tests.source import PACKAGE, tree_of

#: The rows of the table of troubles in the guide that users begin with.
OF_THE_GUIDE = (
    "QR never appears",
    "Session shows `creating` forever",
    "Messages not sending",
    "Media not delivered",
    "High failure rate",
    "Number banned",
)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_as_the_code_draws_it(name: str) -> None:
    assert (DOCS / name).read_text("utf-8") == PAGES[name](), "run `make docs`"


def test_no_page_of_the_reference_is_written_by_hand() -> None:
    found = {str(path.relative_to(DOCS)) for path in (DOCS / "reference").rglob("*")}

    assert found == {name for name in PAGES if name.startswith("reference/")}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_can_be_read_in_a_terminal(name: str) -> None:
    text = page_text(name.removesuffix(".md"), 80)

    assert "| ---" not in text
    assert len(text.splitlines()) > 20


def test_every_setting_has_a_sentence() -> None:
    assert DESCRIPTIONS.keys() == Settings.model_fields.keys()
    assert sum(map(len, CHAPTERS.values())) == len(DESCRIPTIONS)
    assert [name for name, text in DESCRIPTIONS.items() if not text.endswith(".")] == []


def test_every_word_has_a_sentence() -> None:
    assert STATUSES.keys() == set(Status)
    assert words.STATES.keys() == set(MessageStatus)
    assert words.HOLDS.keys() == set(HoldCode)
    assert words.ENDS.keys() == set(words.EndCode)
    assert words.REJECTIONS.keys() == set(RejectionCode)
    assert words.BATCH_STATES.keys() == set(BatchState)
    assert words.ATTEMPTS.keys() == set(AttemptOutcome)
    assert len(DELIVERIES) == 3
    assert all(reaction_to(code) for code in ReasonCode)


#: What must be said of a reason, by what follows it.
FOLLOWS: Mapping[After, str] = {
    After.BACK_OFF: "started again after",
    After.START_AGAIN: "started again|one try",
    After.FAIL: "`failed`|until somebody",
    After.STAY_STOPPED: "stopped|asked for",
}


def test_what_is_said_of_a_reason_is_what_follows_it() -> None:
    wrong = [code for code, after in AFTER.items() if not re.search(f"{FOLLOWS[after]}|tried again", reaction_to(code))]

    assert wrong == []
    assert AFTERS.keys() == set(AFTER.values())
    assert set(ReasonCode) - set(AFTER) <= set(REACTIONS)


def codes(kind: type[errors.OpenwaManagerError]) -> Iterator[str]:
    yield kind.code
    for below in kind.__subclasses__():
        yield from codes(below)


#: Codes that no caller of the API sees: of the start, of the command line, of a message, of the gateway.
NOT_ANSWERED = {
    *("internal_error", "config_invalid", "already_running", "schema_too_new", "store_damaged", "copy_failed"),
    *("launch_failed", "engine_data_lost", "port_in_use", "media_unavailable", "install_failed"),
    *("refused", "not_reachable", "usage"),
}


def test_every_code_of_an_error_has_a_meaning() -> None:
    known = set(codes(errors.OpenwaManagerError))

    assert known - NOT_ANSWERED <= MEANINGS.keys()
    assert STATUS_OF.keys() == MEANINGS.keys()


def ends_in(path: Path) -> Iterator[str]:
    """Yield with which code a message is said to have ended, where that is no name of a code."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "MessageError":
            (code,) = (each.value for each in node.keywords if each.arg == "code")
            yield from [ast.unparse(code)] if isinstance(code, ast.Constant) else []


def test_a_message_ends_with_a_code_that_has_a_sentence() -> None:
    ending = [path for path in PACKAGE if "MessageError" in path.read_text("utf-8")]  # to parse them all takes seconds

    assert ending
    assert [f"{path}: {code}" for path in ending for code in ends_in(path)] == []
    assert not set(words.ENDS) & set(RejectionCode) - {"opted_out"}


def test_the_page_about_trouble_answers_every_row_of_the_guide() -> None:
    page = (DOCS / "trouble.md").read_text("utf-8")

    assert [row for row in OF_THE_GUIDE if f"\n## {row}" not in page] == []
    assert set(Symptom) - set(USUAL) == {Symptom.NONE}


def members(described: Mapping[str, object]) -> Iterator[tuple[str, str, object]]:
    schemas = described["components"]["schemas"]  # type: ignore[index]
    for name, schema in schemas.items():
        yield from ((name, field, each.get("description")) for field, each in schema.get("properties", {}).items())


def test_every_member_and_parameter_of_the_api_has_a_sentence() -> None:
    described = document()

    assert [f"{model}.{field}" for model, field, said in members(described) if not said] == []
    paths = described["paths"]
    assert isinstance(paths, dict)
    calls = [(f"{method} {path}", each) for path, methods in paths.items() for method, each in methods.items()]
    assert [(name, one) for name, call in calls for one in call["parameters"] if not one.get("description")] == []


def test_no_sentence_is_about_a_member_that_is_not_there() -> None:
    known = {(model, field) for model, field, _ in members(document())}
    models = {model for model, _ in known}

    said = {(model, field) for model, fields in OF.items() if model in models for field in fields}
    assert said - known == set()
    assert {model for model in OF if model not in models and not model.endswith("Query")} == set()


def test_every_command_has_a_chapter() -> None:
    headings = re.findall(r"^## (.*)$", (DOCS / "reference" / "cli.md").read_text("utf-8"), re.MULTILINE)

    assert {name.capitalize() for name in NAMES} <= set(headings)


def test_no_note_is_about_a_call_that_is_not_there() -> None:
    paths = document()["paths"]
    assert isinstance(paths, dict)
    names = {each["operationId"] for methods in paths.values() for each in methods.values()}

    assert set(NOTES) - names == set()


@pytest.mark.parametrize("name", EVENT_TYPES)
def test_the_command_line_knows_every_event(name: str) -> None:
    assert event_type(name) == name


def test_the_command_line_refuses_what_looks_like_an_event_and_is_none() -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=r"did you mean 'session\.qr'"):
        event_type("session.qrr")
