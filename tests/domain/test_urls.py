import pytest

from openwa_manager.domain.urls import (
    proxy_without_password,
    public_url_problem,
    url_problem,
    without_password,
    without_urls,
)
from tests.run.growth import is_linear


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://hook:pa55@ex.example/h", "http://hook:***@ex.example/h"),
        ("http://hook:p@55@ex.example/h?a=b@c", "http://hook:***@ex.example/h?a=b@c"),
        ("https://t0ken@ex.example", "https://***@ex.example"),
        ("socks5h://u:p@proxy:1080, then http://a:b@c", "socks5h://u:***@proxy:1080, then http://a:***@c"),
        ("http://ex.example/?mail=a@b", "http://ex.example/?mail=a@b"),
        ("mail a@b.example", "mail a@b.example"),
    ],
)
def test_a_password_in_a_url_is_hidden(text: str, shown: str) -> None:
    assert without_password(text) == shown


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://proxy:8080/", "http://proxy:8080/"),
        ("socks5h://u:p@proxy:1080", "socks5h://u:***@proxy:1080"),
        ("http://t0ken@proxy:8080", "http://***@proxy:8080"),
        ("http://u:p#a?s@s@proxy:8080", "http://u:***@proxy:8080"),
    ],
)
def test_a_password_in_a_proxy_is_hidden_whatever_stands_in_it(url: str, shown: str) -> None:
    assert proxy_without_password(url) == shown


@pytest.mark.parametrize(
    "text",
    [
        *("", "ex.example/h", "ftp://ex.example", "http://", "http://ex.example/#a", "http://ex.example:99999/"),
        *("http://a.example/h http://b.example/h", "http://a.example/h,http://b.example/h", "http://http://a.example"),
        *("http://a.example/hhttp://b.example/h", "http://a.example/h\n", "\ufeffhttp://a.example/h", "http://[::1/"),
    ],
)
def test_what_cannot_be_posted_to_is_none(text: str) -> None:
    assert url_problem(text) is not None


@pytest.mark.parametrize(
    "text", ["https://ex.example/h?to=https://b.example", "http://u:p@127.0.0.1:1/h", "http://[::1]:8080/h"]
)
def test_one_url_is_enough(text: str) -> None:
    assert url_problem(text) is None


@pytest.mark.parametrize(
    "text",
    [
        *("https://wa.example.com", "https://wa.example.com:8443/pair", "http://localhost:2785", "http://[::1]:2785"),
        "http://127.0.0.1:2785/",
    ],
)
def test_people_reach_the_daemon_there(text: str) -> None:
    assert public_url_problem(text) is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("wa.example.com", "write it as http://… or https://…"),
        ("https://u:p@wa.example.com", "without a name, a password"),
        ("https://wa.example.com/?", "without a name, a password"),
        (r"https://wa.example.com\@evil.example", "without a name, a password"),
        ("http://wa.example.com", "write it as https://…"),
        ("http://localhost.example.com", "write it as https://…"),
    ],
)
def test_people_are_not_sent_there(text: str, problem: str) -> None:
    assert problem in str(public_url_problem(text))


def test_a_long_text_without_a_password_is_looked_at_once() -> None:
    assert without_password("://" + "a" * 1000) == "://" + "a" * 1000
    assert is_linear(lambda size: without_password("://" + "a" * size), 200_000)


def test_a_url_is_hidden_whole() -> None:
    said = "Can not write request body for https://example.com/hook?token=confidential: broken"

    assert without_urls(said) == "Can not write request body for *** broken"
