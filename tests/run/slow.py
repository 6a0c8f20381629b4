"""Says which tests `make test` leaves to `make test-slow`, beside those that are marked one by one.

A pytest plugin. Most of these start daemons and engines one after the other, at a second or more each. What every
change must keep to at once is not among them: the main job, crashes, adoption, events, keys and messages.
"""

from pathlib import Path
from typing import Final

import pytest

_TESTS: Final = Path(__file__).parents[1]
#: Folders and files below `tests`, and why they may wait.
SLOW: Final = {
    "examples": "whole applications in Python and Laravel",
    "faults": "what hosts, disks and other programs do to daemons",
    "messages": "campaigns that are cut and judged",
    "cli/screens": "every command in a terminal of two sizes",
    "e2e/builds": "builds that are made, and sessions that move to them",
    "e2e/test_event_fields.py": "every event there is, with the fields that the reference tells",
    "e2e/mock/test_reset.py": "daemons that follow each other",
    "e2e/mock/test_start.py": "mocks that begin and end, one after the other",
    "e2e/mock/test_webhooks.py": "mocks that post to a backend each",
    "e2e/test_doctor.py": "every trouble that the doctor knows",
    "e2e/test_doctor_outside.py": "every answer of a backend, and who starts the daemon",
    "e2e/test_isolation.py": "engines that try what they may not",
    "e2e/test_openwa.py": "whatever OpenWA does, also on a real one",
    "e2e/test_openwa_messages.py": "the same of messages",
    "e2e/test_prometheus.py": "twenty engines that are scraped for half a minute",
    "e2e/test_relaunch.py": "daemons that are started again and again",
    "e2e/test_service_manager.py": "upgrades under a service manager",
    "e2e/test_upgrade.py": "former versions",
    "e2e/test_upgrade_of_release.py": "the last release itself",
    "run/test_limit.py": "whole runs of tests that hang",
}
#: Among them, what is not left.
AT_ONCE: Final = frozenset({"faults/test_adoption.py", "faults/test_crashes.py"})


@pytest.hookimpl(tryfirst=True)  # before tests are chosen by their marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark them."""
    for each in items:
        if is_slow(each.path):
            each.add_marker(pytest.mark.slow)


def is_slow(path: Path) -> bool:
    """Tell whether the tests of a file are left to `make test-slow`."""
    if not path.is_relative_to(_TESTS):
        return False
    place = path.relative_to(_TESTS)
    return str(place) not in AT_ONCE and any(place.is_relative_to(each) for each in SLOW)
