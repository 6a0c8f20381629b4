"""What the gateway lets an engine fetch, and what it does not."""

import json
import socket
import threading
from collections.abc import Collection

import pytest

from openwa_manager.api.gateway.errors import GatewayError
from openwa_manager.api.gateway.media.guard import MediaGuard
from openwa_manager.domain.delivery.events import Json
from openwa_manager.webhooks.address import AddressGuard
from openwa_manager.webhooks.names import NameService
from tests.fakes.polling import PATIENCE_S, until

NAMES = {
    "public.example": ["93.184.216.34", "2606:4700::1111"],
    "inside.example": ["10.0.0.1"],
    "both.example": ["93.184.216.34", "127.0.0.1"],
    "metadata.example": ["169.254.169.254"],
    "xn--strae-oqa.example": ["192.168.1.1"],
}
JSON, FORM = "application/json", "application/x-www-form-urlencoded"


async def resolve(host: str) -> Collection[str]:
    if host not in NAMES:
        raise OSError(f"no such name: {host}")
    return NAMES[host]


GUARD = MediaGuard(["files.internal", " [::1] ", "", "Media.Example"], resolve, AddressGuard())


async def refusal_of(raw: bytes, kind: str = JSON, more: str = "", part_bytes: int = 1_000) -> str | None:
    """Return why a body is refused; None when it may pass."""
    inspection = GUARD.inspection(kind, f"{kind}{more}")
    for at in range(0, len(raw), part_bytes):
        inspection.feed(raw[at : at + part_bytes])
    try:
        await inspection.finish()
    except GatewayError as error:
        return f"{error.status} {error} {error.fields.get('detail', '')}"
    return None


async def refusal_of_url(url: str) -> str | None:
    return await refusal_of(json.dumps({"chatId": "1@c.us", "url": url}).encode())


@pytest.mark.parametrize(
    "url",
    [
        "https://public.example/a.png",
        "https://public.example:8443/a b.png?x=http://10.0.0.1/#part",
        "https://public.example/http://127.0.0.1/a.png",
        "http://93.184.216.34/a.png",
        "https://[2606:4700::1111]/a.png",
        "https://unknown.example/a.png",
        "http://files.internal:9000/a.png",
        "http://MEDIA.example/a.png",
        "http://[::1]:9000/a.png",
        "iVBORw0KGgo=",
        "",
    ],
)
async def test_what_is_public_unknown_or_the_admins_may_be_fetched(url: str) -> None:
    assert await refusal_of_url(url) is None


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:2790/livez",
        "http://127.0.0.1.:2790/",
        "http://localhost/",
        "http://a.localhost./",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://0177.0.0.1/",
        "http://127.1/",
        "http://１２７.0.0.1/",  # noqa: RUF001 digits of another kind
        "http://%31%32%37.0.0.1/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::]/",
        "http://[fe80::1]/",
        "http://[64:ff9b::7f00:1]/",
        "http://[::1%25lo]/",
        "http://10.1.2.3/",
        "http://192.168.1.1/",
        "http://169.254.169.254/latest/meta-data/",
        "http:\\\\127.0.0.1\\",
        "http:127.0.0.1/",
        "h\nttp://127.0.0.1/",
        "data:image/png;base64,http://127.0.0.1/",
        "http://inside.example/",
        "http://both.example/",
        "http://metadata.example/",
        "http://straße.example/",
        "http://public.example@127.0.0.1/",
        "http://user:word@public.example/",
        "http://{{host}}/",
        "http://public.example:99999/",
        "http://",
        "http://" + "a" * 5_000 + "@127.0.0.1/",
        "data:" + "a" * 5_000 + ";base64,http://127.0.0.1/",
    ],
)
async def test_what_is_of_this_host_or_its_network_may_not_be_fetched(url: str) -> None:
    refusal = await refusal_of_url(url)

    assert refusal is not None
    assert refusal.startswith("400 Destination address is not allowed ")
    assert "allow_private_endpoints" not in refusal


