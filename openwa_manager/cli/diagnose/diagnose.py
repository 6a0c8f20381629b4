"""The command that writes a bundle about one session, to be handed to whoever helps."""

import argparse
import io
import json
import os
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

from openwa_manager.cli.command import Command, Invocation, takes_session
from openwa_manager.cli.discovery import SocketDaemon, find_daemon
from openwa_manager.cli.errors import CommandFailedError

if TYPE_CHECKING:
    from openwa_manager.cli.diagnose.scrubbing import Scrubber
    from openwa_manager.config import Loaded

#: A member is cut here, and so is what is read of a log.
_MEMBER_MAX_BYTES: Final = 1 << 20
_CUT: Final = b"\n<cut here: more than 1 MiB>\n"
_NOTE: Final = """What openwa-manager knows of one session, for whoever helps with it.

Left out: secrets, keys, codes, texts, numbers and names of people, values of variables. In what the engine printed,
everything in quotes and behind names such as text, to or name is left out too. Look through it before you hand it on.
"""


def _diagnose(invocation: Invocation) -> None:
    from openwa_manager.cli.diagnose.gathering import members, other_sessions
    from openwa_manager.cli.diagnose.scrubbing import Scrubber

    session_path = invocation.session_path
    session_id = invocation.arguments.session_id
    daemon = find_daemon(invocation.arguments.url, invocation.arguments.home, invocation.environ)
    local = _local(invocation, daemon.socket_path) if isinstance(daemon, SocketDaemon) else None
    client = invocation.client
    scrubber = Scrubber(_secrets(local), (session_id,), frozenset(other_sessions(client, session_id)))
    texts = {"README.txt": _NOTE}
    for name, document in members(client, session_id):
        texts[name] = json.dumps(scrubber.document(document), indent=1, ensure_ascii=False)
    if local is not None:
        texts |= _of_host(local, invocation, scrubber)
    texts["engine.log"] = scrubber.log(_tail(client.stream(f"{session_path}/logs", {"tail": _LOG_LINES})))
    path = Path(invocation.arguments.output or f"openwa-manager-{session_id}.tar.gz")
    _write(path, texts)
    invocation.output.show({"path": str(path), "members": sorted(texts)}, lambda: f"{path}: look through it first")


_LOG_LINES: Final = 400


def _tail(chunks: Iterable[bytes]) -> str:
    """Return the end of a log from the begin of a line; what a daemon sends that goes on without end is cut."""
    held, is_cut = bytearray(), False
    for chunk in islice(chunks, 1_000):
        held += chunk
        is_cut = is_cut or len(held) > _MEMBER_MAX_BYTES
        del held[:-_MEMBER_MAX_BYTES]
    if is_cut:  # nobody can tell what a line holds whose begin is lost
        del held[: held.find(b"\n") + 1 or len(held)]
    return held.decode("utf-8", "replace")


def _local(invocation: Invocation, socket_path: Path) -> "Loaded | None":
    """Return the settings of a daemon of this host, with its own variables; None where they cannot be read."""
    from openwa_manager.cli.doctor.managers import daemon_environment
    from openwa_manager.config import load
    from openwa_manager.domain.errors import ConfigError

    home = socket_path.parents[1]
    with suppress(ConfigError, OSError):
        return load({"home": str(home)}, daemon_environment(home) or invocation.environ)
    return None


def _secrets(local: "Loaded | None") -> Iterator[str]:
    """Yield what the settings hold that must not be told, and the admin's key."""
    if local is None:
        return
    settings = local.settings
    if settings.upstream_secret is not None:
        yield settings.upstream_secret.get_secret_value()
    for table in (settings.engine_env, settings.command_env):
        yield from table.values()
    yield from settings.command_argv[1:]
    with suppress(OSError):
        yield (settings.home / "admin.key").read_text("ascii", "replace")[:500]


def _of_host(local: "Loaded", invocation: Invocation, scrubber: "Scrubber") -> dict[str, str]:
    from openwa_manager.cli.doctor.host_checks import host_findings
    from openwa_manager.config import masked

    shown = {name: {"value": value, "source": local.origin(name)} for name, value in masked(local.settings).items()}
    shown["command_argv"] = {"value": f"{len(local.settings.command_argv)} words", "source": "hidden"}
    host = [dict(each._asdict()) for each in host_findings()]
    variables = sorted(name for name in invocation.environ if name.startswith(("OPENWA_", "WEBHOOK_", "PM2_")))
    documents = {"config.json": shown, "host.json": {"findings": host, "variable_names": variables}}
    return {
        name: json.dumps(scrubber.document(document), indent=1, ensure_ascii=False)  # type: ignore[arg-type]
        for name, document in documents.items()
    }


def _write(path: Path, texts: dict[str, str]) -> None:
    """Write the bundle, which only its owner may read.

    Raises:
        CommandFailedError: there is such a file already, or it cannot be written.
    """
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise CommandFailedError(f"{path} cannot be written ({error.strerror}): name another with --output") from error
    try:
        _fill(fd, texts)
    except OSError as error:
        path.unlink(missing_ok=True)  # half a bundle helps nobody, and would stand in the next one's way
        raise CommandFailedError(f"{path} cannot be written ({error.strerror})") from error
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _fill(fd: int, texts: dict[str, str]) -> None:
    with os.fdopen(fd, "wb") as file, tarfile.open(fileobj=file, mode="w:gz") as bundle:
        for name, text in texts.items():
            raw = text.encode("utf-8", "replace")
            if len(raw) > _MEMBER_MAX_BYTES:
                raw = raw[:_MEMBER_MAX_BYTES] + _CUT
            member = tarfile.TarInfo(f"diagnosis/{name}")
            member.size, member.mode = len(raw), 0o600
            bundle.addfile(member, io.BytesIO(raw))


def _declare(parser: argparse.ArgumentParser) -> None:
    takes_session(parser)
    parser.add_argument(
        "--output", metavar="FILE", help="where to write it (openwa-manager-ID.tar.gz, in this directory)"
    )


COMMANDS = (
    Command(
        "diagnose",
        "write a redacted report about a session into a file",
        _diagnose,
        _declare,
    ),
)
