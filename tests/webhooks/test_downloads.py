"""Files are downloaded whole or not at all, and from nowhere but the internet."""

import asyncio
import gzip
import tracemalloc
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

import pytest

from openwa_manager.domain.errors import MediaUnavailableError
from openwa_manager.webhooks.address import AddressGuard
from openwa_manager.webhooks.downloads import Downloader
from openwa_manager.webhooks.names import NameResolver
from tests.fakes.file_server import PNG, FileServer, drip, head, moved, serving_files, whole

MIB = 1024 * 1024
NAMES = {"inside.example": ["10.0.0.1"], "loop.example": ["127.0.0.1", "::1"], "metadata.example": ["169.254.169.254"]}


async def resolve(host: str) -> Collection[str]:
    if host not in NAMES:
        raise OSError(f"no such name: {host}")
    return NAMES[host]


@pytest.fixture
async def files() -> AsyncIterator[FileServer]:
    async with serving_files() as server:
        yield server


@pytest.fixture
async def downloader(files: FileServer) -> AsyncIterator[Downloader]:
    guard = AddressGuard(exempt=(files.url,), names=NameResolver(resolve), permitted_by="a setting")
    async with Downloader(guard, within_s=30) as one:
        yield one


async def fetched(downloader: Downloader, url: str) -> bytes:
    pieces: list[bytes] = []

    async def write(piece: bytes) -> None:
        pieces.append(piece)

    await downloader.download(url, write)
    return b"".join(pieces)


async def problem_with(downloader: Downloader, url: str) -> MediaUnavailableError:
    with pytest.raises(MediaUnavailableError) as caught:
        await fetched(downloader, url)
    return caught.value


async def test_a_file_comes_as_it_is(files: FileServer, downloader: Downloader) -> None:
    body = bytes(range(256)) * 4096
    files.answers = {"/a": whole(body), "/b": head("Connection: close") + body}

    assert await fetched(downloader, f"{files.url}/a") == body
    assert await fetched(downloader, f"{files.url}/b") == body


async def test_an_address_is_asked_for_as_it_is_written(files: FileServer, downloader: Downloader) -> None:
    """Signatures cover it byte by byte."""
    path = "/a%2Fb/%7Ex/../c"
    files.answers = {path: whole(PNG)}

    await fetched(downloader, f"{files.url}{path}?sig=%2C,%2b+a%20&x[]=1&e=#part")

    assert files.paths == [f"{path}?sig=%2C,%2b+a%20&x[]=1&e="]
    assert "accept-encoding: identity" in files.requests[0].lower()


async def test_letters_of_other_alphabets_are_encoded(files: FileServer, downloader: Downloader) -> None:
    files.answers = {"/%C3%A9.png": whole(PNG)}

    assert await fetched(downloader, f"{files.url}/é.png") == PNG


async def test_redirects_are_followed_three_times(files: FileServer, downloader: Downloader) -> None:
    files.answers = {
        "/0": moved("/1"),
        "/1": moved(f"{files.url}/2", "307 T"),
        "/2": moved("3?x=%2C"),
        "/3": whole(PNG),
    }

    assert await fetched(downloader, f"{files.url}/0") == PNG
    assert files.paths[-1] == "/3?x=%2C"

    files.answers["/3"] = moved("/4")
    problem = await problem_with(downloader, f"{files.url}/0")
    assert str(problem) == "its address leads on more than 3 times"


@pytest.mark.parametrize(
    "location",
    [
        *("http://127.0.0.1:9/", "http://169.254.169.254/latest/", "http://[::1]/", "http://localhost/"),
        *("http://loop.example/", "http://inside.example/", "http://metadata.example/", "http://[::ffff:7f00:1]/"),
        *("file:///etc/passwd", "ftp://example.org/", "http://2130706433/", "http://u:p@example.org/", "http://[::1"),
        *("//127.0.0.1:9/", "http://0x7f.1/", "data:,x", "gopher://127.0.0.1/"),
    ],
)
async def test_no_way_leads_inside(files: FileServer, downloader: Downloader, location: str) -> None:
    files.answers = {"/": moved(location)}

    redirected = await problem_with(downloader, f"{files.url}/")
    direct = None if location.startswith("//") else await problem_with(downloader, location)

    assert redirected.is_lasting
    assert direct is None or direct.is_lasting
    assert len(files.requests) == 1


async def test_the_detail_of_a_private_address_says_what_permits_it(downloader: Downloader) -> None:
    by_name = await problem_with(downloader, "http://inside.example/x?secret=1")
    literal = await problem_with(downloader, "http://10.0.0.1/x?secret=1")

    assert str(by_name) == "inside.example has no public address (a setting permits it)"
    assert str(literal) == "its address may not be used: 10.0.0.1 is not a public address (a setting permits it)"
    assert by_name.code == "media_unavailable"


@pytest.mark.parametrize(("status", "is_lasting"), [(404, True), (403, True), (204, True), (429, False), (503, False)])
async def test_a_refusal_is_told_by_its_status(
    files: FileServer, downloader: Downloader, status: int, is_lasting: bool
) -> None:
    files.answers = {"/": whole(b"", status=f"{status} No")}

    problem = await problem_with(downloader, f"{files.url}/")

    assert str(problem) == f"its server answered with status {status}"
    assert problem.is_lasting == is_lasting


