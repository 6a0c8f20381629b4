"""An engine with a vice: it comes up as OpenWA does, and then does what an engine should not.

The standard library only: it is copied to where a `node` is looked for. Its session's id begins with the vice; that of
a session without any is served by the simulator, of which a copy lies in the build.
"""

import gzip
import hashlib
import hmac
import http.client
import json
import os
import signal
import socket
import socketserver
import sys
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from importlib import import_module
from pathlib import Path
from urllib.parse import urlsplit

SESSION = Path.cwd().name
VICE = SESSION.partition("-")[0]
INNER_ID = str(uuid.uuid5(uuid.NAMESPACE_DNS, SESSION))
LAUNCH = os.environ.get("OPENWA_MANAGER_LAUNCH_ID", "")
BUILD = str(Path(sys.argv[-1]).parent)
MIB = 1 << 20


def row() -> dict[str, object]:
    """Return the record of our session, by the name under which the daemon looks for it."""
    digest = hashlib.sha256(SESSION.encode()).hexdigest()[:12]
    name = f"{SESSION.replace('_', '-')[:37].strip('-')}-{digest}"
    status = "qr_ready" if VICE == "code" else "ready"
    return {"id": INNER_ID, "name": name, "status": status, "phone": "85212345678", "engineLoaded": True}


class Hook:
    """Where this launch posts, once it was told."""

    def __init__(self) -> None:
        self.url, self.secret = "", ""
        self.is_known = threading.Event()

    def learn(self, body: bytes) -> None:
        """Note what the daemon registers; the vice begins."""
        told = json.loads(body)
        self.url, self.secret = str(told["url"]), str(told["secret"])
        if not self.is_known.is_set():
            self.is_known.set()
            for work in BACKGROUND.get(VICE, ()):
                threading.Thread(target=endlessly, args=(work,), daemon=True).start()

    def connection(self) -> http.client.HTTPConnection:
        """Return a connection to the intake."""
        return http.client.HTTPConnection(*self.intake(), timeout=10)

    def intake(self) -> tuple[str, int]:
        """Return where the intake listens: its name is resolved by the shim of a Node.js, which we are not."""
        return "127.0.0.1", urlsplit(self.url).port or 0

    def post(self, line: http.client.HTTPConnection, body: bytes, key: str = "") -> int:
        """Post a signed body."""
        signature = hmac.new(self.secret.encode(), body, hashlib.sha256).hexdigest()
        headers = {"Content-Type": "application/json", "X-OpenWA-Signature": f"sha256={signature}"}
        line.request(
            "POST", urlsplit(self.url).path, body, headers | ({"X-OpenWA-Idempotency-Key": key} if key else {})
        )
        answer = line.getresponse()
        answer.read()
        return answer.status


HOOK = Hook()


def endlessly(work: Callable[[], None]) -> None:
    """Do it again and again, whatever comes of it."""
    while True:
        with suppress(OSError, http.client.HTTPException):
            work()
        time.sleep(0.05)


