from itertools import pairwise

import pytest

from openwa_manager.domain.access.roles import Role


def test_the_roles_are_those_of_the_contract() -> None:
    assert [role.value for role in Role] == ["viewer", "sender", "operator", "admin"]


@pytest.mark.parametrize("role", list(Role))
def test_a_role_includes_itself(role: Role) -> None:
    assert role.includes(role)


@pytest.mark.parametrize(("less", "more"), list(pairwise(Role)))
def test_a_role_includes_the_one_before_it_and_not_the_one_after_it(less: Role, more: Role) -> None:
    assert more.includes(less)
    assert not less.includes(more)
