from ipaddress import ip_address

import pytest

from openwa_manager.domain.access.addresses import ClientAddress
from openwa_manager.domain.access.buckets import Rate
from openwa_manager.domain.access.callers import UNIX_SOCKET, Caller, KeyId
from openwa_manager.domain.access.roles import Role
from openwa_manager.domain.errors import RateLimitedError
from openwa_manager.domain.session.session import SessionId
from openwa_manager.services.access.rate_limits import RateLimits
from tests.fakes.clock import FakeClock

ACME, OTHER = SessionId("acme"), SessionId("other")


def caller(key_id: str = "k1", per_s: float | None = None, burst: float | None = None) -> Caller:
    return Caller(name="a key", role=Role.OPERATOR, key_id=KeyId(key_id), rate_per_s=per_s, rate_burst=burst)


def client(address: str) -> ClientAddress:
    return ClientAddress(ip_address(address))


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def limits(clock: FakeClock) -> RateLimits:
    return RateLimits(clock)


def calls_of(limits: RateLimits, by: Caller, count: int) -> int:
    """Call so often, and return how many calls were let through."""
    for number in range(count):
        try:
            limits.count_call(by)
        except RateLimitedError:
            return number
    return count


async def test_a_key_may_call_40_times_at_once_and_20_times_a_second(limits: RateLimits, clock: FakeClock) -> None:
    assert calls_of(limits, caller(), 100) == 40
    await clock.advance(1)
    assert calls_of(limits, caller(), 100) == 20


def test_one_key_takes_nothing_from_another(limits: RateLimits) -> None:
    calls_of(limits, caller("k1"), 100)

    assert calls_of(limits, caller("k2"), 100) == 40


@pytest.mark.parametrize(
    ("per_s", "burst", "at_once", "in_a_second"), [(2, 5, 5, 2), (2, None, 40, 2), (None, 5, 5, 5), (50, 100, 100, 50)]
)
async def test_a_key_may_have_a_rate_of_its_own(
    limits: RateLimits, clock: FakeClock, per_s: float | None, burst: float | None, at_once: int, in_a_second: int
) -> None:
    own = caller(per_s=per_s, burst=burst)

    assert calls_of(limits, own, 200) == at_once
    await clock.advance(1)
    assert calls_of(limits, own, 200) == in_a_second


def test_the_settings_say_what_holds_for_the_others(clock: FakeClock) -> None:
    assert calls_of(RateLimits(clock, Rate(per_s=1, burst=3)), caller(), 100) == 3


def test_who_asks_too_often_is_told_when_he_may_again(limits: RateLimits) -> None:
    slow = caller(per_s=0.1, burst=1)
    limits.count_call(slow)

    with pytest.raises(RateLimitedError, match=r"0\.1 calls a second, 1 at once") as refused:
        limits.count_call(slow)

    assert refused.value.retry_after_s == 10


def test_a_wait_is_told_as_a_second_at_least(limits: RateLimits) -> None:
    calls_of(limits, caller(), 40)

    with pytest.raises(RateLimitedError) as refused:
        limits.count_call(caller())

    assert refused.value.retry_after_s == 1


async def test_a_session_is_started_3_times_in_30_s_whoever_asks(limits: RateLimits, clock: FakeClock) -> None:
    for number in range(3):
        limits.count_start(caller(f"k{number}"), ACME)

    with pytest.raises(RateLimitedError) as refused:
        limits.count_start(caller("k9"), ACME)
    limits.count_start(caller("k9"), OTHER)

    assert refused.value.retry_after_s == 10
    await clock.advance(10)
    limits.count_start(caller("k9"), ACME)


async def test_a_client_may_send_10_keys_that_are_none_in_a_minute(limits: RateLimits, clock: FakeClock) -> None:
    for _ in range(10):
        limits.count_failed_login(client("192.0.2.7"))

    with pytest.raises(RateLimitedError) as refused:
        limits.count_failed_login(client("192.0.2.7"))

    assert refused.value.retry_after_s == 6
    await clock.advance(6)
    limits.count_failed_login(client("192.0.2.7"))


def test_who_has_a_whole_network_of_ipv6_is_one_client(limits: RateLimits) -> None:
    for number in range(10):
        limits.count_failed_login(client(f"2001:db8::{number:x}"))

    with pytest.raises(RateLimitedError):
        limits.count_failed_login(client("2001:db8::ffff:ffff"))
    limits.count_failed_login(client("2001:db8:0:1::1"))


def test_what_proxies_bring_through_the_socket_is_one_client(limits: RateLimits) -> None:
    for _ in range(10):
        limits.count_failed_login(None)

    with pytest.raises(RateLimitedError):
        limits.count_failed_login(None)
    limits.count_failed_login(client("192.0.2.7"))


def test_who_needs_no_key_is_not_limited(limits: RateLimits) -> None:
    assert calls_of(limits, UNIX_SOCKET, 1000) == 1000
    for _ in range(100):
        limits.count_start(UNIX_SOCKET, ACME)


def test_without_a_rate_nothing_is_limited(clock: FakeClock) -> None:
    limits = RateLimits(clock, None)

    assert calls_of(limits, caller(per_s=1, burst=1), 1000) == 1000
    for _ in range(100):
        limits.count_start(caller(), ACME)
        limits.count_failed_login(client("192.0.2.7"))
