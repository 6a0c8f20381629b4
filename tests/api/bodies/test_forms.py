import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwa_manager.api.bodies.forms import form_of

FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("raw", "fields"),
    [
        (b"a=1&h=&i", {"a": "1", "h": "", "i": ""}),
        (b"events[0]=x&events[1]=y", {"events": ["x", "y"]}),
        (b"events%5B%5D=x&events%5B%5D=y", {"events": ["x", "y"]}),
        (b"e=1&e=2&e=3", {"e": ["1", "2", "3"]}),
        (b"headers[X-A]=v&headers[X-B]=w", {"headers": {"X-A": "v", "X-B": "w"}}),
        (b"f[a][b]=z", {"f": {"a": {"b": "z"}}}),
        (b"a[k]=1&a=2", {"a": [{"k": "1"}, "2"]}),
        ("\ufeffa=hé+you".encode(), {"a": "hé you"}),
        (b"[x]=1&=2", {}),
    ],
)
def test_a_form_is_read_as_openwa_reads_it(raw: bytes, fields: object) -> None:
    assert form_of(raw, FORM) == fields


@pytest.mark.parametrize(
    ("raw", "content_type"),
    [(b"a=1", "application/json"), (b"\xff=1", FORM), (b"a=1&" * 300, FORM)],
    ids=["another type", "no text", "too many"],
)
def test_what_is_no_form_is_none(raw: bytes, content_type: str) -> None:
    assert form_of(raw, content_type) is None


@given(raw=st.text(alphabet="ab[]=&%0", max_size=80))
def test_no_form_is_too_odd(raw: str) -> None:
    fields = form_of(raw.encode(), FORM)

    assert fields is None or "" not in fields
