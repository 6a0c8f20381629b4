import base64
import hashlib
import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from openwa_manager.domain.delivery.events import Json
from openwa_manager.domain.session.reasons import Restriction
from openwa_manager.domain.session.session import SESSION_ID_PATTERN, LaunchId, SessionId
from openwa_manager.domain.session.stimuli import (
    EngineEventReceived,
    LinkCheckRequested,
    LinkReport,
    LinkReported,
    MessageAcknowledged,
    Restricted,
)
from openwa_manager.engines.mapping import (
    InnerSession,
    image_of,
    inner_name,
    link_of,
    observations_of,
    qr_observation,
    report_of,
)
from tests.watcher.images import images

LAUNCH = LaunchId("launch-1")
RECORDINGS = Path(__file__).parents[1] / "data" / "openwa-transcripts"
session_ids = st.from_regex(SESSION_ID_PATTERN, fullmatch=True).map(SessionId)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20)
json_values: st.SearchStrategy[Json] = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
)


INNER_ID = "659b1334-0c2a-4d5e-8f00-1a2b3c4d5e6f"


def row(**fields: object) -> InnerSession:
    return InnerSession.model_validate({"id": INNER_ID, "name": "acme-01", **fields})


@given(session_id=session_ids)
def test_an_inner_name_is_legal_for_openwa(session_id: SessionId) -> None:
    assert re.fullmatch(r"[A-Za-z0-9-]{3,50}", inner_name(session_id))


@given(one=session_ids, other=session_ids)
def test_two_sessions_never_share_an_inner_name(one: SessionId, other: SessionId) -> None:
    assert (inner_name(one) == inner_name(other)) == (one == other)


def test_ids_that_differ_only_in_what_openwa_forbids_have_names_of_their_own() -> None:
    assert inner_name(SessionId("user_1")) != inner_name(SessionId("user-1"))
    assert inner_name(SessionId("user_1")).startswith("user-1-")


@pytest.mark.parametrize(
    ("fields", "link"),
    [
        ({"status": "created"}, LinkReport.INITIALIZING),
        ({"status": "initializing"}, LinkReport.INITIALIZING),
        ({"status": "qr_ready"}, LinkReport.QR_READY),
        ({"status": "authenticating"}, LinkReport.AUTHENTICATING),
        ({"status": "ready"}, LinkReport.CONNECTED),
        ({"status": "disconnected"}, LinkReport.DISCONNECTED),
        ({"status": "action_required", "lastError": "confirm on the phone"}, LinkReport.ACTION_REQUIRED),
        ({"status": "failed"}, LinkReport.FAILED),
        ({"status": "failed", "lastError": "Failed to launch the browser process"}, LinkReport.FAILED),
        ({"status": "failed", "lastError": "Account rejected by WhatsApp (403) - banned"}, LinkReport.BANNED),
        ({"status": "failed", "lastError": "Connection replaced (440) - stop the other"}, LinkReport.REPLACED),
        ({"status": "ready", "lastError": "an old one (403)"}, LinkReport.CONNECTED),
        ({"status": "disconnected", "restriction": {"kind": "tos_block"}}, LinkReport.BANNED),
        ({"status": "ready", "restriction": {"kind": "reachout_timelock"}}, LinkReport.CONNECTED),
        ({"status": "a word of a later version"}, LinkReport.INITIALIZING),
        ({}, LinkReport.INITIALIZING),
    ],
)
def test_a_record_tells_the_link(fields: dict[str, object], link: LinkReport) -> None:
    assert link_of(row(**fields)) is link


def test_the_account_is_named_only_while_it_is_linked() -> None:
    account = {"phone": "62825860468", "pushName": "Ann"}

    linked = report_of(row(status="ready", **account), LAUNCH)
    unlinked = report_of(row(status="qr_ready", **account), LAUNCH)

    assert (linked.phone_number, linked.push_name) == ("62825860468", "Ann")
    assert (unlinked.phone_number, unlinked.push_name) == (None, None)


def test_a_ban_without_an_error_is_explained_by_its_restriction() -> None:
    restriction = {"kind": "tos_block", "code": "SMB", "expiresAt": "2026-11-22T08:22:16.675Z"}

    report = report_of(row(status="disconnected", restriction=restriction), LAUNCH)

    assert report.detail == "tos_block SMB until 2026-11-22T08:22:16.675Z"


def test_a_record_of_0_11_is_read_although_fields_are_missing() -> None:
    old = InnerSession.model_validate_json(
        f'{{"id":"{INNER_ID}","name":"acme","status":"ready","phone":"628","config":{{}}}}'
    )

    assert (old.engine_loaded, old.last_error, old.restriction) == (None, None, None)


@pytest.mark.parametrize(
    ("event", "data"),
    [
        ("session.status", {"status": "failed"}),
        ("session.status", {"status": "ready"}),
        ("session.qr", {"qr": "data:image/png;base64,AAAA"}),
        ("session.authenticated", {"phone": "628"}),
        ("session.reconnect_loop", {"attempts": 5}),
        ("session.disconnected", {"reason": "NAVIGATION"}),
        ("session.disconnected", {}),
    ],
)
def test_what_may_be_late_or_vague_only_asks_for_the_record(event: str, data: dict[str, Json]) -> None:
    assert observations_of(event, data, LAUNCH) == (LinkCheckRequested(launch_id=LAUNCH),)


