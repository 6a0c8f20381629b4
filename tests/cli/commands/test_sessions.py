"""The commands about sessions, against an API on a real socket."""

from collections.abc import Mapping

import pytest

from openwa_manager.domain.delivery.events import Json
from tests.cli.commands.samples import modules_on, session
from tests.cli.conftest import Run
from tests.fakes.api import Answer, Api, problem

PATH = "/v1/sessions/user_1_session_a"


def test_create_waits_for_the_code_and_prints_four_facts(pipe: Run, api: Api) -> None:
    api.on("POST /v1/sessions", Answer(status=201, body=session(status="qr_ready", qr_base64="aW1hZ2U=")))

    said = pipe("create", "user_1_session_a")

    assert said.code == 0
    assert said.document == {
        "session_id": "user_1_session_a",
        "status": "qr_ready",
        "pid": 4711,
        "qr_base64": "aW1hZ2U=",
    }
    assert api.asked[0].body == {"session_id": "user_1_session_a", "wait_for": "qr", "timeout_s": 30.0}


def test_create_hands_on_what_is_asked_for(pipe: Run, api: Api) -> None:
    api.on("POST /v1/sessions", Answer(status=201, body=session(qr_base64=None)))
    words = "create --user-id 7 --engine simulator --label shop=hk --label tier=a=b --env TZ=UTC --memory-limit 5"

    pipe(*words.split(), "--proxy-url", "socks5://p:1", "--timeout", "2.5", "--stopped")

    assert api.asked[0].body == {
        "user_id": "7",
        "engine": "simulator",
        "desired": "stopped",
        "wait_for": "none",
        "timeout_s": 2.5,
        "labels": {"shop": "hk", "tier": "a=b"},
        "env": {"TZ": "UTC"},
        "proxy_url": "socks5://p:1",
        "memory_limit_bytes": 5,
    }


def test_create_without_a_code_in_time_shows_the_session(terminal: Run, api: Api) -> None:
    api.on("POST /v1/sessions", Answer(status=201, body=session(status="creating", qr_base64=None)))

    said = terminal("create", "user_1_session_a")

    assert (said.code, modules_on(said.out)) == (1, [])
    assert said.err == "openwa-manager: user_1_session_a is creating: no reason is known\n"


@pytest.mark.parametrize("command", ["create", "start", "restart"])
def test_a_session_that_failed_to_start_is_a_failure_of_the_command(pipe: Run, api: Api, command: str) -> None:
    reason: Json = {"code": "launch_failed", "detail": "there is no /home/me/openwa/dist/main.js", "at": "x"}
    failed = Answer(status=201, body=session(status="failed", reason=reason, qr_base64=None))
    api.on("POST /v1/sessions", failed)
    api.on(f"POST /v1/sessions/user_1_session_a/{command}", failed)

    said = pipe(command, "user_1_session_a")

    assert (said.code, '"status"' in said.out) == (1, True)
    assert said.err == "openwa-manager: user_1_session_a is failed: there is no /home/me/openwa/dist/main.js\n"


@pytest.mark.parametrize(
    "words",
    [
        "stop user_1 --until-start",
        "stop",
        "stop x --all --yes",
        "stop --all",
        "restart",
        "delete user_1",
        "deliveries --since 2026-11-22T07:00:00Z",
        "deliveries list --id evt_1",
        "deliveries replay --dead --limit 3",
        "deliveries replay",
    ],
)
def test_words_that_do_not_fit_together_are_never_ignored(pipe: Run, api: Api, words: str) -> None:
    said = pipe(*words.split())

    assert (said.code, said.out, api.asked) == (2, "", [])
    assert said.err.startswith("openwa-manager: ")


def test_create_says_why_it_was_refused(pipe: Run, api: Api) -> None:
    api.on("POST /v1/sessions", problem(409, "session_exists", "it exists with another engine"))

    said = pipe("create", "user_1_session_a")

    assert (said.code, said.out) == (1, "")
    assert said.err == "openwa-manager: it exists with another engine (session_exists)\n"


