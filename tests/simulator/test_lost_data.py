"""What is left of an instance whose files were removed or cut while it ran, as seen on OpenWA 0.23.0."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.simulator.harness import Simulator


def linked(simulator: Simulator) -> str:
    session_id = simulator.create()
    simulator.link(session_id)
    return session_id


def remove(data: Path) -> None:
    shutil.rmtree(data)


def replace(data: Path) -> None:
    data.rename(data.with_name("data.old"))
    shutil.copytree(data.with_name("data.old"), data)


def replace_database(data: Path) -> None:
    shutil.copy(data / "openwa.json", data / "copy")
    (data / "copy").replace(data / "openwa.json")


@pytest.mark.parametrize("lose", [remove, replace, replace_database])
def test_an_instance_whose_files_are_not_in_place_reads_on_and_writes_nothing(
    simulator: Simulator, lose: Callable[[Path], None]
) -> None:
    session_id = linked(simulator)

    lose(simulator.home / "data")

    assert simulator.ask("GET", "/api/health/ready").status == 200
    assert simulator.session(session_id)["status"] == "ready"
    assert simulator.ask("GET", f"/api/sessions/{session_id}/webhooks").status == 200
    assert simulator.ask("PATCH", f"/api/sessions/{session_id}/config", {}).status == 500
    sent = simulator.send_text(session_id)
    assert (sent.status, sent.body) == (500, {"statusCode": 500, "message": "Internal server error"})
    assert "SQLITE_READONLY_DBMOVED" in simulator.log


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_a_database_that_was_cut_answers_nothing_but_health_and_keys(simulator: Simulator, share: float) -> None:
    session_id = linked(simulator)

    database = simulator.home / "data" / "openwa.json"
    os.truncate(database, int(database.stat().st_size * share))

    assert simulator.ask("GET", f"/api/sessions/{session_id}").status == 500
    assert simulator.ask("GET", "/api/sessions").status == 500
    assert simulator.send_text(session_id).status == 500
    assert simulator.ask("GET", "/api/health/ready").status == 200
    assert simulator.ask("GET", "/api/auth/api-keys").status == 200


def test_without_the_database_of_its_keys_everything_is_refused(simulator: Simulator) -> None:
    session_id = linked(simulator)

    os.truncate(simulator.home / "data" / "main.json", 0)

    assert simulator.ask("GET", f"/api/sessions/{session_id}").status == 500
    assert simulator.ask("GET", "/api/auth/api-keys").status == 500
    assert simulator.ask("GET", "/api/health/ready").status == 200


def test_an_instance_that_lost_its_files_lives_on_through_changes_of_its_link(simulator: Simulator) -> None:
    session_id = linked(simulator)
    remove(simulator.home / "data")

    simulator.control("close?code=428")
    simulator.wait_for(session_id, "initializing")

    assert simulator.stop() == 1
    assert "Shutdown teardown failed" in simulator.log


def test_a_crash_in_the_middle_of_a_write_leaves_what_was_written_before(simulator: Simulator) -> None:
    session_id = linked(simulator)
    simulator.stop()
    with (simulator.home / "data" / "openwa.json").open("ab") as database:
        database.write(b'{"sessions": [{"id": "half')

    simulator.start()

    assert simulator.session(session_id)["status"] == "disconnected"
