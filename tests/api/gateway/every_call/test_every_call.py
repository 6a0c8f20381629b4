"""Every call of OpenWA's SDK, here and at a bare OpenWA: what differs is what `docs/gateway.md` says.

On the simulator in each run, and on a real OpenWA where OPENWA_HOME names one. A new method of the SDK fails the first
test until it is one of the steps.
"""

import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
from openwa import OpenWAClient

from tests.api.gateway.every_call.outcomes import Outcome
from tests.api.gateway.every_call.sides import bare, behind_the_gateway, hook
from tests.api.gateway.every_call.steps import STEPS, Step
from tests.engines.rig import ON_REAL_OPENWA
from tests.source import ROOT

PAGE = ROOT / "openwa_manager" / "docs" / "gateway.md"
#: Methods of the client itself that are no calls of OpenWA's.
NO_CALLS = {"close", "request"}
#: What only a simulator does that is no OpenWA whole: calls that it has not answer so.
LACKING = "Cannot "

Walk = tuple[Mapping[str, Outcome], Mapping[str, Outcome]]


def methods_of_the_sdk() -> set[str]:
    """Return the public methods of the client and of everything that hangs on it, as `messages.send_text`."""
    found = {name for name, member in vars(OpenWAClient).items() if callable(member) and not name.startswith("_")}
    with OpenWAClient("http://127.0.0.1:1", "a key") as client:
        for resource in (name for name, member in vars(OpenWAClient).items() if isinstance(member, property)):
            methods = vars(type(getattr(client, resource)))
            found |= {f"{resource}.{name}" for name, each in methods.items() if callable(each) and name[0] != "_"}
    return found - NO_CALLS


@dataclass(frozen=True, slots=True)
class Walked:
    """What came of every call, at both."""

    bare: Mapping[str, Outcome]
    here: Mapping[str, Outcome]
    is_real: bool

    def differences(self) -> dict[str, tuple[int, int]]:
        """Return the statuses of the calls that are not answered alike."""
        return {
            name: (outcome.status, self.here[name].status)
            for name, outcome in self.bare.items()
            if outcome != self.here[name] and not self.is_lacking(name)
        }

    def is_lacking(self, name: str) -> bool:
        """Tell whether this is a call that the simulator has not, or this version of OpenWA."""
        return self.bare[name].status == 404 and LACKING in self.bare[name].content


@pytest.fixture(scope="module", params=["simulator", pytest.param("openwa", marks=ON_REAL_OPENWA)])
def walked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walked]:
    home, is_real = tmp_path_factory.mktemp("sdk"), request.param == "openwa"
    with (
        hook() as url,
        bare(home / "bare", is_real=is_real) as alone,
        behind_the_gateway(home / "gateway", is_real=is_real) as behind,
        ThreadPoolExecutor(2) as both,
    ):
        walks = [both.submit(side.walk, STEPS, url) for side in (alone, behind)]
        yield Walked(walks[0].result(), walks[1].result(), is_real)


def rows_of_the_page() -> dict[str, tuple[int, int]]:
    """Return the table of `docs/gateway.md`: call → the statuses of both."""
    rows: dict[str, tuple[int, int]] = {}
    for calls, alone, here in re.findall(
        r"^\| (`\w+[.`].*?) \| (\d{3}).*? \| (\d{3}).*? \|", PAGE.read_text(), re.MULTILINE
    ):
        for call in calls.replace("`", "").split(" · "):
            assert call not in rows, call
            rows[call] = (int(alone), int(here))
    return rows


def test_every_method_of_the_sdk_is_called() -> None:
    assert {step.call for step in STEPS if isinstance(step, Step)} == methods_of_the_sdk()


def test_no_two_steps_have_one_name() -> None:
    names = [step.name for step in STEPS if isinstance(step, Step)]

    assert len(set(names)) == len(names)


def test_what_differs_from_a_bare_openwa_is_what_the_page_says(walked: Walked) -> None:
    expected = {call: row for call, row in rows_of_the_page().items() if not walked.is_lacking(call)}

    assert walked.differences() == expected


def test_most_calls_are_answered_and_not_only_refused(walked: Walked) -> None:
    good = [name for name, outcome in walked.here.items() if outcome.status < 300]

    assert len(good) > (90 if walked.is_real else 60)
