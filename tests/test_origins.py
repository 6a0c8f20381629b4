import pytest
from pydantic import ValidationError

from openwa_manager.config import Settings


@pytest.mark.parametrize(
    "origin",
    [
        "*",
        "null",
        "https://*.example.com",
        "https://app.example.com/",
        "https://App.example.com",
        "https://app.example.com:443",
        "http://app.example.com:80",
        "https://app.example.com:99999",
        "https://user@app.example.com",
        "app.example.com",
        "file://",
        "",
    ],
)
def test_an_origin_is_one_site_as_browsers_send_it(origin: str) -> None:
    with pytest.raises(ValidationError):
        Settings(cors_origins=(origin,))


def test_origins_may_have_ports_and_addresses() -> None:
    origins = ("https://app.example.com", "http://127.0.0.1:5173", "https://[2001:db8::1]:8443")

    assert Settings(cors_origins=origins).cors_origins == origins
