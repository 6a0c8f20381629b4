from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwa_manager.domain.access.addresses import ClientAddress
from openwa_manager.domain.access.callers import ADMIN_KEY, KeyId
from openwa_manager.domain.access.keys import ApiKey, KnownKey, RefusedKey
from openwa_manager.domain.access.roles import Role
from openwa_manager.domain.access.secret_hashes import sha256_of
from openwa_manager.services.access.key_ring import KeyRing
from tests.fakes.clock import FakeClock

SECRET = "0" * 64
TEXT, BEFORE = f"owm_k1_{SECRET}", f"owm_k1_{'1' * 64}"
KEY = ApiKey(
    key_id=KeyId("k1"),
    name="a key",
    role=Role.VIEWER,
    secret_sha256=sha256_of(TEXT),
    created_at=1.0,
    created_by="admin",
)
LOCAL = ClientAddress(ip_address("127.0.0.1"))


def ring_of(*keys: ApiKey, admin_text: str | None = None, knows_addresses: bool = True) -> KeyRing:
    ring = KeyRing(FakeClock(), knows_addresses=knows_addresses)
    ring.fill(keys, admin_text)
    return ring


def test_a_key_is_known_by_its_whole_text() -> None:
    ring = ring_of(KEY)

    assert ring.identify(TEXT, LOCAL) == KnownKey(caller=KEY.caller, secret_sha256=KEY.secret_sha256)
    for wrong in (BEFORE, TEXT[:-1], f"{TEXT}0", f" {TEXT}", f"owm_k1_{'0' * 63}", TEXT.upper()):
        assert isinstance(ring.identify(wrong, LOCAL), RefusedKey)


def test_a_refusal_names_only_keys_that_there_are() -> None:
    ring = ring_of(KEY)

    assert ring.identify(BEFORE, LOCAL) == RefusedKey(key_id=KEY.key_id)
    for stranger in ("", "owm_k2_x", "k1", "owm_", "owm_k1", f"owm_K1_{SECRET}", "owm_" + "a" * 33 + "_x"):
        assert ring.identify(stranger, LOCAL) == RefusedKey(key_id=None)


@given(given_text=st.text() | st.text(alphabet="owm_k1\udc80\x00").map(lambda rest: f"owm_k1_{rest}"))
def test_no_other_text_opens_anything_or_breaks_anything(given_text: str) -> None:
    if given_text != TEXT:
        assert isinstance(ring_of(KEY).identify(given_text, None), RefusedKey)


def test_the_text_before_a_rotation_holds_as_long_as_it_is_to() -> None:
    clock = FakeClock()
    rotated = replace(KEY, previous_sha256=sha256_of(BEFORE), previous_until=clock.now().at + 10)
    ring = KeyRing(clock)
    ring.fill([rotated], None)

    assert isinstance(ring.identify(BEFORE, LOCAL), KnownKey)
    clock.set_wall(10)
    assert isinstance(ring.identify(BEFORE, LOCAL), RefusedKey)
    assert isinstance(ring.identify(TEXT, LOCAL), KnownKey)


@pytest.mark.parametrize("fields", [{"is_disabled": True}, {"expires_at": 1.0}])
def test_a_key_that_holds_no_more_is_refused(fields: dict[str, float]) -> None:
    key = replace(KEY, **fields)  # type: ignore[arg-type]

    assert ring_of(key).identify(TEXT, LOCAL) == RefusedKey(key_id=KEY.key_id)


def test_a_key_is_taken_from_its_addresses_only() -> None:
    ring = ring_of(replace(KEY, allowed_ips=(ip_network("127.0.0.0/8"),)))

    assert isinstance(ring.identify(TEXT, LOCAL), KnownKey)
    for client in (ClientAddress(ip_address("192.0.2.1")), None):
        assert ring.identify(TEXT, client) == RefusedKey(key_id=KEY.key_id)


def test_where_nobody_can_tell_addresses_a_key_that_is_bound_to_some_is_refused() -> None:
    """Behind a tunnel everybody comes from 127.0.0.1."""
    bound = replace(KEY, allowed_ips=(ip_network("127.0.0.0/8"),))

    assert isinstance(ring_of(bound, knows_addresses=False).identify(TEXT, LOCAL), RefusedKey)
    assert isinstance(ring_of(KEY, knows_addresses=False).identify(TEXT, LOCAL), KnownKey)


def test_the_admins_file_may_name_any_id() -> None:
    text = f"owm_ops_{SECRET}"
    admin = replace(KEY, key_id=ADMIN_KEY, role=Role.ADMIN, secret_sha256=sha256_of(text))

    found = ring_of(admin, admin_text=text).identify(text, LOCAL)

    assert isinstance(found, KnownKey)
    assert found.caller.key_id == ADMIN_KEY


def test_what_changes_counts_at_once() -> None:
    ring = ring_of(KEY)

    ring.put(replace(KEY, role=Role.SENDER))
    found = ring.identify(TEXT, LOCAL)
    assert isinstance(found, KnownKey)
    assert found.caller.role is Role.SENDER
    ring.drop(KEY.key_id)
    assert ring.identify(TEXT, LOCAL) == RefusedKey(key_id=None)
    assert ring.find(KEY.key_id) is None


def test_a_text_that_was_let_in_before_is_looked_at_again_each_time() -> None:
    clock = FakeClock()
    ring = KeyRing(clock)
    ring.fill([replace(KEY, expires_at=clock.now().at + 10, allowed_ips=(ip_network("127.0.0.0/8"),))], None)
    ring.identify(TEXT, LOCAL)

    assert isinstance(ring.identify(TEXT, ClientAddress(ip_address("192.0.2.1"))), RefusedKey)
    assert ring.identify(TEXT, LOCAL) is ring.identify(TEXT, LOCAL)
    clock.set_wall(10)
    assert isinstance(ring.identify(TEXT, LOCAL), RefusedKey)


@pytest.mark.parametrize("secret_sha256", [sha256_of(BEFORE), KEY.secret_sha256])
def test_a_text_that_was_let_in_before_is_refused_once_its_key_is_changed_or_gone(secret_sha256: bytes) -> None:
    ring = ring_of(KEY)
    assert isinstance(ring.identify(TEXT, LOCAL), KnownKey)

    ring.put(replace(KEY, secret_sha256=secret_sha256, is_disabled=secret_sha256 == KEY.secret_sha256))

    assert isinstance(ring.identify(TEXT, LOCAL), RefusedKey)
    ring.put(KEY)
    assert isinstance(ring.identify(TEXT, LOCAL), KnownKey)
    ring.drop(KEY.key_id)
    assert isinstance(ring.identify(TEXT, LOCAL), RefusedKey)