@pytest.mark.parametrize(
    "words",
    [
        "create x --label shop",
        "create x --env =1",
        "list --status faild",
        "restart x --rolled",
        "nonsense",
        "",
        "list --json -o table",
        "list -o ids --json",
    ],
)
def test_wrong_usage_exits_with_2(pipe: Run, words: str) -> None:
    with pytest.raises(SystemExit) as left:
        pipe(*words.split())

    assert left.value.code == 2


def test_list_gathers_all_pages(pipe: Run, api: Api) -> None:
    first = Answer(body={"sessions": [session(session_id="a")], "next_cursor": "c1"})
    second = Answer(body={"sessions": [session(session_id="b")], "next_cursor": None})
    api.on("GET /v1/sessions", first, second)

    said = pipe("list", "--status", "connected", "--user-id", "1", "--label", "shop=hk")

    assert said.document == {"sessions": [session(session_id="a"), session(session_id="b")]}
    asked = {"status": "connected", "user_id": "1", "label": "shop:hk", "limit": "500"}
    assert [each.query for each in api.asked] == [asked, {**asked, "cursor": "c1"}]


def test_list_takes_labels_as_other_commands_do(pipe: Run, api: Api) -> None:
    api.on("GET /v1/sessions", Answer(body={"sessions": [], "next_cursor": None}))

    pipe("list", "--label", "shop=hk", "--label", "tier=a=b")

    assert [pair for pair in api.asked[0].pairs if pair[0] == "label"] == [("label", "shop:hk"), ("label", "tier:a=b")]


def test_list_is_a_table_on_a_terminal(terminal: Run, api: Api) -> None:
    reason = {"code": "engine_exited", "detail": "exit 1", "at": "2026-11-22T07:22:04.165Z"}
    stopped = session(session_id="b", status="stopped", pid=None, phone_number=None, usage=None, reason=reason)
    api.on("GET /v1/sessions", Answer(body={"sessions": [session(), stopped], "next_cursor": None}))

    lines = terminal("list", "-o", "wide").out.splitlines()

    assert [line[:106].rstrip() for line in lines] == [
        "SESSION           STATUS     REASON         PHONE        MEMORY  CHANGED UTC          RESTARTS  PID   USER",
        "user_1_session_a  connected  -              85212345678    123M  2026-11-22 07:22:04         2  4711  1",
        "b                 stopped    engine_exited  -                 -  2026-11-22 07:22:04         2  -     1",
    ]


def test_an_empty_list_says_so(terminal: Run, api: Api) -> None:
    api.on("GET /v1/sessions", Answer(body={"sessions": [], "next_cursor": None}))

    assert terminal("list").out == "no sessions\n"


def test_an_empty_list_names_the_status_that_none_is_in(terminal: Run, api: Api) -> None:
    api.on("GET /v1/sessions", Answer(body={"sessions": [], "next_cursor": None}))

    assert terminal("list", "--status", "banned").out == "no session is banned\n"


def test_json_may_be_asked_for_on_a_terminal(terminal: Run, api: Api) -> None:
    api.on("GET /v1/sessions", Answer(body={"sessions": [], "next_cursor": None}))

    assert terminal("list", "--json").document == {"sessions": []}


def test_show_is_a_fact_a_line_on_a_terminal(terminal: Run, api: Api) -> None:
    reason = {"code": "network", "detail": "no route\x1b[2J", "at": "2026-11-22T07:22:04.165Z"}
    api.on(f"GET {PATH}", Answer(body=session(reason=reason)))

    lines = terminal("show", "user_1_session_a").out.splitlines()

    facts = {name: value.lstrip() for name, _, value in (line.partition(" ") for line in lines)}
    assert (facts["status"], facts["labels"], facts["pid"]) == ("connected", "shop=hk", "4711")
    assert facts["reason"] == "network: no route�[2J"
    assert "qr" not in facts  # what a session does not have is left out


