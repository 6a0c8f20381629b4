"""The commands about API keys, against an API on a real socket."""

import pytest

from openwa_manager.domain.delivery.events import Json
from tests.cli.conftest import Run
from tests.fakes.api import Answer, Api

PATH = "/v1/keys"
TEXT = "owm_k1_0123"


def key(**changes: Json) -> dict[str, Json]:
    """Return a key as the API answers it."""
    whole: dict[str, Json] = {
        "id": "k1",
        "name": "campaign",
        "role": "sender",
        "sessions": ["user_1_*", "shop"],
        "qr": True,
        "chats": False,
        "allowed_ips": [],
        "rate_per_s": None,
        "rate_burst": None,
        "expires_at": None,
        "disabled": False,
        "created_at": "2026-11-22T07:22:04.165Z",
        "created_by": "admin",
        "last_used_at": "2026-11-22T08:22:04.165Z",
        "previous_until": None,
    }
    return whole | changes


@pytest.mark.parametrize("words", [("keys",), ("keys", "list")])
def test_keys_are_a_table_on_a_terminal(terminal: Run, api: Api, words: tuple[str, ...]) -> None:
    off = key(id="k2", name="cron", role="viewer", qr=False, disabled=True, last_used_at=None, sessions=["*"])
    api.on(f"GET {PATH}", Answer(body={"keys": [key(), off]}))

    assert terminal(*words, "-o", "wide").out.splitlines() == [
        "KEY  NAME      ROLE    STATUS    SESSIONS        ALSO  LAST USED UTC        EXPIRES UTC",
        "k1   campaign  sender  active    user_1_*, shop  qr    2026-11-22 08:22:04  -",
        "k2   cron      viewer  disabled  *               -     -                    -",
    ]


def test_a_key_is_made_and_shown_once(pipe: Run, api: Api) -> None:
    api.on(f"POST {PATH}", Answer(status=201, body=key(key=TEXT)))

    said = pipe(
        *("keys", "create", "campaign", "--role", "sender", "--session", "user_1_*", "--session", "shop", "--qr"),
        *("--allow-ip", "10.0.0.0/8", "--rate-per-s", "5", "--rate-burst", "9", "--expires-at", "2030-01-01T00:00:00Z"),
    )

    assert (said.code, said.document) == (0, key(key=TEXT))
    assert api.asked[0].body == {
        "name": "campaign",
        "role": "sender",
        "sessions": ["user_1_*", "shop"],
        "qr": True,
        "chats": False,
        "allowed_ips": ["10.0.0.0/8"],
        "rate_per_s": 5.0,
        "rate_burst": 9.0,
        "expires_at": "2030-01-01T00:00:00Z",
    }


def test_only_what_is_given_of_a_key_is_changed(pipe: Run, api: Api) -> None:
    api.on(f"PATCH {PATH}/k1", Answer(body=key(role="viewer")))

    said = pipe(
        *("keys", "change", "k1", "--role", "viewer", "--no-qr", "--sessions", "user_2_*", "--any-ip"),
        *("--rate-per-s", "5", "--reset", "expires_at", "--reset", "rate_burst"),
    )

    assert (said.code, said.document) == (0, key(role="viewer"))
    assert api.asked[0].body == {
        "role": "viewer",
        "qr": False,
        "sessions": ["user_2_*"],
        "allowed_ips": [],
        "rate_per_s": 5.0,
        "rate_burst": None,
        "expires_at": None,
    }


def test_a_change_of_nothing_is_not_asked_for(pipe: Run, api: Api) -> None:
    said = pipe("keys", "change", "k1")

    assert (said.code, api.asked) == (2, [])
    assert "keys change --help" in said.err


