import json
from pathlib import Path

import pytest

from openwa_manager.simulator.http.wire import Json
from tests.simulator.harness import Receiver, Simulator, eventually


def creds(simulator: Simulator) -> Path:
    return simulator.home / "data" / "baileys" / "acme-01" / "creds.json"


def qr_code(simulator: Simulator, session_id: str) -> Json:
    return simulator.ask("GET", f"/api/sessions/{session_id}/qr").fields["qrCode"]


def test_the_phone_is_a_hash_of_the_name(simulator: Simulator) -> None:
    session_id = simulator.create("acme-01")

    simulator.link(session_id)

    assert simulator.session(session_id)["phone"] == "62825860468"


def test_a_linked_session_comes_back_without_a_scan(simulator: Simulator) -> None:
    session_id = simulator.create()
    simulator.link(session_id)
    simulator.kill()
    simulator.start()
    assert simulator.session(session_id)["status"] == "disconnected"
    assert simulator.session(session_id)["engineLoaded"] is False

    simulator.start_session(session_id)

    assert simulator.wait_for(session_id, "ready")["phone"] == "62825860468"


def test_linked_sessions_start_by_themselves_if_wanted(simulator: Simulator) -> None:
    session_id = simulator.create()
    simulator.link(session_id)
    unpaired = simulator.create("acme-02")
    assert simulator.stop() == 0
    simulator.env = {"AUTO_START_SESSIONS": "true"}

    simulator.start()

    simulator.wait_for(session_id, "ready")
    assert simulator.session(unpaired)["status"] == "created"


def test_failed_stays_failed_over_a_restart_and_forgets_why(simulator: Simulator) -> None:
    session_id = simulator.create()
    simulator.link(session_id)
    simulator.control("close?code=403")
    assert "(403)" in str(simulator.wait_for(session_id, "failed")["lastError"])

    simulator.stop()
    simulator.start()

    assert simulator.session(session_id)["status"] == "failed"
    assert simulator.session(session_id)["lastError"] is None