@pytest.mark.parametrize(
    ("place", "line"),
    [
        ({}, "ask its engine: curl --unix-socket /opt/openwa/run/e/0123456789abcdef/s http://localhost/api/health"),
        ({"socket": "/my home/s"}, "ask its engine: curl --unix-socket '/my home/s' http://localhost/api/health"),
        ({"socket": None, "port": 28100}, "ask its engine: curl http://127.0.0.1:28100/api/health"),
        (
            {"socket": None, "port": 28100, "engine": "command"},
            "ask its engine: curl http://127.0.0.1:28100/health",
        ),
    ],
)
def test_show_says_how_to_ask_the_engine(terminal: Run, api: Api, place: Mapping[str, Json], line: str) -> None:
    api.on(f"GET {PATH}", Answer(body=session(**place)))

    assert terminal("show", "user_1_session_a").out.splitlines()[-1] == line


def test_show_says_nothing_of_an_engine_that_does_not_run(terminal: Run, api: Api) -> None:
    api.on(f"GET {PATH}", Answer(body=session(socket=None, pid=None)))

    assert "curl" not in terminal("show", "user_1_session_a").out


def test_show_of_an_unknown_session_exits_with_3(pipe: Run, api: Api) -> None:
    said = pipe("show", "user_2")

    assert (said.code, said.err) == (
        3,
        "openwa-manager: there is no such session (not_found); openwa-manager list shows them\n",
    )
    assert api.asked[0].path == "/v1/sessions/user_2"


@pytest.mark.parametrize("session_id", [".", "..", "../stop", "A", "a/b", "%2e", "a" * 64])
@pytest.mark.parametrize("command", ["show", "stop", "delete", "logs", "qr", "why"])
def test_what_no_id_can_be_never_becomes_a_path(pipe: Run, api: Api, command: str, session_id: str) -> None:
    said = pipe(command, session_id)

    assert said.code == 3
    assert api.asked == []


@pytest.mark.parametrize("verb", ["start", "stop", "restart"])
def test_a_change_waits_for_its_outcome(pipe: Run, api: Api, verb: str) -> None:
    api.on(f"POST {PATH}/{verb}", Answer(status=202, body=session()))

    assert pipe(verb, "user_1_session_a").document == session()
    assert pipe(verb, "user_1_session_a", "--wait", "0").code == 0
    assert [each.query for each in api.asked] == [{"wait": "30.0"}, {"wait": "0.0"}]


def test_delete_says_what_it_deleted(pipe: Run, terminal: Run, api: Api) -> None:
    api.on(f"DELETE {PATH}", Answer(status=204))

    assert pipe("delete", "user_1_session_a", "--yes").document == {"session_id": "user_1_session_a", "deleted": True}
    assert (
        terminal("delete", "user_1_session_a", "--keep-data", "--logout", "--yes").out == "user_1_session_a deleted\n"
    )
    assert [each.query for each in api.asked] == [{}, {"keep_data": "true", "logout": "true"}]


def test_stop_all_waits_until_no_engine_lives(pipe: Run, terminal: Run, api: Api) -> None:
    api.on("POST /v1/sessions/stop", Answer(status=202, body={"sessions": []}))
    api.on("GET /v1/registry", Answer(body={"a": 1}), Answer(body={}))

    assert pipe("stop", "--all", "--until-start", "--yes").document == {"still_running": []}
    assert terminal("stop", "--all", "--yes").out == "all stopped\n"
    assert [each.body for each in api.asked if each.method == "POST"] == [{"until_start": True}, {"until_start": False}]


def test_stop_all_fails_when_an_engine_outlives_the_wait(terminal: Run, api: Api) -> None:
    api.on("POST /v1/sessions/stop", Answer(status=202, body={"sessions": []}))
    api.on("GET /v1/registry", Answer(body={"b": 2, "a": 1}))

    said = terminal("stop", "--all", "--wait", "0.05", "--yes")

    assert (said.code, said.out) == (1, "still running: a, b\n")


def test_stop_all_without_waiting_has_done_its_work(pipe: Run, api: Api) -> None:
    api.on("POST /v1/sessions/stop", Answer(status=202, body={"sessions": []}))
    api.on("GET /v1/registry", Answer(body={"a": 1}))

    said = pipe("stop", "--all", "--wait", "0", "--yes")

    assert (said.code, said.document) == (0, {"still_running": ["a"]})
