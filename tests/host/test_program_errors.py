import errno

from openwa_manager.host.program_errors import advice_on


def test_a_program_for_another_processor_is_told_from_a_broken_one() -> None:
    advice = advice_on(86, "/usr/local/bin/node")  # EBADARCH of macOS, which no other system knows

    assert advice is not None
    assert advice.startswith("/usr/local/bin/node is built for another processor; install the build for this Mac")
    assert "softwareupdate --install-rosetta" in advice


def test_nothing_is_advised_where_nothing_is_known() -> None:
    assert [advice_on(number, "/bin/engine") for number in (None, errno.EIO)] == [None, None]
