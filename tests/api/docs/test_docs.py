"""`/docs`: served to everybody, strict about what a page may do, and nothing but the pages of the package."""

import json
import re
import subprocess
import sys
from urllib.parse import urldefrag

from openwa_manager.api.app import make_table
from openwa_manager.api.docs.assets import assets
from openwa_manager.api.docs.contents import entries
from openwa_manager.api.docs.samples import BODIES
from openwa_manager.api.requests import Body
from tests.api.docs.reading import read, visit
from tests.api.world import World, backing_of

POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self'",
    "connect-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
    "require-trusted-types-for": "'script'",
    "trusted-types": "'none'",
}
#: What looks like a page or leads out of them.
NO_PAGES = (
    *("/docs/nowhere", "/docs/install.md", "/docs/reference/nowhere", "/docs/api/nowhere", "/docs/apis/sessions"),
    *("/docs/assets/docs.css", "/docs/assets/frame.html", "/docs/assets/nowhere.js", "/docs/%00", "/docs/docs"),
    *("/docs/..%2f..%2fpyproject.toml", "/docs/reference/..%2finstall", "/docs/assets/..%2fframe.html"),
    *("/docs/%2e%2e%2f%2e%2e%2fetc%2fpasswd", "/docs/%2fetc%2fpasswd", "/docs/install%00", "/docs/Install"),
)
API = ("api", "api/sessions", "api/messages", "api/engine", "api/gateway")


async def test_every_page_can_be_read_and_every_link_of_it_leads_somewhere(world: World) -> None:
    """Follow all links from the first page on: each is answered, and the place on its page is there."""
    waiting, pages, wanted = ["/docs"], {}, set[tuple[str, str]]()
    while waiting:
        address = waiting.pop()
        got = await visit(world, address)
        assert got.status == 200, address
        pages[address] = page = read(got.text) if got.headers["Content-Type"].startswith("text/html") else None
        for link in page.links if page else ():
            if not link.startswith("https://"):
                place, anchor = urldefrag(link)
                place = place or address
                wanted.add((place, anchor))
                waiting += [place] if place not in pages and place not in waiting else []

    broken = [(place, anchor) for place, anchor in wanted if anchor and anchor not in (pages[place] or read("")).ids]
    assert broken == []
    assert {f"/docs/{name}" for name in entries()} <= pages.keys()
    assert "/docs/api/sessions" in pages


async def test_no_page_has_a_program_in_it_or_asks_another_host(world: World) -> None:
    for name in ("", "/search?q=qr", *(f"/{each}" for each in (*entries(), *API))):
        got = await visit(world, f"/docs{name}")

        page = read(got.text)
        told = dict(part.strip().split(" ", 1) for part in got.headers["Content-Security-Policy"].split(";"))
        assert told == POLICY, name
        assert page.programs == [], name
        assert all(each.startswith("/docs/") for each in page.sources), name
        assert page.levels.count(1) == 1, name
        assert len(page.ids) == len(set(page.ids)), name


async def test_what_all_our_answers_say_pages_say_too(world: World) -> None:
    got = await visit(world, "/docs/install")

    assert got.headers["X-Content-Type-Options"] == "nosniff"
    assert got.headers["X-Frame-Options"] == "DENY"
    assert got.headers["Referrer-Policy"] == "no-referrer"
    assert got.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert got.headers["X-Robots-Tag"] == "noindex"
    assert "camera=()" in got.headers["Permissions-Policy"]


async def test_a_browser_that_has_it_is_told_so(world: World) -> None:
    for path in ("/docs", "/docs/install", "/docs/api", "/docs/api/sessions", "/docs/index.json"):
        first = await visit(world, path, Accept_Encoding="identity")

        again = await visit(world, path, Accept_Encoding="identity", If_None_Match=first.headers["ETag"])
        other = await visit(world, path, Accept_Encoding="identity", If_None_Match='"other"')

        assert first.headers["Cache-Control"] == "no-cache"
        assert (again.status, again.text, again.headers["ETag"]) == (304, "", first.headers["ETag"])
        assert again.headers["Cache-Control"] == "no-cache"
        assert (other.status, other.text) == (200, first.text)


async def test_packed_and_plain_are_the_same_page_under_two_tags(world: World) -> None:
    plain = await visit(world, "/docs/design", Accept_Encoding="identity")
    packed = await visit(world, "/docs/design", Accept_Encoding="br, gzip")

    assert plain.text == packed.text
    assert packed.headers["Content-Encoding"] == "gzip"
    assert int(packed.headers["Content-Length"]) < len(plain.text.encode()) / 2
    assert plain.headers["ETag"] != packed.headers["ETag"]
    assert plain.headers["Vary"] == "Accept-Encoding"
    for refused in ("gzip;q=0", "gzip; q=0.0, br", "br", "x-gzip"):
        assert "Content-Encoding" not in (await visit(world, "/docs/design", Accept_Encoding=refused)).headers
    for taken in ("gzip;q=0.5", "deflate, GZIP ;q=1.0, br", "gzip"):
        assert "Content-Encoding" in (await visit(world, "/docs/design", Accept_Encoding=taken)).headers


