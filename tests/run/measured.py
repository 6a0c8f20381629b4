"""Measures the coverage of some of the programs that tests start, and only of those: it takes each a second.

A pytest plugin. Coverage has every program measured that inherits its variables from us. So we keep these to
ourselves, and whoever starts one of the programs that are to be measured gives them to it: `**MEASURED`.
"""

import os

import pytest

#: What has a program measure itself; empty while nothing is measured.
MEASURED: dict[str, str] = {}


@pytest.hookimpl(trylast=True)
def pytest_sessionstart() -> None:
    """Take the variables out of our environment."""
    for name in [name for name in os.environ if name.startswith("COVERAGE_")]:
        MEASURED[name] = os.environ.pop(name)
