import csv
import io

import pytest

from openwa_manager.api.messaging.people.suppression_files import ROWS_MAX
from tests.api.world import Reply, World

USER = "/v1/users/1/suppressions"


@pytest.fixture
async def ready(world: World) -> World:
    await world.create(session_id="user_1_session_a", desired="stopped")
    return world


async def import_csv(world: World, body: bytes, path: str = USER) -> Reply:
    headers = {"X-API-Key": world.key, "Content-Type": "text/csv"}
    async with world.client.request("POST", path, data=io.BytesIO(body), headers=headers) as answer:
        return Reply(answer.status, dict(answer.headers), await answer.read())


async def export(world: World) -> list[list[str]]:
    reply = await world.call("GET", USER, headers={"Accept": "text/csv"})
    assert reply.headers["Content-Type"].startswith("text/csv")
    return list(csv.reader(io.StringIO(reply.raw.decode(), newline="")))


async def test_who_is_put_on_the_list_is_shown_and_what_waits_for_him_is_called_off(ready: World) -> None:
    message = await ready.call("POST", "/v1/sessions/user_1_session_a/messages", {"to": "85212345678", "text": "hi"})

    first = await ready.call("POST", USER, {"to": "+852 1234 5678", "reason": "asked by phone"})
    again = await ready.call("POST", USER, {"to": "85212345678@c.us"})

    assert (first.status, again.status) == (201, 200)
    assert first.json == again.json == (await ready.call("GET", f"{USER}/85212345678")).json
    assert (first.json["to"], first.json["reason"]) == ("85212345678@c.us", "asked by phone")
    shown = await ready.call("GET", f"/v1/messages/{message.json['message_id']}")
    assert (shown.json["status"], shown.json["error_code"]) == ("cancelled", "opted_out")


async def test_who_is_taken_off_is_not_on_it_any_more(ready: World) -> None:
    await ready.call("POST", USER, {"to": "85212345678"})

    assert (await ready.call("DELETE", f"{USER}/+85212345678")).status == 204
    assert (await ready.call("DELETE", f"{USER}/+85212345678")).status == 404
    assert (await ready.call("GET", f"{USER}/85212345678")).status == 404
    assert (await ready.call("GET", USER)).json == {"suppressions": [], "next_cursor": None}


async def test_a_list_comes_in_pages(ready: World) -> None:
    for number in range(3):
        await ready.call("POST", USER, {"to": f"8521234567{number}"})

    first = (await ready.call("GET", f"{USER}?limit=2")).json
    second = (await ready.call("GET", f"{USER}?limit=2&cursor={first['next_cursor']}")).json

    assert isinstance(first["suppressions"], list)
    assert isinstance(second["suppressions"], list)
    assert (len(first["suppressions"]), len(second["suppressions"]), second["next_cursor"]) == (2, 1, None)


async def test_nobody_is_refused(ready: World) -> None:
    for wrong in ("", "0123", "120363000000000000@g.us", "x" * 200):
        assert (await ready.call("POST", USER, {"to": wrong})).json["code"] == "invalid_recipient"
    assert (await ready.call("POST", USER, {"to": "85212345678", "reason": "a\nb"})).status == 422
    assert (await ready.call("POST", USER, {"to": "85212345678", "why": ""})).status == 422


async def test_a_session_without_user_has_its_own_list_and_one_with_a_user_has_not(ready: World) -> None:
    await ready.create(session_id="lonely", desired="stopped")

    assert (await ready.call("POST", "/v1/sessions/lonely/suppressions", {"to": "85212345678"})).status == 201
    assert (await ready.call("GET", USER)).json["suppressions"] == []
    assert (await ready.call("GET", "/v1/sessions/user_1_session_a/suppressions")).status == 409
    assert (await ready.call("GET", "/v1/sessions/unknown/suppressions")).status == 404


@pytest.mark.parametrize(
    "body",
    [
        b"85212345678\r\n85287654321,left\r\n",
        b"\xef\xbb\xbfto,reason\n+85212345678,\n'+85287654321,left\n",
        b"Reason;Phone\r\n;85212345678\r\nleft;852 8765 4321\r\n",
        b"phone\treason\n85212345678@c.us\n\n85287654321\tleft",
    ],
)
async def test_a_file_of_any_spreadsheet_is_taken_in(ready: World, body: bytes) -> None:
    reply = await import_csv(ready, body)

    assert reply.json == {"added": 2, "already": 0, "rejected_count": 0, "rejected": []}
    rows = await export(ready)
    assert sorted((to, reason) for to, reason, _ in rows[1:]) == [
        ("85212345678@c.us", "imported"),
        ("85287654321@c.us", "left"),
    ]


async def test_a_file_that_was_exported_adds_nobody(ready: World) -> None:
    for number in range(3):
        await ready.call("POST", USER, {"to": f"85212345{number:03}"})
    body = b"".join(b"85212345%03d\n" % number for number in range(250))
    assert (await import_csv(ready, body)).json["added"] == 247
    exported = await ready.call("GET", USER, headers={"Accept": "text/csv"})

    again = await import_csv(ready, exported.raw)

    assert again.json == {"added": 0, "already": 250, "rejected_count": 0, "rejected": []}


async def test_lines_that_name_nobody_are_told_and_the_others_count(ready: World) -> None:
    reply = await import_csv(ready, b"to,reason\n0123,x\n85212345678,y\ngroup@g.us,z\n")

    assert (reply.json["added"], reply.json["rejected_count"]) == (1, 2)
    rejected = reply.json["rejected"]
    assert isinstance(rejected, list)
    assert [(each["line"], each["code"]) for each in rejected if isinstance(each, dict)] == [
        (2, "invalid_recipient"),
        (4, "invalid_recipient"),
    ]


async def test_no_cell_of_an_exported_file_is_a_formula(ready: World) -> None:
    await ready.call("POST", USER, {"to": "85212345678", "reason": '=HYPERLINK("http://x.example","y")'})
    await ready.call("POST", USER, {"to": "85212345679", "reason": "@SUM(1)"})

    cells = [cell for row in await export(ready) for cell in row]

    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]
    assert "'@SUM(1)" in cells


@pytest.mark.parametrize("body", [b"\xff\xfe8\x005\x00", b"85212345678\0", b'"' + b"x" * 200_000])
async def test_what_is_no_csv_is_refused(ready: World, body: bytes) -> None:
    assert (await import_csv(ready, body)).json["code"] == "bad_request"


async def test_a_file_that_is_too_large_is_refused(ready: World) -> None:
    assert (await import_csv(ready, b"1\n" * (ROWS_MAX + 2))).json["code"] == "invalid"
    assert (await import_csv(ready, b"1" * (9 << 20))).status == 413
    assert (await ready.call("GET", USER)).json["suppressions"] == []
