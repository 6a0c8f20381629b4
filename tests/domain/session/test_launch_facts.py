from openwa_manager.domain.session.launch_facts import LockHeld, finder


def test_whoever_holds_a_file_is_found_with_what_the_platform_has() -> None:
    assert finder("darwin") == "lsof"
    assert finder("linux") == "fuser -v"


def test_a_lock_that_is_held_names_how_its_holder_is_found() -> None:
    assert LockHeld(path="/s/.locks/a").sentence.endswith("/s/.locks/a` names it); end it, then try again")
