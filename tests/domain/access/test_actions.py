import pytest

from openwa_manager.domain.access.actions import NEEDS, Action, Allowed, Forbidden, Hidden, may
from openwa_manager.domain.access.callers import UNIX_SOCKET, Caller
from openwa_manager.domain.access.roles import Role
from openwa_manager.domain.access.scopes import scope_of
from openwa_manager.domain.session.session import SessionId

OWN, OTHER = SessionId("user_1_a"), SessionId("user_10_a")


def caller(role: Role, *, qr: bool = True, chats: bool = True) -> Caller:
    return Caller(name="key", role=role, scope=scope_of(["user_1_*"]), has_qr=qr, has_chats=chats)


def test_every_action_says_what_it_needs() -> None:
    assert set(NEEDS) == set(Action)


@pytest.mark.parametrize("action", Action)
@pytest.mark.parametrize("role", Role)
def test_a_role_may_what_the_ones_before_it_may(action: Action, role: Role) -> None:
    verdict = may(caller(role), action, OWN)

    is_enough = list(Role).index(role) >= list(Role).index(NEEDS[action].role)
    assert isinstance(verdict, Allowed if is_enough else Forbidden)
    assert isinstance(verdict, Allowed) or f"the role {NEEDS[action].role}" in verdict.needed


@pytest.mark.parametrize("action", Action)
def test_no_role_brings_codes_or_chats_with_it(action: Action) -> None:
    plain = may(caller(Role.ADMIN, qr=False, chats=False), action)

    assert isinstance(plain, Forbidden if NEEDS[action].qr or NEEDS[action].chats else Allowed)


@pytest.mark.parametrize("action", Action)
def test_a_session_of_others_is_hidden_from_whoever_may_do_it_at_all(action: Action) -> None:
    assert isinstance(may(caller(Role.ADMIN), action, OTHER), Hidden)


@pytest.mark.parametrize("action", Action)
def test_what_a_caller_lacks_altogether_tells_nothing_of_what_exists(action: Action) -> None:
    viewer = caller(Role.VIEWER, qr=False, chats=False)

    assert isinstance(may(viewer, action, OWN), Forbidden) == isinstance(may(viewer, action, OTHER), Forbidden)


@pytest.mark.parametrize("action", Action)
def test_whoever_asks_through_the_socket_may_everything(action: Action) -> None:
    assert isinstance(may(UNIX_SOCKET, action, OTHER), Allowed)
