"""Runs supervisord: XML-RPC through its unix socket, a file in its configuration for each program."""

import time
import xmlrpc.client
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from tests.benchmarks.peers.contender import ENGINE, PATIENCE_S, Question
from tests.benchmarks.peers.exchange import Exchange, compose
from tests.benchmarks.peers.processes import Program
from tests.e2e.peers.daemon import eventually

_SETTINGS: Final = """[unix_http_server]
file={folder}/s.sock
[supervisord]
logfile={folder}/supervisord.log
pidfile={folder}/supervisord.pid
childlogdir={folder}
loglevel=warn
minfds=8192
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix://{folder}/s.sock
[include]
files={folder}/conf.d/*.conf
"""
_PROGRAM: Final = """[program:{session}]
command={command}
autostart=true
autorestart=true
startsecs=0
startretries=1000000
"""
_QUESTIONS: Final = {Question.ONE: "getProcessInfo", Question.ALL: "getAllProcessInfo"}
_ALREADY_STARTED: Final = 60


class Supervisord:
    """Supervisord, in the foreground as a service manager runs it."""

    name = "supervisord"
    is_slow = False
    can_create = True

    def __init__(self, folder: Path, programs: Path) -> None:
        self.folder = folder
        self._programs = programs
        self._settings = folder / "supervisord.conf"
        (folder / "conf.d").mkdir()
        self._settings.write_text(_SETTINGS.format(folder=folder))
        argv = (str(programs / "supervisord"), "-n", "-c", str(self._settings))
        self._program = Program(argv, self.environ(), folder)
        self._line: Exchange | None = None

    def start(self) -> None:
        """Run it, and wait until it tells its state."""
        self._program.start()
        eventually(self._is_ready, within_s=PATIENCE_S, every_s=0.005)

    def supervisor(self) -> int:
        """Return its one process."""
        return self._program.pid

    def own(self) -> Sequence[int]:
        """Return its one process."""
        return [self._program.pid]

    def create(self, session: str) -> float:
        """Write the program's file, read the configuration again, add the program and start it."""
        began = time.perf_counter()
        text = _PROGRAM.format(session=session, command=" ".join(ENGINE))
        (self.folder / "conf.d" / f"{session}.conf").write_text(text)
        self._call("reloadConfig")
        self._call("addProcessGroup", session)
        try:
            self._call("startProcess", session)
        except xmlrpc.client.Fault as fault:  # it starts what was added by itself, sometimes before it is told to
            if fault.faultCode != _ALREADY_STARTED:
                raise
        return time.perf_counter() - began

    def remove(self, session: str) -> None:
        """Stop the program, remove it and its file."""
        self._call("stopProcess", session)
        self._call("removeProcessGroup", session)
        (self.folder / "conf.d" / f"{session}.conf").unlink()

    def start_all(self) -> None:
        """Start all, and wait for it."""
        self._call("startAllProcesses")

    def stop_all(self) -> None:
        """Stop all, and wait for it."""
        self._call("stopAllProcesses")

    def pids(self) -> Mapping[str, int]:
        """Return what it tells of all programs."""
        told = self._call("getAllProcessInfo")
        assert isinstance(told, list)
        return {each["name"]: each["pid"] for each in told if each["pid"]}

    def save(self) -> None:
        """Do nothing: the files are there."""

    def rate(self, question: Question, clients: int, seconds: float) -> float | None:
        """Ask so; it does not know of CPU and memory."""
        if question not in _QUESTIONS:
            return None
        names = ["s0"] if question is Question.ONE else []
        assert self._line is not None
        return self._line.rate(_request(_QUESTIONS[question], *names), clients, seconds)

    def list_argv(self) -> Sequence[str]:
        """Return `supervisorctl status`."""
        return (str(self._programs / "supervisorctl"), "-c", str(self._settings), "status")

    def environ(self) -> Mapping[str, str]:
        """Return its environment."""
        return {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(self.folder)}

    def close(self) -> None:
        """Kill it."""
        if self._line is not None:
            self._line.close()
        self._program.close()

    def _is_ready(self) -> bool:
        self._program.require()
        if self._line is not None:
            self._line.close()
        try:
            self._line = Exchange(self.folder / "s.sock")
            self._call("getState")
        except OSError:
            return False
        return True

    def _call(self, method: str, *arguments: str) -> object:
        assert self._line is not None
        values, _ = xmlrpc.client.loads(self._line.ask(_request(method, *arguments)))
        return values[0]


def _request(method: str, *arguments: str) -> bytes:
    body = xmlrpc.client.dumps(arguments, f"supervisor.{method}").encode()
    return compose("POST", "/RPC2", {"Content-Type": "text/xml", "Connection": "keep-alive"}, body)