class Handler(BaseHTTPRequestHandler):
    """Serves what a bring-up asks for, and from then on the vice."""

    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the library's name)
        """Say nothing."""

    def tell(self, value: object, status: int = 200) -> None:
        """Answer JSON."""
        self.tell_bytes(json.dumps(value).encode(), status=status)

    def tell_bytes(self, body: bytes, status: int = 200, **headers: str) -> None:
        """Answer these bytes."""
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        """Answer, or misbehave."""
        if HOOK.is_known.is_set() and VICE in ANSWERS and "/sessions/" in self.path:
            ANSWERS[VICE](self)
        elif self.path.startswith("/api/health"):
            self.tell({"status": "ok"})
        elif self.path == "/api/sessions":
            self.tell([row()])
        elif self.path.endswith("/webhooks") or "delivery-failures" in self.path:
            self.tell([])
        else:
            self.tell(row())

    def do_POST(self) -> None:
        """Take the webhook; agree to everything."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path.endswith("/webhooks"):
            HOOK.learn(body)
            self.tell({"id": "hook", "url": HOOK.url}, 201)
        else:
            self.tell({"messageId": "true_1@c.us_1"} if "/messages/" in self.path else row(), 201)

    do_PUT = do_DELETE = do_POST  # noqa: N815 (the library's names)


def pour(handler: Handler, part: bytes, pause_s: float = 0.0, **headers: str) -> None:
    """Answer without end."""
    handler.send_response(200)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    while True:
        handler.wfile.write(part)
        time.sleep(pause_s)


def hang(handler: Handler) -> None:
    """Take the call, and that is all."""
    del handler
    time.sleep(3600)


def garble(handler: Handler) -> None:
    """Answer what no JSON parser should be given."""
    values = (
        b"[" * MIB,
        b'{"a":' * 1000 + b"1" + b"}" * 1000,
        json.dumps({**row(), "pushName": "\ud83d" * MIB, "lastError": "x" * MIB}).encode(),
        b'{"id": 1e400, "name": -1e999, "status": ' + b"9" * 100_000 + b"}",
        b"[" + b"0," * (MIB // 2) + b"0]",
        b"HTTP/1.1 200 OK\r\n" * 50,
    )
    handler.tell_bytes(values[int(time.time()) % len(values)])  # noqa: TID251 (any number)


def odd_status(handler: Handler) -> None:
    """Answer what is hardly HTTP."""
    handler.wfile.write(b"HTTP/1.1 099 \xff\xfe\r\n" + b"X-Long: " + b"y" * (16 * MIB) + b"\r\n\r\n")
    handler.close_connection = True


ANSWERS: dict[str, Callable[[Handler], None]] = {
    "endless": lambda handler: pour(handler, b'{"a":' * 10_000, Content_Type="application/json"),
    "drip": lambda handler: pour(handler, b" ", 1.0, Content_Type="application/json"),
    "bomb": lambda handler: handler.tell_bytes(gzip.compress(b" " * (64 * MIB), 9), Content_Encoding="gzip"),
    "code": lambda handler: handler.tell(
        {**row(), "qrCode": "data:image/png;base64," + "A" * (30 * MIB), "status": "qr_ready"}
    ),
    "garbled": garble,
    "deaf": hang,
    "odd": odd_status,
}


def flood() -> None:
    """Post small events, those about the session among them, as fast as is answered."""
    line = HOOK.connection()
    events = (
        *("session.status", "session.disconnected", "session.authenticated", "session.qr", "session.reconnect_loop"),
        *("session.status.x" + "y" * 200, "message.received", "message.ack", "session.connected", "session.banned_"),
    )
    for number in range(2000):
        event = events[number % len(events)]
        data = {"sessionId": INNER_ID, "status": "disconnected", "reason": "x" * 500, "id": f"{number}"}
        HOOK.post(line, json.dumps({"event": event, "data": data}).encode(), f"{LAUNCH}-{time.time()}")  # noqa: TID251
    line.close()


def post_media() -> None:
    """Post events as large as the daemon takes."""
    line = HOOK.connection()
    data = {"id": "x", "from": "85212345678@c.us", "body": "y", "media": {"data": "A" * (2 * MIB - 1000)}}
    body = json.dumps({"event": "message.received", "data": data}).encode()
    while True:
        if HOOK.post(line, body, f"{LAUNCH}-{time.time()}") != 200:  # noqa: TID251 (any number)
            time.sleep(0.2)


def post_garbage() -> None:
    """Post what is unsigned, deep, broken off, or never comes."""
    line = HOOK.connection()
    for body in (b"[" * MIB, b'{"event":"x","data":' + b'{"a":' * 900 + b"1" + b"}" * 901, b"\xff" * MIB):
        HOOK.post(line, body)
    many = json.dumps({"event": "message.received", "data": {"list": [0] * 49_000}}).encode()
    HOOK.post(line, many, f"{time.time()}")  # noqa: TID251 (any number)
    parts = urlsplit(HOOK.url)
    lines = [socket.create_connection(HOOK.intake(), timeout=5) for _ in range(50)]
    head = f"POST {parts.path} HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n{{".encode()
    for each in lines:
        each.sendall(head)
    time.sleep(2)
    for each in lines:
        each.close()


def write_log() -> None:
    """Write 20 MB/s to the log, half of it in one line."""
    for number in range(100):
        os.write(1, b"x" * 200_000 + (b"\n" if number >= 50 else b""))
        time.sleep(0.01)


def wreck_files() -> None:
    """Put into the directory what is no plain file."""
    for name in ("data/baileys", "logs", "tmp"):
        Path(name).mkdir(parents=True, exist_ok=True)
    for name, make in (
        ("data/baileys/creds.json", os.mkfifo),
        ("qr.png", lambda path: Path(path).symlink_to("/etc/passwd")),
        ("data/openwa.sqlite", lambda path: Path(path).write_bytes(b"")),
        ("data/.api-key", os.mkfifo),
        ("logs/engine.log.1", lambda path: Path(path).symlink_to("../../neighbour-0/logs/engine.log")),
        ("shut", lambda path: Path(path).mkdir(mode=0)),
        ("tmp/second name", lambda path: os.link("data/openwa.sqlite", path)),
    ):
        with suppress(OSError):
            Path(name).unlink()
        with suppress(OSError):
            make(name)
    with suppress(OSError):
        Path("logs/engine.log").rename("logs/moved")
    dig(1500)
    time.sleep(1)


def dig(depth: int) -> None:
    """Nest directories, deeper than a path may be long."""
    fd = os.open(".", os.O_RDONLY)
    try:
        for _ in range(depth):
            with suppress(FileExistsError):
                os.mkdir("deeper", dir_fd=fd)
            below = os.open("deeper", os.O_RDONLY, dir_fd=fd)
            os.close(fd)
            fd = below
    finally:
        os.close(fd)


def fork_away() -> None:
    """Leave processes behind that belong to nobody, know nothing and hear no signal."""
    if (child := os.fork()) == 0:
        os.setsid()
        if os.fork() == 0:
            program = "import signal, time; [signal.signal(n, signal.SIG_IGN) for n in (1, 2, 15)]; time.sleep(20)"
            os.execve(sys.executable, ["innocent", "-c", program, f"launch={LAUNCH}"], {})  # noqa: S606 (no shell is wanted)
        os._exit(0)
    os.waitpid(child, 0)
    time.sleep(3)


def spy() -> None:
    """Try to reach what is not ours, by Python and by machine code, and write down what could be reached."""
    sys.path.insert(0, BUILD)
    done, tried = import_module("hostile_node").worked()
    Path("found.part").write_text(json.dumps({"done": done, "tried": tried, "uid": os.getuid()}))
    Path("found.part").rename("found.json")
    time.sleep(5)


def exhaust() -> None:
    """Spin, take memory, and open what can be opened."""
    held = [bytearray(MIB) for _ in range(100)]
    pipes = [os.pipe() for _ in range(100)]
    end_s = time.monotonic() + len(held) / 100
    while time.monotonic() < end_s:
        pass
    for ends in pipes:
        for each in ends:
            os.close(each)
    time.sleep(1)


def crash() -> None:
    """End, in any of the ways there are."""
    time.sleep(0.5)
    os.kill(os.getpid(), (signal.SIGSEGV, signal.SIGKILL, signal.SIGTERM)[int(time.time()) % 3])  # noqa: TID251


BACKGROUND: dict[str, tuple[Callable[[], None], ...]] = {
    "flood": (flood, flood, flood),
    "media": (post_media, post_media),
    "garbage": (post_garbage,),
    "log": (write_log,),
    "files": (wreck_files,),
    "forks": (fork_away,),
    "spy": (spy,),
    "exhaust": (exhaust,),
    "restless": (crash,),
}

VICES = (*ANSWERS, *BACKGROUND)


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Serves on the socket that the daemon names."""

    daemon_threads = True
    request_queue_size = 64

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        """Return a connection as the handler expects it."""
        return super().get_request()[0], ("engine", 0)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of lines that were cut."""


def main() -> None:
    """Serve until killed: signals to end are not heard."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    Server(os.environ["OPENWA_MANAGER_SOCKET"], Handler).serve_forever()


if __name__ == "__main__":
    if "--version" in sys.argv:
        print("v22.20.0")
    elif VICE in VICES:
        main()
    else:
        sys.path.insert(0, BUILD)
        sys.exit(import_module("openwa_manager.simulator.process").main())
