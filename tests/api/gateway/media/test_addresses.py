"""From where OpenWA would fetch, found in bodies of every form that it takes."""

import pytest

from openwa_manager.api.gateway.media.addresses import authority_of, media_in, media_in_form
from openwa_manager.api.gateway.media.skeletons import CUT
from openwa_manager.domain.delivery.events import Json

URL = "http://10.0.0.1/a.png"


@pytest.mark.parametrize(
    "body",
    [
        {"chatId": "1@c.us", "url": URL},
        {"chatId": "1@c.us", "base64": URL},
        {"messages": [{"chatId": "1@c.us", "type": "image", "content": {"image": {"url": URL}}}]},
        {"image": {"base64": URL}},
        {"media": [URL]},
        {"mediaUrl": URL},
        {"url": {"0": URL}},
        {"content": {"image": {"url": "{{u}}"}}, "variables": {"u": URL}},
        {"content": {"image": {"url": "http://{h}/a.png"}}, "variables": {"h": "10.0.0.1"}},
        {"content": {"image": {"url": "{{ a }}{{b}}"}}, "variables": {"a": "http:", "b": "//10.0.0.1/a.png"}},
    ],
)
def test_media_are_found_wherever_they_stand(body: Json) -> None:
    assert list(media_in(body)) == [URL]


@pytest.mark.parametrize(
    "body",
    [
        {"text": f"see {URL}", "caption": URL},
        {"customLinkPreview": {"url": URL, "title": "x"}},
        {"proxyUrl": URL},
        {"status": URL, "name": URL, "description": URL},
        {"url": 7, "base64": None},
        "http://10.0.0.1/",
        [],
    ],
)
def test_what_is_only_shown_is_no_media(body: Json) -> None:
    assert list(media_in(body)) == []


def test_only_the_beginning_of_what_variables_blow_up_is_made() -> None:
    body: Json = {"content": {"image": {"url": "{a}" * 1_000}}, "variables": {"a": "x" * 4_000}}

    (text,) = media_in(body)

    assert len(text) < 10_000
    assert text.endswith(CUT)


@pytest.mark.parametrize(
    "fields",
    [
        [("chatId", "1@c.us"), ("url", URL)],
        [("url", "x"), ("url", URL)],
        [("url[]", URL)],
        [("url[0]", URL)],
        [("messages[0][content][image][url]", URL), ("messages[0][chatId]", "1@c.us")],
        [("messages[0][content][image][url]", "{{u}}"), ("messages[0][variables][u]", URL)],
        [("messages", "x"), ("messages[0][url]", URL)],
    ],
)
def test_media_are_found_in_forms(fields: list[tuple[str, str]]) -> None:
    assert URL in list(media_in_form(fields))


@pytest.mark.parametrize("fields", [[("text", URL)], [("customLinkPreview[url]", URL)], [("", URL)], []])
def test_what_a_form_only_shows_is_no_media(fields: list[tuple[str, str]]) -> None:
    assert list(media_in_form(fields)) == []


@pytest.mark.parametrize(
    ("text", "authority"),
    [
        ("http://host/x", "host"),
        ("HTTPS://host:8080", "host:8080"),
        ("http:host/x", "host"),
        ("http:\\\\host\\x", "host"),
        ("http:////host?x", "host"),
        (" \t\x00http://host#x", "host"),
        ("ht\ntp://ho\tst/x", "host"),
        ("http://public.example\\@host/", "public.example"),
        ("http://user:word@host/", "user:word@host"),
        ("data:image/png;base64,http://host/x", "host"),
        ("data:a;base64,data:b;base64,http://host/x", "host"),
        (f"data:{'x' * 4_000}{CUT}", ""),
        ("http://", ""),
        ("iVBORw0KGgo=", None),
        ("data:image/png;base64,iVBORw0KGgo=", None),
        (f"iVBORw0KGgo{CUT}", None),
        ("//host/x", None),
        ("ftp://host/x", None),
        ("httpx", None),
        ("", None),
    ],
)
def test_host_and_port_are_read_as_node_reads_them(text: str, authority: str | None) -> None:
    assert authority_of(text) == authority
