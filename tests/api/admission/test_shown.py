"""What of a path and of a caller's own request id is told in logs and in the audit."""

import pytest
from structlog.testing import capture_logs

from openwa_manager.api.admission.shown import is_request_id
from tests.api.world import World

TOKEN = "bqWhtloaPztDRLNRkDI9RwFh8qL6hllTj73NPJLf0bg"
KEY = f"owm_b08d0def921c_{'7c' * 32}"


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/v1/sessions/user_1_session_a/why", "/v1/sessions/user_1_session_a/why"),
        (f"/v1/sessions/{TOKEN}/why", "/v1/sessions/…/why"),
        (f"/v1/sessions/{KEY}", "/v1/sessions/…"),
        ("/v1/users/1/contacts/85212340177", "/v1/users/1/contacts/…"),
        ("/v1/users/1/suppressions/+85212340177", "/v1/users/1/suppressions/…"),
        ("/api/sessions/acme/contacts/check/85212340177", "/api/sessions/acme/contacts/check/…"),
        ("/api/sessions/acme/none/85212340177", "/api/sessions/acme/none/…"),
        (f"/v1/none/{TOKEN}/wp-admin/a.php", "/v1/none/…/wp-admin/a.php"),
        (f"/pair/{TOKEN}/events", "/pair/…"),
        (f"/v1/messages/{TOKEN}", "/v1/messages/…"),
    ],
)
async def test_a_path_is_told_without_what_may_be_a_secret_or_a_number(world: World, path: str, told: str) -> None:
    with capture_logs() as lines:
        await world.call("GET", path)

    assert [line["path"] for line in lines if line["event"] == "request_answered"] == [told]


def test_an_id_of_a_request_is_no_key_and_no_token() -> None:
    fit = ("550e8400-e29b-41d4-a716-446655440000", "01J8ZQ4T6V9X2C3B4N5M6K7P8R", "a", "edge:7f.12_3", "7c" * 16)
    unfit = (KEY, TOKEN, "7c" * 32, "whsec_abc", "owa_k1_abc", "a b", "", "a" * 129)

    assert [text for text in fit if not is_request_id(text)] == []
    assert [text for text in unfit if is_request_id(text)] == []
