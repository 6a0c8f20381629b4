from dataclasses import replace
from pathlib import Path

from openwa_manager.domain.isolation import Confinement
from openwa_manager.processes.confinement.seatbelt import argv_of, profile

CONFINEMENT = Confinement(
    programs=(Path("/bin/sh"),),
    readable=(Path("/opt/home/build"), Path("/opt/more")),
    writable=(Path("/opt/home/sessions/a"),),
    hidden=(Path("/opt/home"),),
    connect_ports=(range(443, 444),),
    bind_ports=(range(9001, 9003),),
)


def lines() -> list[str]:
    return profile(CONFINEMENT, {}).splitlines()


def test_everything_is_denied_first() -> None:
    assert lines()[:2] == ["(version 1)", "(deny default)"]


def test_secrets_are_denied_after_what_holds_them_and_before_what_lies_in_them() -> None:
    said = lines()
    wide = next(at for at, line in enumerate(said) if line.startswith("(allow file-read* ") and "/opt/more" in line)
    closed = said.index('(deny file-read-data (subpath "/opt/home"))')
    own = next(at for at, line in enumerate(said) if at > closed and "(allow file-read* " in line)

    assert wide < closed < own
    assert '(subpath "/opt/home/build")' in said[own]
    assert '(subpath "/opt/home/sessions/a")' in said[own]
    assert "/opt/more" not in said[own]


def test_only_the_own_directory_is_written() -> None:
    assert '(allow file-write* (subpath "/opt/home/sessions/a") (literal "/dev/null"))' in lines()


def test_only_the_named_ports_are_reached() -> None:
    assert '(allow network-outbound (remote tcp "*:443"))' in lines()
    assert '(allow network-bind network-inbound (local tcp "*:9001") (local tcp "*:9002"))' in lines()


def test_a_quote_in_a_path_ends_no_rule() -> None:
    odd = replace(CONFINEMENT, readable=(Path('/a") (allow default) ("'),))

    assert '"/a\\") (allow default) (\\""' in profile(odd, {})


def test_the_program_runs_under_its_profile() -> None:
    argv = argv_of(CONFINEMENT, ("/bin/sh", "-c", "true"), {})

    assert argv[:2] == ("/usr/bin/sandbox-exec", "-p")
    assert argv[3:] == ("/bin/sh", "-c", "true")