@pytest.mark.parametrize(
    ("reason", "link"),
    [
        ("logged out", LinkReport.LOGGED_OUT),
        ("LOGOUT", LinkReport.LOGGED_OUT),
        ("UNPAIRED", LinkReport.LOGGED_OUT),
        ("TOS_BLOCK", LinkReport.BANNED),
    ],
)
def test_a_final_disconnection_is_told_at_once(reason: str, link: LinkReport) -> None:
    (report,) = observations_of("session.disconnected", {"reason": reason}, LAUNCH)

    assert report == LinkReported(launch_id=LAUNCH, link=link, detail=reason)


RESTRICTION = Restriction(kind="reachout_timelock", code="BIZ_QUALITY")


def test_a_restriction_is_told_and_so_is_its_end() -> None:
    data: dict[str, Json] = {"active": True, "kind": "reachout_timelock", "code": "BIZ_QUALITY", "expiresAt": None}

    (begun,) = observations_of("session.restriction", data, LAUNCH)
    (ended,) = observations_of("session.restriction", {**data, "active": False}, LAUNCH)

    assert begun == Restricted(launch_id=LAUNCH, is_active=True, restriction=RESTRICTION)
    assert ended == Restricted(launch_id=LAUNCH, is_active=False, restriction=RESTRICTION)


def test_a_block_for_breaking_the_terms_is_a_ban() -> None:
    (report,) = observations_of("session.restriction", {"active": True, "kind": "tos_block"}, LAUNCH)

    assert report == LinkReported(launch_id=LAUNCH, link=LinkReport.BANNED, detail="tos_block")


@pytest.mark.parametrize(
    ("status", "is_told"), [("sent", True), ("failed", True), ("pending", False), ("played", False)]
)
def test_only_fates_we_know_are_told(status: str, is_told: bool) -> None:
    observations = observations_of("message.ack", {"messageId": "3EB0", "status": status}, LAUNCH)

    wanted = MessageAcknowledged(launch_id=LAUNCH, message_id="3EB0", fate=status)
    assert observations == ((wanted,) if is_told else ())


def test_the_engines_own_words_about_sends_are_not_handed_on() -> None:
    for event in ("message.sent", "message.failed", "session.anything", "test"):
        assert observations_of(event, {"id": "3EB0"}, LAUNCH) == ()


@given(
    event=st.sampled_from(["session.status", "session.disconnected", "session.restriction", "message.ack"]),
    data=st.dictionaries(
        st.sampled_from(["status", "reason", "active", "kind", "code", "expiresAt", "id", "messageId"]), json_values
    ),
)
def test_no_data_of_any_shape_is_an_error(event: str, data: dict[str, Json]) -> None:
    for observation in observations_of(event, data, LAUNCH):
        assert observation is not None


def recorded_events() -> list[dict[str, Json]]:
    recording = json.loads((RECORDINGS / "webhooks.json").read_text())
    return [json.loads(each["raw_body"]) for each in recording["deliveries"]]


def test_everything_the_real_program_posted_is_understood() -> None:
    kinds = {
        str(post["event"]): observations_of(str(post["event"]), data_of(post), LAUNCH) for post in recorded_events()
    }

    assert {event for event, seen in kinds.items() if not seen} <= {"test", "message.sent", "message.failed"}
    assert isinstance(kinds["message.received"][0], EngineEventReceived)


def data_of(post: dict[str, Json]) -> dict[str, Json]:
    data = post.get("data")
    assert isinstance(data, dict)
    return data


@pytest.mark.parametrize(
    "inner_id", ["", "1", "../../auth/api-keys?x=", "a" * (1 << 20), INNER_ID.upper(), f"{INNER_ID}\n", f"{INNER_ID}/x"]
)
def test_an_id_that_is_no_uuid_is_refused(inner_id: str) -> None:
    with pytest.raises(ValidationError):
        InnerSession.model_validate({"id": inner_id, "name": "acme-01"})


@given(image=images)
def test_an_image_comes_out_of_its_data_url_as_it_went_in(image: bytes) -> None:
    assert image_of("data:image/png;base64," + base64.b64encode(image).decode()) == image
    assert qr_observation(image, LAUNCH, 1.0).sha256 == hashlib.sha256(image).hexdigest()


@given(image=images, left=st.integers(1, 30))
def test_an_image_that_is_not_whole_is_none(image: bytes, left: int) -> None:
    assert image_of("data:image/png;base64," + base64.b64encode(image[:-left]).decode()) is None
    assert image_of("data:image/png;base64," + base64.b64encode(image + b"x" * left).decode()) is None


@pytest.mark.parametrize(
    "text", ["", "data:image/jpeg;base64,AAAA", "data:image/png;base64,A", "data:image/png;base64,!!"]
)
def test_what_is_no_png_data_url_is_no_image(text: str) -> None:
    assert image_of(text) is None
