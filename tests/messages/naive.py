"""The loop that one writes instead: send, note what was answered, sleep, and after a time-out try again.

As a program it works through the jobs of one session, and begins again where its notes end: `python -m
tests.messages.naive <jobs> <notes>`. `run_naive` runs one beside each simulator and kills both as the campaign does.
"""

import http.client
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

from openwa_manager.domain.delivery.events import Json
from tests.messages.plan import SessionPlan
from tests.messages.truth import number_in
from tests.simulator.harness import KEY, ROOT, Simulator

TIMEOUT_S = 2.0
ATTEMPTS_MAX = 3
_DONE_WITHIN_S = 120.0
_PAUSES_S = (0.3, 1.0, 3.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a loop that was killed so often did, beside what was wanted."""

    wanted: int
    sent_twice: int
    never_sent: int
    sent_but_failed: int
    kills: int

    def lines(self) -> Iterator[str]:
        """Yield the table."""
        yield f"{'naive loop: wanted':36} {self.wanted:6}"
        yield f"{'naive loop: sent twice or more':36} {self.sent_twice:6}"
        yield f"{'naive loop: given up, never sent':36} {self.never_sent:6}"
        yield f"{'naive loop: sent, noted as failed':36} {self.sent_but_failed:6}"
        yield f"{'naive loop: kills':36} {self.kills:6}"


@dataclass
class Loop:
    """The loop of one session, its engine, and how often they were killed."""

    folder: Path
    plan: SessionPlan
    simulator: Simulator
    session_id: str = ""
    process: "subprocess.Popen[bytes] | None" = None
    kills: int = field(default=0)

    def start(self) -> None:
        """Link the session, write the jobs down and begin."""
        self.session_id = self.simulator.linked()
        jobs: dict[str, Json] = {
            "port": self.simulator.port,
            "session_id": self.session_id,
            "messages": [{"chatId": f"{each.number}@c.us", "text": each.text} for each in self.plan.messages],
        }
        (self.folder / "jobs.json").write_text(json.dumps(jobs))
        self.go_on()

    def go_on(self) -> None:
        """Run the program."""
        argv = [sys.executable, "-m", "tests.messages.naive", str(self.folder / "jobs.json"), str(self.notes)]
        self.process = subprocess.Popen(argv, cwd=ROOT, env={"PATH": os.environ["PATH"], "HOME": str(self.folder)})

    @property
    def notes(self) -> Path:
        """Return where it notes what became of each job."""
        return self.folder / "notes.jsonl"

    def kill_loop(self) -> None:
        """Kill the program and run it again."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)
        self.kills += 1
        self.go_on()

    def kill_engine(self) -> None:
        """Kill the engine and start it again; it connects by itself."""
        self.simulator.kill()
        self.kills += 1
        self.simulator.start()
        self.simulator.start_session(self.session_id)

    def finish(self, within_s: float) -> None:
        """Wait until all jobs are done."""
        assert self.process is not None
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(within_s)
        self.process.kill()
        self.process.wait(10)

    def compare(self) -> Counter[str]:
        """Return how often what happened."""
        got = Counter(number_in(str(entry["chat_id"])) for entry in self.simulator.books())
        noted = {index: str(note["status"]) for index, note in read_notes(self.notes).items()}
        counts: Counter[str] = Counter()
        by_number: dict[str, list[int]] = {}
        for index, message in enumerate(self.plan.messages):
            by_number.setdefault(message.number, []).append(index)
        for number, indices in by_number.items():
            said_sent = sum(noted.get(index) == "sent" for index in indices)
            counts["twice"] += got[number] > len(indices)
            counts["never"] += max(0, len(indices) - got[number])
            counts["denied"] += len(indices) >= got[number] > said_sent
        return counts


def run_naive(folder: Path, plan: Sequence[SessionPlan], kill_count: int, spread_s: float, seed: int) -> Outcome:
    """Run a loop for each session, kill loops and engines so often each, and return what came of it."""
    chance = random.Random(f"{seed} naive")  # noqa: S311 (a run is to be repeatable)
    with ExitStack() as stack:
        loops: list[Loop] = []
        for number, session in enumerate(plan):
            (place := folder / f"naive-{number}").mkdir(parents=True)
            env = {**session.engine_env, "SIM_RESTRICTED_S": "1.5"}
            loops.append(Loop(place, session, stack.enter_context(Simulator(place, env))))
        for loop in loops:
            loop.start()
        todo = [Loop.kill_loop, Loop.kill_engine] * kill_count
        chance.shuffle(todo)
        for kill in todo:
            time.sleep(chance.uniform(0, 2 * spread_s / len(todo)))
            kill(chance.choice(loops))
        for loop in loops:
            loop.finish(_DONE_WITHIN_S)
        counts = sum((loop.compare() for loop in loops), Counter[str]())
        return Outcome(
            wanted=sum(len(session.messages) for session in plan),
            sent_twice=counts["twice"],
            never_sent=counts["never"],
            sent_but_failed=counts["denied"],
            kills=sum(loop.kills for loop in loops),
        )


def read_notes(path: Path) -> dict[int, Mapping[str, Json]]:
    """Return the last note about each job."""
    if not path.exists():
        return {}
    notes: dict[int, Mapping[str, Json]] = {}
    for line in path.read_text().splitlines():
        with suppress(ValueError):
            note = json.loads(line)
            notes[int(note["index"])] = note
    return notes


def work(jobs_path: Path, notes_path: Path) -> None:
    """Do the jobs that are not noted as done."""
    jobs = json.loads(jobs_path.read_text())
    known = read_notes(notes_path)
    with notes_path.open("a", buffering=1) as notes:
        for index, message in enumerate(jobs["messages"]):
            if index in known:
                continue
            status = _send_at_last(int(jobs["port"]), str(jobs["session_id"]), message)
            notes.write(json.dumps({"index": index, "status": status}) + "\n")
            time.sleep(random.uniform(0.02, 0.05))  # noqa: S311 (as the campaign's gap)


def _send_at_last(port: int, session_id: str, message: Mapping[str, Json]) -> str:
    for attempt in range(ATTEMPTS_MAX):
        status, text = _send(port, session_id, message)
        if status == 201:
            return "sent"
        if status == 400 and "blocked" in text:
            return "bounced"
        time.sleep(_PAUSES_S[attempt])
    return "failed"


def _send(port: int, session_id: str, message: Mapping[str, Json]) -> tuple[int, str]:
    """Return status and body; 0 when there was no answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    try:
        headers = {"X-API-Key": KEY, "Content-Type": "application/json"}
        path = f"/api/sessions/{session_id}/messages/send-text"
        connection.request("POST", path, json.dumps(message).encode(), headers)
        response = connection.getresponse()
        return response.status, response.read().decode()
    except (OSError, http.client.HTTPException):
        return 0, ""
    finally:
        connection.close()


if __name__ == "__main__":
    work(Path(sys.argv[1]), Path(sys.argv[2]))
