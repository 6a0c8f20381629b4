from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwa_manager.domain.access.addresses import ClientAddress
from openwa_manager.domain.access.callers import UNIX_SOCKET, KeyId
from openwa_manager.domain.access.keys import ApiKey, KnownKey, is_narrowed, is_within, outlasts
from openwa_manager.domain.access.roles import Role
from openwa_manager.domain.access.scopes import scope_of

KEY = ApiKey(
    key_id=KeyId("k1"), name="a key", role=Role.VIEWER, secret_sha256=b"secret", created_at=1.0, created_by="admin"
)
PATTERNS = st.lists(st.sampled_from(["*", "a", "a_*", "a_b", "a_b_*", "b-*"]), min_size=1, max_size=3)
NETWORKS = st.lists(
    st.sampled_from(["0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16", "10.1.2.3", "::/0", "2001:db8::/32", "2001:db8::1"]),
    max_size=3,
).map(lambda texts: tuple(map(ip_network, texts)))
KEYS = st.builds(
    lambda role, patterns, has_qr, has_chats, networks, expires_at: replace(
        KEY,
        role=role,
        scope=scope_of(patterns),
        has_qr=has_qr,
        has_chats=has_chats,
        allowed_ips=networks,
        expires_at=expires_at,
    ),
    st.sampled_from(Role),
    PATTERNS,
    st.booleans(),
    st.booleans(),
    NETWORKS,
    st.none() | st.floats(0, 100),
)


def at(ip: str) -> ClientAddress:
    return ClientAddress(ip_address(ip))


def test_no_hash_of_a_key_is_shown_in_a_log() -> None:
    key = replace(KEY, previous_sha256=b"previous")

    assert "secret'" not in repr(key)
    assert "previous'" not in repr(key)
    assert "hidden" not in repr(KnownKey(caller=KEY.caller, secret_sha256=b"hidden"))


@pytest.mark.parametrize(
    ("fields", "is_usable"),
    [
        ({}, True),
        ({"is_disabled": True}, False),
        ({"expires_at": 10.0}, False),
        ({"expires_at": 10.1}, True),
    ],
)
def test_a_key_is_usable_until_it_is_over_or_disabled(fields: dict[str, float], is_usable: bool) -> None:
    assert replace(KEY, **fields).is_usable(10.0) is is_usable  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("networks", "ip", "is_admitted"),
    [
        ([], "192.0.2.1", True),
        (["10.0.0.0/8"], "10.9.9.9", True),
        (["10.0.0.0/8"], "11.0.0.0", False),
        (["10.0.0.0/8"], "::ffff:10.9.9.9", True),
        (["10.0.0.0/8", "2001:db8::/32"], "2001:db8::1", True),
        (["2001:db8::/32"], "2001:db9::1", False),
        (["0.0.0.0/0"], "::1", False),
    ],
)
def test_a_key_is_taken_from_the_addresses_it_names(networks: list[str], ip: str, is_admitted: bool) -> None:
    key = replace(KEY, allowed_ips=tuple(map(ip_network, networks)))

    assert key.admits(at(ip)) is is_admitted


def test_from_nobody_knows_where_only_a_key_without_addresses_is_taken() -> None:
    assert KEY.admits(None)
    assert not replace(KEY, allowed_ips=(ip_network("0.0.0.0/0"), ip_network("::/0"))).admits(None)


@given(key=KEYS, other=KEYS)
def test_what_one_key_may_give_out_may_be_given_out_by_all_who_may_more(key: ApiKey, other: ApiKey) -> None:
    assert is_within(key, UNIX_SOCKET)
    assert is_within(key, key.caller)
    if is_within(key, other.caller) and is_within(other, key.caller):
        assert (key.role, key.has_qr, key.has_chats) == (other.role, other.has_qr, other.has_chats)


@given(key=KEYS, own=KEYS)
def test_no_key_that_is_given_out_holds_where_or_when_the_own_one_does_not(key: ApiKey, own: ApiKey) -> None:
    if outlasts(key, own):
        return

    assert own.expires_at is None or (key.expires_at is not None and key.expires_at <= own.expires_at)
    for ip in ("10.1.2.3", "10.9.9.9", "192.0.2.1", "2001:db8::1", "2001:db8::2", "::1"):
        assert own.admits(at(ip)) or not key.admits(at(ip))


@given(key=KEYS, before=KEYS)
def test_a_key_that_is_not_narrowed_lets_in_all_it_did(key: ApiKey, before: ApiKey) -> None:
    if is_narrowed(key, before):
        return

    assert key.role.includes(before.role)
    assert key.scope.covers_all(before.scope.patterns)
    assert (key.has_qr, key.has_chats) >= (before.has_qr and key.has_qr, before.has_chats and key.has_chats)
    for ip in ("10.1.2.3", "10.9.9.9", "192.0.2.1", "2001:db8::1", "::1"):
        assert key.admits(at(ip)) or not before.admits(at(ip))


def test_a_key_that_is_disabled_is_narrowed_and_one_that_was_is_not() -> None:
    disabled = replace(KEY, is_disabled=True)

    assert is_narrowed(disabled, KEY)
    assert not is_narrowed(disabled, disabled)
    assert not is_narrowed(KEY, disabled)


def test_an_unlimited_admin_has_the_role_every_session_and_every_right() -> None:
    admin = replace(KEY, role=Role.ADMIN, has_qr=True, has_chats=True)

    assert admin.is_unlimited_admin
    assert not replace(admin, scope=scope_of(["a_*"])).is_unlimited_admin
    assert not replace(admin, role=Role.OPERATOR).is_unlimited_admin
    assert not replace(admin, has_qr=False).is_unlimited_admin
    assert not replace(admin, has_chats=False).is_unlimited_admin


def test_two_texts_hold_while_they_overlap() -> None:
    key = replace(KEY, previous_sha256=b"previous", previous_until=10.0)

    assert key.texts(9.9) == {b"secret", b"previous"}
    assert key.texts(10.0) == {b"secret"}
    assert KEY.texts(0.0) == {b"secret"}