async def test_files_are_named_by_what_is_in_them_and_kept_for_ever(world: World) -> None:
    page = read((await visit(world, "/docs")).text)
    files = [each for each in page.sources if "/assets/" in each]

    kinds = [(await visit(world, each)).headers for each in files]

    assert all(re.fullmatch(r"/docs/assets/\w+\.[0-9a-f]{16}\.(css|js|svg)", each) for each in files)
    assert {each["Content-Type"].partition(";")[0] for each in kinds} == {
        "text/css",
        "text/javascript",
        "image/svg+xml",
    }
    assert all(len(file.body) <= 10 * 1024 for file in assets().values())
    assert {each["Cache-Control"] for each in kinds} == {"public, max-age=31536000, immutable"}
    assert all("default-src 'none'" in each["Content-Security-Policy"] for each in kinds)


async def test_head_tells_the_same_without_the_page(world: World) -> None:
    for path in ("/docs", "/docs/install", "/docs/design", "/docs/search?q=qr", "/docs/index.json"):
        whole = await visit(world, path, Accept_Encoding="identity")
        head = await visit(world, path, "HEAD", Accept_Encoding="identity")

        assert (head.status, head.text) == (200, "")
        for name in ("Content-Type", "Content-Length", "Cache-Control", "ETag"):
            assert head.headers.get(name) == whole.headers.get(name)


async def test_what_is_no_page_is_not_found(world: World) -> None:
    for path in NO_PAGES:
        status, headers = await world.raw(f"GET {path} HTTP/1.1\nHost: localhost\nConnection: close")

        assert status == 404, path
        assert headers["Content-Type"] == "text/html; charset=utf-8"
        assert headers["Cache-Control"] == "no-store"
        assert "script-src 'self'" in headers["Content-Security-Policy"]
    for path in ("/docs/..", "/docs//etc/passwd", "/docs/a/b/c", "/docs/../etc/passwd", "/DOCS/install"):
        status, _ = await world.raw(f"GET {path} HTTP/1.1\nHost: localhost\nConnection: close")

        assert status in (401, 404), path


async def test_a_search_says_where_the_words_are_and_repeats_them_as_text(world: World) -> None:
    found = await visit(world, "/docs/search?q=install")
    attack = await visit(world, "/docs/search?q=%22%3E%3Cscript%3Ealert(1)%3C/script%3E")
    nothing = await visit(world, "/docs/search")

    assert '<a href="/docs/install#' in found.text
    assert "<script>" not in attack.text
    assert "&quot;&gt;&lt;script&gt;alert(1)" in attack.text
    assert "Nothing has all these words." in attack.text
    assert "Say what to look for." in nothing.text
    assert {each.headers["Cache-Control"] for each in (found, attack, nothing)} == {"no-store"}


async def test_a_search_is_bounded_whatever_is_looked_for(world: World) -> None:
    everything = await visit(world, "/docs/search?q=e")
    endless = await visit(world, f"/docs/search?q={'x' * 3000}&q=two&other=1")

    assert read(everything.text).links.count("") == 0
    assert everything.text.count("<small>") == 20
    assert f'value="{"x" * 100}"' in endless.text
    for query in ("%ff%fe", "%ed%a0%80", "%00", "%0d%0aX:%20y", "a%26b=c%23"):
        assert (await visit(world, f"/docs/search?q={query}")).status == 200


async def test_a_key_changes_nothing(world: World) -> None:
    without = await visit(world, "/docs/install")
    given = await world.call("GET", "/docs/install")
    wrong = await visit(world, "/docs/install", X_API_Key="owm_nobody_nothing")

    assert given.raw.decode() == without.text
    assert wrong.status in (200, 401)


async def test_nothing_is_changed_at_these_addresses(world: World) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert (await world.call(method, "/docs/install")).status == 405


async def test_every_call_is_described_with_a_line_for_curl(world: World) -> None:
    table = [each for each in make_table(backing_of(world), world.gateway) if each.method != "*"]
    overview = read((await visit(world, "/docs/api")).text)

    described = {urldefrag(link)[1]: urldefrag(link)[0] for link in overview.links if link.startswith("/docs/api/")}

    assert described.keys() - {""} == {each.name for each in table}
    pages = {place: (await visit(world, place)).text for place in set(described.values())}
    lines = sum(page.count("curl -s ") for page in pages.values())
    assert lines == len(table)
    sent = pages["/docs/api/messages"]
    assert "-X POST &quot;$URL" not in sent  # quotes stay as they are inside code
    assert '-X POST "$URL/v1/sessions/user_1_session_a/messages"' in sent


async def test_every_body_of_a_sample_is_accepted(world: World) -> None:
    table = make_table(backing_of(world), world.gateway)
    models: dict[str, type[Body]] = {}
    for each in table:
        kinds = (each.arguments, *each.takes)
        models |= {kind.__name__: kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Body)}

    assert models.keys() == BODIES.keys()
    for name, body in BODIES.items():
        models[name].model_validate_json(json.dumps(body))


async def test_strangers_get_one_large_page_on_a_connection(world: World) -> None:
    large = await visit(world, "/docs/api/engine", Accept_Encoding="identity")
    small = await visit(world, "/docs/install", Accept_Encoding="identity")

    assert len(large.text) > 64 * 1024
    assert large.headers["Connection"] == "close"
    assert "Connection" not in small.headers


def test_the_daemon_starts_without_what_draws_pages() -> None:
    drawing = "markdown_it", *(f"openwa_manager.api.docs.{each}" for each in ("site", "markdown", "calls", "contents"))
    code = f"import openwa_manager.daemon, sys; print([each for each in {drawing!r} if each in sys.modules])"

    done = subprocess.run((sys.executable, "-c", code), capture_output=True, text=True, check=True, timeout=60)

    assert done.stdout == "[]\n"
