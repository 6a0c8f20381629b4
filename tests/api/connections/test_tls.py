import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from openwa_manager.api.connections.tls import TlsFiles
from openwa_manager.domain.errors import ConfigError
from tests.api.connections.houses import PATIENT, Caller, House, open_house
from tests.fakes.certificates import make_certificate
from tests.fakes.polling import until


def trusting_anybody() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def organisation_of(house: House) -> str:
    """Return who the certificate of a new connection names."""
    caller = await house.enter(trusting_anybody())
    raw = caller.writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    return "new" if b"\x03new" in raw else "old"


@asynccontextmanager
async def reading(files: TlsFiles) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(files.run())
        yield
        running.cancel()


async def test_requests_are_answered_over_tls(tmp_path: Path) -> None:
    files = TlsFiles(*make_certificate(tmp_path, "old"))
    files.load()
    async with open_house(tmp_path, tls=files.context) as house:
        caller = await house.enter(trusting_anybody())

        assert [await caller.ask(), await caller.ask()] == [200, 200]
        assert caller.writer.get_extra_info("ssl_object").version() == "TLSv1.3"


async def test_renewed_files_are_used_for_new_connections_and_old_ones_go_on(tmp_path: Path) -> None:
    cert, key = make_certificate(tmp_path, "old")
    files = TlsFiles(cert, key)
    files.load()
    async with open_house(tmp_path, places=8, tls=files.context) as house, reading(files):
        before = await house.enter(trusting_anybody())
        assert await before.ask() == 200
        for renewed, used in zip(make_certificate(tmp_path, "new"), (cert, key), strict=True):
            renewed.replace(used)

        first = files.context()
        files.ask()
        await until(lambda: files.context() is not first)

        assert await organisation_of(house) == "new"
        assert await before.ask() == 200


async def test_a_bad_pair_is_logged_and_the_old_one_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cert, key = make_certificate(tmp_path, "old")
    files = TlsFiles(cert, key)
    files.load()
    said = ""
    async with open_house(tmp_path, tls=files.context) as house, reading(files):
        make_certificate(tmp_path, "new")[0].replace(cert)  # and not its key

        def is_said() -> bool:
            nonlocal said
            said += capsys.readouterr().out
            return "tls_not_reloaded" in said

        files.ask()
        await until(is_said)

        assert await organisation_of(house) == "old"


def test_files_of_another_owner_or_no_files_are_refused(tmp_path: Path) -> None:
    cert, key = make_certificate(tmp_path, "old")
    key.unlink()
    key.mkdir()

    with pytest.raises(ConfigError):
        TlsFiles(cert, key).load()


def test_a_key_with_a_password_is_refused_and_nobody_is_asked_for_it(tmp_path: Path) -> None:
    cert, key = make_certificate(tmp_path, "old")
    key.write_text(ENCRYPTED)

    with pytest.raises(ConfigError):
        TlsFiles(cert, key).load()


async def test_who_never_agrees_on_keys_keeps_nobody_out(tmp_path: Path) -> None:
    files = TlsFiles(*make_certificate(tmp_path, "old"))
    files.load()
    async with open_house(tmp_path, tls=files.context) as house:
        silent = [await house.enter() for _ in range(40)]
        for each in silent[::2]:
            each.say(b"\x16\x03\x01\x02\x00")

        assert await (await house.enter(trusting_anybody())).ask() == 200


async def test_who_never_agrees_on_keys_is_ended_in_time(tmp_path: Path) -> None:
    files = TlsFiles(*make_certificate(tmp_path, "old"))
    files.load()
    async with open_house(tmp_path, timeouts=replace(PATIENT, head_s=0.05), tls=files.context) as house:
        silent: Caller = await house.enter()

        assert await silent.is_hung_up_on()


async def test_who_speaks_plain_http_to_tls_is_hung_up_on(tmp_path: Path) -> None:
    files = TlsFiles(*make_certificate(tmp_path, "old"))
    files.load()
    async with open_house(tmp_path, tls=files.context) as house:
        assert await (await house.enter()).ask() is None


async def test_what_is_left_of_an_answer_over_tls_is_not_kept_for_ever(tmp_path: Path) -> None:
    files = TlsFiles(*make_certificate(tmp_path, "old"))
    files.load()
    async with open_house(tmp_path, timeouts=replace(PATIENT, reading_s=0.05), tls=files.context) as house:
        caller = await house.enter(trusting_anybody())
        caller.writer.transport.pause_reading()  # type: ignore[attr-defined]
        caller.say(b"GET /much HTTP/1.1\r\nHost: localhost\r\n\r\n")

        await until(lambda: house.connection_count == 1)
        await until(lambda: house.connection_count == 0)


#: An EC key behind a password.
ENCRYPTED = """-----BEGIN ENCRYPTED PRIVATE KEY-----
MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAhWT3P5r0BaEAICCAAw
DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEG6eNbwrv1366PzW51GoGm4EgZA0
jOQxxMeev3uR95Rhh7UrhNVbOO5VT+NNkmPYPdNB74NTxrDaPzewo2TYLQVwG9Xb
XqmCbNBK1aoWUV+Pd22oHQL5nRELE1RVTvVVqbgjtujFd3vRmlfVKZ8RPxnfRUpB
HZ18HW921jU5is6DEEo6WI7RJA2GqxP9TsYun+cWC5dN4n63XWjb+8dgK6ob8oM=
-----END ENCRYPTED PRIVATE KEY-----
"""
