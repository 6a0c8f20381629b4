"""Which tests need what one system only has."""

import sys

import pytest


def linux_only(reason: str) -> pytest.MarkDecorator:
    """Return the mark of tests that other systems skip, with what they lack as the reason."""
    return pytest.mark.skipif(sys.platform != "linux", reason=reason)