@pytest.mark.parametrize(
    "words", [("--rate-per-s", "5", "--reset", "rate_per_s"), ("--any-ip", "--allow-ip", "192.0.2.7/32")]
)
def test_what_is_set_is_not_reset(pipe: Run, api: Api, words: tuple[str, ...]) -> None:
    said = pipe("keys", "change", "k1", *words)

    assert (said.code, api.asked) == (2, [])
    assert "both set and reset" in said.err


@pytest.mark.parametrize("run", ["pipe", "terminal"])
def test_a_backend_gets_two_lines_only(run: str, request: pytest.FixtureRequest, api: Api) -> None:
    api.on(f"POST {PATH}", Answer(status=201, body=key(key=TEXT)))
    api.on(f"POST {PATH}/k1/rotate", Answer(body=key(key=TEXT)))
    command: Run = request.getfixturevalue(run)

    for words in (("create", "campaign", "--role", "sender"), ("rotate", "k1")):
        said = command("keys", *words, "--env", "--base-url", "https://wa.example.com/")
        assert said.out == f"OPENWA_BASE_URL=https://wa.example.com\nOPENWA_API_KEY={TEXT}\n"


def test_without_a_url_the_daemon_says_where_it_listens(pipe: Run, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENWA_MANAGER_LISTEN", "127.0.0.1:2790")  # of this shell; the daemon was started from another
    api.on("GET /v1/system", Answer(body={"url": "https://127.0.0.1:2799"}))
    api.on(f"POST {PATH}", Answer(status=201, body=key(key=TEXT)))

    said = pipe("keys", "create", "campaign", "--role", "sender", "--env")

    assert said.out == f"OPENWA_BASE_URL=https://127.0.0.1:2799\nOPENWA_API_KEY={TEXT}\n"
    assert "--base-url" in said.err


def test_a_daemon_that_does_not_say_where_it_listens_gives_no_key(pipe: Run, api: Api) -> None:
    api.on("GET /v1/system", Answer(body={"host": "mac-mini-1"}))

    said = pipe("keys", "create", "campaign", "--role", "sender", "--env")

    assert (said.code, said.out) == (1, "")
    assert "--base-url" in said.err
    assert [each.method for each in api.asked] == ["GET"]


def test_a_key_is_rotated_with_an_overlap(pipe: Run, api: Api) -> None:
    api.on(f"POST {PATH}/k1/rotate", Answer(body=key(key=TEXT)))

    assert pipe("keys", "rotate", "k1", "--overlap", "60").code == 0
    assert api.asked[0].body == {"overlap_s": 60.0}


def test_a_key_is_shown_disabled_enabled_and_deleted(terminal: Run, api: Api) -> None:
    api.on(f"GET {PATH}/k1", Answer(body=key()))
    api.on(f"PATCH {PATH}/k1", Answer(body=key(disabled=True)))
    api.on(f"DELETE {PATH}/k1", Answer(status=204))

    assert "name            campaign" in terminal("keys", "show", "k1").out
    assert "disabled        yes" in terminal("keys", "disable", "k1").out
    terminal("keys", "enable", "k1")
    assert terminal("keys", "delete", "k1").out.startswith("k1 deleted")
    assert [each.body for each in api.asked if each.method == "PATCH"] == [{"disabled": True}, {"disabled": False}]


@pytest.mark.parametrize("words", [("create", "x"), ("create", "x", "--role", "root"), ("rotate",), ("show",)])
def test_what_is_missing_is_a_usage_error(pipe: Run, words: tuple[str, ...], capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        pipe("keys", *words)

    assert raised.value.code == 2
    assert f"openwa-manager help keys {words[0]}" in capfd.readouterr().err


@pytest.mark.parametrize("words", [("create", "campaign", "--role", "sender"), ("rotate", "k1")])
def test_where_a_backend_asks_belongs_to_its_env(pipe: Run, api: Api, words: tuple[str, ...]) -> None:
    said = pipe("keys", *words, "--base-url", "https://wa.example.com")

    assert (said.code, api.asked) == (2, [])
    assert "--env" in said.err