def test_broken_credentials_silently_ask_for_a_scan(simulator: Simulator) -> None:
    session_id = simulator.create()
    simulator.link(session_id)
    whole = creds(simulator).read_text("utf-8")
    simulator.stop()
    creds(simulator).write_text(whole[: len(whole) // 2], "utf-8")
    simulator.start()

    simulator.start_session(session_id)

    row = simulator.wait_for(session_id, "qr_ready")
    assert (row["phone"], row["lastError"]) == ("62825860468", None)
    simulator.stop()
    creds(simulator).write_text(whole, "utf-8")
    simulator.start()
    simulator.start_session(session_id)
    simulator.wait_for(session_id, "ready")


def test_an_empty_database_is_a_new_instance_that_is_still_linked(simulator: Simulator) -> None:
    simulator.link(simulator.create())
    simulator.stop()
    for name in ("main.json", "openwa.json"):
        (simulator.home / "data" / name).write_bytes(b"")
    simulator.start()
    assert simulator.ask("GET", "/api/sessions").body == []

    session_id = simulator.create()
    simulator.start_session(session_id)

    simulator.wait_for(session_id, "ready")


def test_codes_rotate_without_a_new_status(tmp_path: Path, receiver: Receiver) -> None:
    with Simulator(tmp_path, {"SIM_QR_ROTATE_S": "0.1"}) as simulator:
        session_id = simulator.create()
        simulator.ask("POST", f"/api/sessions/{session_id}/webhooks", {"url": receiver.url, "events": ["*"]})
        simulator.start_session(session_id)

        eventually(lambda: len(receiver.events("session.qr")) >= 3)

        assert receiver.statuses()[:2] == ["initializing", "qr_ready"]
        images = [delivery.data["qr"] for delivery in receiver.events("session.qr")]
        assert len(set(map(str, images))) == len(images)


def test_after_six_codes_it_begins_again_for_ever(tmp_path: Path, receiver: Receiver) -> None:
    with Simulator(tmp_path, {"SIM_QR_ROTATE_S": "0.03", "SIM_RECONNECT_S": "0.02"}) as simulator:
        session_id = simulator.create()
        simulator.ask("POST", f"/api/sessions/{session_id}/webhooks", {"url": receiver.url, "events": ["*"]})
        simulator.start_session(session_id)

        eventually(lambda: len(receiver.events("session.qr")) >= 8)

        assert sorted(map(str, receiver.statuses()[:4])) == ["initializing", "initializing", "qr_ready", "qr_ready"]


def test_a_scanned_code_lingers_until_the_link_opens(tmp_path: Path) -> None:
    with Simulator(tmp_path, {"SIM_OPEN_S": "5"}) as simulator:
        session_id = simulator.create()
        simulator.start_session(session_id)
        simulator.wait_for(session_id, "qr_ready")
        shown = qr_code(simulator, session_id)

        simulator.control("scan")

        simulator.wait_for(session_id, "initializing")
        answer = simulator.ask("GET", f"/api/sessions/{session_id}/qr")
        assert answer.body == {"qrCode": shown, "status": "initializing"}


def test_the_phone_scans_by_itself_if_wanted(tmp_path: Path) -> None:
    with Simulator(tmp_path, {"SIM_AUTO_SCAN_S": "0.2"}) as simulator:
        session_id = simulator.create()

        simulator.start_session(session_id)

        simulator.wait_for(session_id, "ready")


def test_a_stopped_session_is_not_scanned_afterwards(tmp_path: Path) -> None:
    with Simulator(tmp_path, {"SIM_AUTO_SCAN_S": "0.2"}) as simulator:
        session_id = simulator.create()
        simulator.start_session(session_id)
        simulator.wait_for(session_id, "qr_ready")

        simulator.ask("POST", f"/api/sessions/{session_id}/stop")

        with pytest.raises(AssertionError):
            eventually(creds(simulator).exists, within_s=0.4)


def test_scanning_without_a_code_does_nothing(shared: Simulator, name: str) -> None:
    shared.link(shared.create(name))

    assert shared.control(f"scan?name={name}").body == {"ok": False}


def test_logout_wipes_the_credentials(simulator: Simulator) -> None:
    session_id = simulator.create()
    simulator.link(session_id)

    answer = simulator.ask("POST", f"/api/sessions/{session_id}/logout")

    assert answer.fields["phone"] is None
    assert not creds(simulator).exists()


@pytest.mark.parametrize("verb", ["logout", "force-kill"])
def test_what_needs_an_engine_is_refused_without(shared: Simulator, name: str, verb: str) -> None:
    session_id = shared.create(name)

    answer = shared.ask("POST", f"/api/sessions/{session_id}/{verb}")

    assert answer.status == 400
    assert answer.fields["message"] == "Session is not started. Call POST /sessions/:sessionId/start first."


def test_delete_takes_webhooks_and_credentials_along(simulator: Simulator, receiver: Receiver) -> None:
    session_id = simulator.create()
    simulator.ask("POST", f"/api/sessions/{session_id}/webhooks", {"url": receiver.url})
    simulator.link(session_id)

    answer = simulator.ask("DELETE", f"/api/sessions/{session_id}")

    assert (answer.status, answer.raw) == (204, b"")
    assert simulator.ask("GET", "/api/webhooks").body == []
    assert not creds(simulator).parent.exists()


def test_reconnect_settings_are_read_and_patched(shared: Simulator, name: str) -> None:
    session_id = shared.create(name, config={"reconnectBaseDelay": 1000})
    path = f"/api/sessions/{session_id}/config"

    read = shared.ask("GET", path).body
    patched = shared.ask("PATCH", path, {"maxReconnectAttempts": 2, "reconnectBaseDelay": None}).body

    assert read == {"autoRejectCalls": False, "maxReconnectAttempts": None, "reconnectBaseDelay": 1000}
    assert patched == {"autoRejectCalls": False, "maxReconnectAttempts": 2, "reconnectBaseDelay": 5000}
    assert shared.ask("PATCH", path, {"reconnectBaseDelay": 1}).status == 400


def test_a_pairing_code_too_early_is_a_conflict(tmp_path: Path) -> None:
    with Simulator(tmp_path, {"SIM_QR_DELAY_S": "5"}) as simulator:
        session_id = simulator.create()
        path, body = f"/api/sessions/{session_id}/pairing-code", {"phoneNumber": "628123456789"}
        before = simulator.ask("POST", path, body).status
        simulator.start_session(session_id)

        assert (before, simulator.ask("POST", path, body).status) == (400, 409)


def test_a_qr_file_is_written_if_wanted(tmp_path: Path) -> None:
    with Simulator(tmp_path, {"SIM_QR_FILE": "1"}) as simulator:
        session_id = simulator.create()
        simulator.start_session(session_id)
        simulator.wait_for(session_id, "qr_ready")
        whole = (tmp_path / "qr.png").read_bytes()

        simulator.control("torn-qr")

        assert whole.endswith(b"IEND\xaeB`\x82")
        assert (tmp_path / "qr.png").read_bytes() == whole[: len(whole) // 2]


def test_a_scoped_key_sees_its_session_only(simulator: Simulator) -> None:
    mine, other = simulator.create("acme-01"), simulator.create("acme-02")
    made = simulator.ask("POST", "/api/auth/api-keys", {"name": "scoped", "allowedSessions": [mine]})
    scoped = {"X-API-Key": str(made.fields["apiKey"])}

    listed = simulator.ask("GET", "/api/sessions", headers=scoped).body

    assert isinstance(listed, list)
    assert [row["id"] for row in listed if isinstance(row, dict)] == [mine]
    assert simulator.ask("GET", f"/api/sessions/{mine}", headers=scoped).status == 200
    assert simulator.ask("GET", f"/api/sessions/{other}", headers=scoped).status == 401
    assert simulator.ask("POST", "/api/sessions", {"name": "acme-03"}, headers=scoped).status == 403


def test_a_revoked_key_opens_nothing(shared: Simulator) -> None:
    made = shared.ask("POST", "/api/auth/api-keys", {"name": "short-lived"}).fields

    revoked = shared.ask("POST", f"/api/auth/api-keys/{made['id']}/revoke").fields

    assert revoked["isActive"] is False
    assert shared.ask("GET", "/api/sessions", headers={"X-API-Key": str(made["apiKey"])}).status == 401


def test_rows_survive_a_kill(simulator: Simulator, receiver: Receiver) -> None:
    session_id = simulator.create(config={"reconnectBaseDelay": 2000})
    hook = simulator.ask("POST", f"/api/sessions/{session_id}/webhooks", {"url": receiver.url, "retryCount": 1}).body
    key = simulator.ask("POST", "/api/auth/api-keys", {"name": "kept"}).fields["apiKey"]
    before = simulator.session(session_id)

    simulator.kill()
    simulator.start()

    assert simulator.session(session_id) == before
    assert simulator.ask("GET", f"/api/sessions/{session_id}/webhooks", headers={"X-API-Key": str(key)}).body == [hook]


def test_creds_name_the_linked_account(simulator: Simulator) -> None:
    simulator.link(simulator.create())

    me = json.loads(creds(simulator).read_text("utf-8"))["me"]

    assert me == {"id": "62825860468:1@s.whatsapp.net", "name": "Mock acme-01"}
    assert creds(simulator).parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    ("query", "count"),
    [("", 3), ("?limit=2", 2), ("?limit=0", 1), ("?offset=2", 1), ("?offset=3", 0), ("?limit=x&offset=-1", 3)],
)
def test_the_list_of_sessions_has_a_window(simulator: Simulator, query: str, count: int) -> None:
    for number in range(3):
        simulator.create(f"acme-{number}")

    shown = simulator.ask("GET", f"/api/sessions{query}").body

    assert isinstance(shown, list)
    assert len(shown) == count
