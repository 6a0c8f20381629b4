"""What people are told once a service is installed or removed."""

import shlex
from collections.abc import Sequence
from pathlib import Path

_LOGIN = "this service runs only while you are logged in at the screen: a login by ssh does not start it"
_LOCAL_NETWORK = (
    "if your backend is on the local network, macOS 15 and later asks at the screen whether this program may reach it "
    "(Privacy & Security, Local Network); until you allow it no event arrives. A service installed without --user is "
    "not asked"
)


def after_install(*, is_mac: bool, is_own: bool) -> Sequence[str]:
    """Return what to know of the service that was installed; `is_own`: the caller's, not the whole host's."""
    if not is_own:
        return ()
    return (_LOGIN, _LOCAL_NETWORK) if is_mac else ("`loginctl enable-linger` keeps it running when you log out",)


def after_uninstall(home: Path, user: str | None, *, is_mac: bool) -> Sequence[str]:
    """Return what is left and how to remove it; `user` is the one that was made for the service, None: none was."""
    kept, place = f"{home} stays, with the sessions' credentials", shlex.quote(str(home))
    if user is None:
        return (f"{kept}: rm -r {place} removes it",)
    if is_mac:
        records = " && ".join(f"sudo dscl . -delete /{kind}/{user}" for kind in ("Users", "Groups"))
        return (f"{kept}, and so do the user {user} and its group: sudo rm -r {place} && {records} removes all",)
    return (f"{kept}, and so does the user {user}: rm -r {place} && userdel {user} removes both",)
