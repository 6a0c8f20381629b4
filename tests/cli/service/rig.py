"""A host to install a service on: recording stand-ins of its programs, below a root of the test's own."""

import argparse
import getpass
import io
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from openwa_manager.cli.command import Invocation
from openwa_manager.cli.service.installation import ServiceSite, run_service
from openwa_manager.cli.terminal.output import Output
from openwa_manager.domain.delivery.events import Json

UNIT = "etc/systemd/system/openwa-manager.service"
PLIST = "Library/LaunchDaemons/com.openwa.manager.plist"
PROGRAM = ("/srv/openwa manager/bin/openwa-manager",)

FAKES = Path(__file__).parents[2] / "fakes"

#: Notes how it was called, then does what the test put into `answers/<program>-<first word that is no option>`.
STAND_IN = """#!/bin/sh
echo "$(basename "$0") $*" >> "$FAKE_LOG"
[ "$1" = --user ] && shift
answer="$FAKE_ANSWERS/$(basename "$0")-$1"
[ -e "$answer" ] && . "$answer"
"""


@dataclass
class Rig:
    """One host: a root directory, the stand-ins on PATH, the service's home."""

    place: Path
    answers: dict[str, str] = field(default_factory=dict)
    interpreter: Path = Path("/usr/local/bin/python3")

    def __post_init__(self) -> None:
        for folder in ("bin", "answers", "root"):
            (self.place / folder).mkdir()
        dscl = f'exec "{sys.executable}" "{FAKES / "dscl.py"}" "{self.users}" "$@"\n'
        for name in ("systemctl", "launchctl", "tmutil", "dscl"):
            (self.place / "bin" / name).write_text(STAND_IN + (dscl if name == "dscl" else "exit 0\n"))
            (self.place / "bin" / name).chmod(0o755)

    @property
    def users(self) -> Path:
        """The file with the records that the stand-in of dscl keeps."""
        return self.place / "users.json"

    @property
    def root(self) -> Path:
        return self.place / "root"

    @property
    def home(self) -> Path:
        """The service's home, short enough for a socket; it is what the service calls it, below no root."""
        return self.place / "h"

    @property
    def ran(self) -> list[str]:
        log = self.place / "log"
        return log.read_text().splitlines() if log.exists() else []

    def answer(self, invocation: str, script: str) -> None:
        """Let a program's word do more than succeed."""
        (self.place / "answers" / invocation).write_text(script)

    def run(self, *words: str, is_mac: bool = False, uid: int = 0) -> tuple[int, dict[str, Json]]:
        """Run `service …` and return its exit code and document."""
        out = io.StringIO()
        invocation = Invocation(parsed(self.home, words), self.environ, Output(out, "json", {}))
        code = run_service(invocation, self.site(is_mac=is_mac, uid=uid))
        return code or 0, json.loads(out.getvalue())

    def show(self, form: str, *words: str) -> str:
        """Run `service …` and return what it prints in this form."""
        out = io.StringIO()
        run_service(
            Invocation(parsed(self.home, words), self.environ, Output(out, form, {})), self.site(is_mac=False, uid=0)
        )
        return out.getvalue()

    def site(self, *, is_mac: bool, uid: int) -> ServiceSite:
        return ServiceSite(is_mac=is_mac, uid=uid, program=PROGRAM, interpreter=self.interpreter, root=self.root)

    @property
    def environ(self) -> Mapping[str, str]:
        return {
            "PATH": f"{self.place / 'bin'}:/usr/bin:/bin",
            "FAKE_LOG": str(self.place / "log"),
            "FAKE_ANSWERS": str(self.place / "answers"),
        }


def parsed(home: Path, words: tuple[str, ...]) -> argparse.Namespace:
    from openwa_manager.cli import parser_for

    argv = ["--home", str(home), "service", *words]
    return parser_for(argv).parse_args(argv)


AS_ME = ("--run-as", getpass.getuser())