@asynccontextmanager
async def no_tls() -> AsyncIterator[str]:
    def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-peer\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


async def test_what_cannot_be_reached_may_come(downloader: Downloader) -> None:
    async with serving_files() as gone:
        pass
    guard = AddressGuard(allow_private=True, names=NameResolver(resolve))
    async with Downloader(guard) as free:
        refused = await problem_with(free, f"{gone.url}/")
        async with no_tls() as url:
            not_tls = await problem_with(free, url)
    unknown = await problem_with(downloader, "http://nowhere.example/?secret=1")

    assert str(refused) == "its server cannot be reached"
    assert str(unknown) == "the name of its server is not known"
    assert str(not_tls) == "its server has no certificate that can be trusted"
    assert not any(problem.is_lasting for problem in (refused, unknown, not_tls))


async def test_a_file_that_says_it_is_too_large_is_not_read(files: FileServer, downloader: Downloader) -> None:
    files.answers = {"/": head(f"Content-Length: {16 * MIB + 1}")}

    assert str(await problem_with(downloader, f"{files.url}/")) == "it is larger than 16 MiB"


@pytest.mark.parametrize("is_chunked", [True, False])
async def test_an_endless_body_is_cut_off(files: FileServer, downloader: Downloader, is_chunked: bool) -> None:
    sent = 0

    async def endless(writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(head("Transfer-Encoding: chunked" if is_chunked else "Connection: close"))
        piece = b"x" * MIB
        while sent < 100 * MIB:
            writer.write(b"100000\r\n" + piece + b"\r\n" if is_chunked else piece)
            await writer.drain()
            sent += MIB

    files.answers = {"/": endless}

    assert str(await problem_with(downloader, f"{files.url}/")) == "it is larger than 16 MiB"
    assert sent < 40 * MIB


async def test_a_file_of_the_largest_size_comes_in_little_memory(files: FileServer, downloader: Downloader) -> None:
    got = 0

    async def write(piece: bytes) -> None:
        nonlocal got
        got += len(piece)
        assert len(piece) <= MIB

    async def large(writer: asyncio.StreamWriter) -> None:
        writer.write(head(f"Content-Length: {16 * MIB}"))
        piece = b"x" * (64 * 1024)
        for _ in range(256):
            writer.write(piece)
            await writer.drain()

    files.answers = {"/": large}
    tracemalloc.start()
    try:
        await downloader.download(f"{files.url}/", write)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert got == 16 * MIB
    assert peak < 6 * MIB  # the server is in this process, too


async def test_a_body_that_ends_early_is_no_file(files: FileServer, downloader: Downloader) -> None:
    files.answers = {
        "/short": head("Content-Length: 100") + PNG,
        "/chunks": head("Transfer-Encoding: chunked") + b"5\r\nhello\r\n",
        "/no": b"",
        "/noise": b"\x00\x01\x02\r\n\r\n",
        "/long": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000,
    }

    problems = {path: await problem_with(downloader, f"{files.url}{path}") for path in files.answers}

    assert {str(problems[path]) for path in ("/short", "/chunks", "/no")} == {
        "the connection to its server broke before the end"
    }
    assert {str(problems[path]) for path in ("/noise", "/long")} == {"its server did not answer as HTTP servers do"}
    assert not any(problem.is_lasting for problem in problems.values())


async def test_a_compressed_body_is_refused_unread(files: FileServer, downloader: Downloader) -> None:
    files.answers = {
        "/": whole(gzip.compress(b"\0" * 32 * MIB), "Content-Encoding: gzip"),
        "/s3": whole(PNG, "Content-Encoding: aws-chunked"),
    }

    assert "compressed" in str(await problem_with(downloader, f"{files.url}/"))
    assert await fetched(downloader, f"{files.url}/s3") == PNG


async def test_a_drip_does_not_last_longer_than_the_time_allows(files: FileServer) -> None:
    files.answers = {"/": drip}
    async with Downloader(AddressGuard(exempt=(files.url,)), within_s=0.2) as hasty:
        problem = await problem_with(hasty, f"{files.url}/")

    assert str(problem) == "the download was not complete after 0.2 s"
    assert not problem.is_lasting


async def test_what_the_writer_raises_is_passed_on(files: FileServer, downloader: Downloader) -> None:
    files.answers = {"/": whole(PNG)}

    async def full(_piece: bytes) -> None:
        raise TimeoutError("the disk")

    with pytest.raises(TimeoutError, match="the disk"):
        await downloader.download(f"{files.url}/", full)


def test_an_address_can_be_checked_without_asking_anybody() -> None:
    one = Downloader(AddressGuard())

    one.check_url("https://example.org/a.png?x=1#y")
    for url in ("https://example.org/a b.png", "example.org", "http://[::1]/", "http://a@b.example/", "http://[x/"):
        with pytest.raises(MediaUnavailableError):
            one.check_url(url)
