"""What is asked of an engine that its kind cannot do is refused by name."""

from dataclasses import replace

import pytest

from openwa_manager.domain.errors import EngineUnableError
from openwa_manager.domain.session.session import Spec
from openwa_manager.services.starting.dependencies import Dependencies
from tests.domain.session.driver import a_session

SESSION = replace(a_session(), spec=Spec(engine="command"))


def test_a_kind_of_engine_that_gives_no_pairing_codes_is_named(dependencies: Dependencies) -> None:
    with pytest.raises(EngineUnableError, match="'command' gives no pairing codes"):
        dependencies.pairing_of(SESSION)


def test_a_kind_of_engine_that_cannot_log_out_is_named(dependencies: Dependencies) -> None:
    with pytest.raises(EngineUnableError, match="'command' cannot unlink its device"):
        dependencies.log_out_of(SESSION)
