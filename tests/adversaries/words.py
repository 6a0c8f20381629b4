"""What attackers send where bytes or words are taken: what is nearly right, and what is right somewhere else."""

import json

from hypothesis import strategies as st

from openwa_manager.domain.delivery.events import Json

#: Names that mean something to some parser of ours, and to JavaScript, templates, spreadsheets, shells and SQL.
_NAMES = st.sampled_from(
    (
        *("session_id", "to", "text", "messages", "recipients", "template", "variables", "event", "data", "sessionId"),
        *("chatId", "url", "caption", "numbers", "labels", "env", "proxy_url", "as", "from", "days", "window"),
        *("__proto__", "constructor", "$ref", "", "\x00", "=cmd|' /C calc'!A0", "'; DROP TABLE session; --"),
    )
)
_ODD_TEXTS = st.sampled_from(
    (
        *("../../etc/passwd", "%2e%2e%2f", "..;/", "a\r\nX-Injected: 1", "\ufeff", "\u202e", "\ud7ff", "{{", "{{x}}"),
        *("${jndi:ldap://x}", "+85212345678", "85212345678@c.us", "0", "-0", "1e999", "9" * 400, "24:00", "09:00"),
        *("http://127.0.0.1", "http://[::1]:80/", "http://a@b/", "http://\u2100.example/", "whsec_", "whsec_====", "*"),
        *("for=192.0.2.1", 'for="[::1]";by=x', "for=,for=", "unknown, 10.0.0.1", "1.2.3.4.5", "::ffff:1.2.3.4%eth0"),
        *("Europe/../UTC", "America", "/etc/localtime", "0.24.1", "v1", "W10=", "WzEsMl0=", "data:image/png;base64,"),
    )
)
_VALUES: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(max_size=20) | _ODD_TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_NAMES | st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)
_JSON = _VALUES.map(lambda value: json.dumps(value).encode())
_FORMS = st.lists(st.tuples(_NAMES, _ODD_TEXTS), max_size=5).map(
    lambda pairs: "&".join(f"{name}={text}" for name, text in pairs).encode("utf-8", "replace")
)
_TABLES = st.lists(st.lists(_ODD_TEXTS, max_size=3).map(",".join), max_size=5).map(
    lambda lines: "\n".join(lines).encode("utf-8", "replace")
)


@st.composite
def _torn(draw: st.DrawFn) -> bytes:
    """Make something that was right, with a part of it cut away or replaced."""
    whole = draw(_JSON | _FORMS | _TABLES)
    begin = draw(st.integers(0, len(whole)))
    end = draw(st.integers(begin, len(whole)))
    return whole[:begin] + draw(st.binary(max_size=4)) + whole[end:]


BYTES = st.one_of(st.binary(max_size=200), _JSON, _FORMS, _TABLES, _torn())
#: Headers bring bytes that are no UTF-8 as lone surrogates.
TEXTS = st.one_of(
    st.text(max_size=100),
    st.text(st.characters(), max_size=20),
    _ODD_TEXTS,
    st.lists(_ODD_TEXTS, max_size=4).map("".join),
)