BAD = "http://127.0.0.1/"
PADDING = "x" * 100_000


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (json.dumps({"x": PADDING, "base64": BAD}).encode(), JSON),
        (json.dumps({"base64": BAD, "x": PADDING}).encode(), JSON),
        (b'{"\\u0075rl":"\\u0068ttp:\\/\\/127.0.0.1\\/"}', JSON),
        (b'\xef\xbb\xbf{"url":"http://127.0.0.1/"}', JSON),
        (b'{"url":"http://127.0.0.1/","text":"\xff\xfe"}', JSON),
        (b'{"url":"http://public.example/","url":"http://127.0.0.1/"}', JSON),
        (b'{"url":"http://127.0.0.1/"}', "text/plain"),
        (b'{"url":"http://127.0.0.1/"}', FORM),
        (b"url=http%3A%2F%2F127.0.0.1%2F", FORM),
        (b"text=" + PADDING.encode() + b"&url=http://127.0.0.1/", FORM),
        (b"%75rl=http://127.0.0.1/", FORM),
        (b"url=http://public.example/&url=http://127.0.0.1/", FORM),
    ],
)
@pytest.mark.parametrize("part_bytes", [100, 1_000_000])
async def test_a_body_is_looked_at_however_it_is_written(raw: bytes, kind: str, part_bytes: int) -> None:
    refusal = await refusal_of(raw, kind, part_bytes=part_bytes)

    assert refusal is not None
    assert refusal.startswith("400 Destination address is not allowed ")


@pytest.mark.parametrize(
    ("raw", "kind", "status"),
    [
        (b'{"url":' + b"[" * 70 + b'"http://127.0.0.1/"' + b"]" * 70 + b"}", JSON, "400"),
        (b'{"url":"http://public.example/",}', JSON, "400"),
        (b'{"x":[' + b"1,\\" * 500_000 + b"]}", JSON, "400"),
        (b"&".join(b"a=b" for _ in range(1_001)), FORM, "413"),
        (b"a=b&" * 300_000, FORM, "400"),
        (b'{"=1&x="' + PADDING.encode() + b"&url=http://127.0.0.1/", FORM, "400"),
    ],
)
async def test_what_cannot_be_read_is_not_handed_on(raw: bytes, kind: str, status: str) -> None:
    refusal = await refusal_of(raw, kind, part_bytes=65_536)

    assert refusal is not None
    assert refusal.startswith(status)


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (b'{"chatId":"1@c.us","text":"Hello"}', JSON),
        (b'{"text":"http://127.0.0.1/"}', JSON),
        (b"{torn", JSON),  # OpenWA says so itself
        (b"", JSON),
        (b"chatId=1@c.us&text=http://127.0.0.1/", FORM),
        (b'--x\r\nContent-Disposition: form-data; name="url"\r\n\r\nhttp://127.0.0.1/', "multipart/form-data"),
        (b"\x89PNG\\http" + b"'" * 2_000_000, "image/png"),
    ],
)
async def test_what_names_no_media_is_handed_on(raw: bytes, kind: str) -> None:
    assert await refusal_of(raw, kind, part_bytes=65_536) is None


@pytest.mark.parametrize(
    "more", ["", ";", "; charset=utf-8", '; Charset = "UTF-8"', "; charset=utf8;x=y", "; charset=iso-8859-1"]
)
async def test_usual_character_sets_are_read(more: str) -> None:
    assert await refusal_of(b'{"url":"http://127.0.0.1/"}', JSON, more) is not None


@pytest.mark.parametrize(
    "more",
    [
        "; charset=utf-16le",
        "; CHARSET=UTF-32",
        ';charset="utf-7"',
        "; charset=",
        "; charset=utf-8; charset=utf-16",
        "; charset=utf-16; charset=utf-8",
        '; charset="utf-\\16"',
        "; charset*=utf-16",
    ],
)
def test_other_character_sets_are_refused(more: str) -> None:
    with pytest.raises(GatewayError) as refused:
        GUARD.inspection(JSON, f"{JSON}{more}")

    assert refused.value.status == 415


async def test_a_body_may_not_name_hosts_without_end() -> None:
    body: Json = {"media": [f"http://h{number}.example/" for number in range(201)]}

    refusal = await refusal_of(json.dumps(body).encode())

    assert refusal is not None
    assert "more than 200 hosts" in refusal


async def test_a_name_that_is_not_answered_in_time_is_left_to_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    names, released = NameService(within_s=0.01), threading.Event()

    def stuck(*_: object, **__: object) -> list[object]:
        released.wait(PATIENCE_S)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", stuck)
    try:
        await MediaGuard([], names.resolve, AddressGuard()).require_public(["http://slow.example/"])
    finally:
        released.set()

    await until(lambda: names._under_way == 0)
