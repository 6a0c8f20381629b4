"""Markdown as GitHub draws it, and nothing of it becomes a program."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwa_manager.api.docs.markdown import code_of, draw, draw_line, page_of, slug_of
from tests.api.docs.reading import read

PAGES = {"install": "Install", "sending": "Sending messages", "reference/settings": "Settings"}


def drawn(source: str, name: str = "install") -> str:
    return draw(source, name, PAGES).html


@pytest.mark.parametrize(
    ("title", "slug"),
    [
        ("Many at once", "many-at-once"),
        ("Why does it wait?", "why-does-it-wait"),
        ("`serve` and C++", "serve-and-c"),
        ("OpenWA: what the engine really does", "openwa-what-the-engine-really-does"),
        ("session_id, user-id", "session_id-user-id"),
        ("Größe  2", "größe--2"),
    ],
)
def test_a_heading_is_named_as_github_does(title: str, slug: str) -> None:
    assert slug_of(title.replace("`", "")) == slug
    assert f'id="{slug}"' in drawn(f"# {title}")


def test_headings_of_the_same_words_are_numbered() -> None:
    assert read(drawn("# A\n## B\n## B\n## B")).ids == ["a", "b", "b-1", "b-2"]


@pytest.mark.parametrize(
    ("name", "link", "address"),
    [
        ("install", "sending.md", "/docs/sending"),
        ("install", "sending.md#pace", "/docs/sending#pace"),
        ("install", "#below", "/docs/install#below"),
        ("install", "reference/settings.md", "/docs/reference/settings"),
        ("reference/settings", "../install.md", "/docs/install"),
        ("reference/settings", "settings.md#a", "/docs/reference/settings#a"),
        ("install", "https://example.com/a?b=1", "https://example.com/a?b=1"),
    ],
)
def test_a_link_leads_to_where_the_page_is_served(name: str, link: str, address: str) -> None:
    assert address in read(drawn(f"# T\n\n[words]({link})", name)).links


def test_a_page_is_called_by_its_title() -> None:
    assert ">Sending messages</a>" in drawn("See [sending.md](sending.md).")
    assert ">how to</a>" in drawn("See [how to](sending.md).")


@pytest.mark.parametrize(
    "link",
    ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "//other.example", "../secret.md", "nowhere.md"],
)
def test_a_link_to_anything_else_is_text(link: str) -> None:
    html = drawn(f"# T\n\n[words]({link})")

    assert read(html).links == ["#t"]
    assert "words" in html


@pytest.mark.parametrize(
    "source",
    [
        "<script>alert(1)</script>",
        'a <img src="x" onerror="alert(1)"> b',
        "![alt](https://example.com/x.png)",
        '```sh"><script>\nx\n```',
        "| a |\n|---|\n| <b onclick=x>y</b> |",
        '# <a name="x" onmouseover="y">z',
        "<style>body{}</style>",
    ],
)
def test_html_in_a_page_is_shown_as_text(source: str) -> None:
    page = read(drawn(source))

    assert page.programs == []
    assert page.sources == []


@given(st.text(max_size=200))
def test_whatever_a_page_says_has_no_program(source: str) -> None:
    for html in (drawn(source), draw_line(source)):
        page = read(html)

        assert page.programs == []
        assert page.sources == []
        assert all(each.startswith(("#", "/docs/", "https://", "http://", "mailto:")) for each in page.links)


def test_a_comment_that_fills_a_line_is_left_out_but_not_in_code() -> None:
    html = drawn("# T\n<!-- begin -->\n| a |\n|---|\n| b |\n<!-- end -->\n\n```xml\n<!-- kept -->\n```")

    assert "begin" not in html
    assert '<div class="table"><table>' in html
    assert "&lt;!-- kept --&gt;" in html


def test_code_that_no_test_runs_says_so_above_it_and_is_copied_without() -> None:
    html = drawn("```sh\n# not run here: needs Homebrew\nbrew install node\n```")

    assert '<p class="note">Not run by our tests: needs Homebrew</p>' in html
    assert "<pre><code>brew install node\n</code></pre>" in html
    assert code_of("// not run here: needs Redis\nx();\n") == ("x();\n", "needs Redis")
    assert code_of("ls # not run here: x\n") == ("ls # not run here: x\n", None)


def test_sections_are_the_text_below_each_heading() -> None:
    sections = draw("# T\n\nOne *two* `three`\nfour.\n\n## B\n\n- five\n\n```sh\nsix\n```\n", "install", PAGES).sections

    assert [(each.heading.title, each.text) for each in sections] == [("T", "One two three four."), ("B", "five six")]


@pytest.mark.parametrize(
    ("link", "name", "page"),
    [
        ("a.md", "x", ("a", "")),
        ("../a.md#b", "r/x", ("a", "b")),
        ("../../../a.md", "r/x", ("a", "")),
        ("#b", "r/x", ("r/x", "b")),
    ],
)
def test_the_page_of_a_link(link: str, name: str, page: tuple[str, str]) -> None:
    assert page_of(link, name) == page
