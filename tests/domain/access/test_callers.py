from openwa_manager.domain.access.callers import Caller
from openwa_manager.domain.access.roles import Role


def test_callers_of_one_name_and_role_are_the_same() -> None:
    assert Caller(name="a.key", role=Role.VIEWER) == Caller(name="a.key", role=Role.VIEWER)
    assert Caller(name="a.key", role=Role.VIEWER) != Caller(name="a.key", role=Role.SENDER)
