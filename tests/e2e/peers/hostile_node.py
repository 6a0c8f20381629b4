"""An engine that somebody has taken over: it tries what it must not be able to do, and writes down what it could.

The standard library only: it is copied to where a `node` is looked for.
"""

import ctypes
import errno
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

assert sys.platform == "linux", "what it tries is Linux's"

HOME = os.environ.get("HOME", "")
LIBC = ctypes.CDLL(None, use_errno=True)


def others() -> list[int]:
    """Return the other processes of our user that lived when this one began; later ones may be its own."""
    pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal()]
    return [pid for pid in pids if pid != os.getpid() and is_ours(pid) and began(pid) <= began(os.getpid())]


def is_ours(pid: int) -> bool:
    """Tell whether a process runs as our user."""
    try:
        return Path(f"/proc/{pid}").stat().st_uid == os.getuid()
    except OSError:
        return False


def began(pid: int) -> int:
    """Return when a process began, in clock ticks since the host did; long ago when it has ended."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except OSError:
        return 0


def read(path: str) -> bytes:
    """Return the beginning of a file, which must have one."""
    with Path(path).open("rb") as file:
        content = file.read(10)
    if not content:
        raise OSError(f"{path} tells nothing")
    return content


def read_natively(path: str) -> bytes:
    """Read as machine code does."""
    fd = LIBC.open(path.encode(), os.O_RDONLY)
    if fd < 0:
        raise OSError(ctypes.get_errno(), path)
    return os.read(fd, 10)


def read_by_loader(path: str) -> bytes:
    """Have the system's loader run a program that reads."""
    loader = next(path for place in ("/lib64", "/lib") for path in Path(place).glob("ld-linux*"))
    return subprocess.run([loader, "/bin/cat", path], check=True, capture_output=True, timeout=45).stdout


def write(path: str) -> None:
    """Make a file, or add to it."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND))


def connect(port: int) -> None:
    """Connect to a port of this host."""
    socket.create_connection(("127.0.0.1", port), 5).close()


#: Asks the daemon for its registry through the control socket; ends with 0 only if that was answered.
ASK = """
import socket, sys
with socket.socket(socket.AF_UNIX) as daemon:
    daemon.settimeout(10)
    daemon.connect(sys.argv[1])
    daemon.sendall(b"GET /v1/registry HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n")
    sys.exit(b" 200 " not in daemon.recv(100).partition(b"\\n")[0])
"""


def ask() -> None:
    """Ask as the engine's child."""
    subprocess.run([sys.executable, "-c", ASK, f"{HOME}/run/manager.sock"], check=True, timeout=45, capture_output=True)


def ask_as_orphan() -> None:
    """Ask as a process without parent, session and environment of the engine's."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.write(writer, b"yes" if has_answer({}) else b"no")
        os._exit(0)
    if os.read(reader, 3) != b"yes":
        raise OSError("refused")


def has_answer(environ: dict[str, str]) -> bool:
    """Tell whether a process with this environment is answered at the control socket."""
    argv = [sys.executable, "-c", ASK, f"{HOME}/run/manager.sock"]
    try:
        return subprocess.run(argv, env=environ, timeout=45, capture_output=True, check=False).returncode == 0
    except (OSError, subprocess.SubprocessError):
        return False


def tries() -> dict[str, Callable[[], object]]:
    """Return what to try, by its name."""
    neighbour = f"{HOME}/sessions/neighbour"
    secrets = [f"{HOME}/{name}" for name in ("admin.key", "manager.db", "manager.toml")]
    secrets += [f"{neighbour}/data/creds.json"]
    found: dict[str, Callable[[], object]] = {}
    for path in secrets:
        found[f"read {path}"] = partial(read, path)
        found[f"read natively {path}"] = partial(read_natively, path)
        found[f"read by loader {path}"] = partial(read_by_loader, path)
        found[f"write {path}"] = partial(write, path)
        found[f"shorten {path}"] = partial(os.truncate, path, 0)
        found[f"remove {path}"] = Path(path).unlink
    for path in (f"{neighbour}/new", f"{HOME}/new", f"{HOME}/run/new", "/etc/new", "/tmp/new"):
        found[f"write {path}"] = partial(write, path)
    for pid in others():
        for name in ("environ", "mem", "maps", "fd/0", "root/etc/passwd", "cwd/data/creds.json"):
            found[f"read {name} of {pid}"] = partial(read, f"/proc/{pid}/{name}")
        found[f"signal {pid}"] = partial(os.kill, pid, 0)
    found["connect to the API"] = partial(connect, int(os.environ["API_PORT"]))
    found["ask the control socket"] = ask
    found["ask the control socket as an orphan"] = ask_as_orphan
    found["run a shell"] = partial(subprocess.run, ["/bin/sh", "-c", ":"], check=True, timeout=45)
    return found


#: add_key(2), shmget(2), semget(2), msgget(2) and mq_open(2) by the numbers of the machine.
SHARED = {"x86_64": (248, 29, 64, 68, 240), "aarch64": (217, 194, 190, 186, 180)}


def checked(result: int) -> int:
    """Return what a call of the C library's returned, which must have worked."""
    if result < 0:
        raise OSError(ctypes.get_errno(), "refused")
    return result


def copy_memory(pid: int) -> None:
    """Read a process's memory; that there is nothing at the address shows that reading is allowed."""
    here = (ctypes.c_size_t * 2)(ctypes.addressof(ctypes.create_string_buffer(8)), 8)
    there = (ctypes.c_size_t * 2)(0x1000, 8)
    try:
        checked(LIBC.process_vm_readv(pid, here, ctypes.c_ulong(1), there, ctypes.c_ulong(1), ctypes.c_ulong(0)))
    except OSError as error:
        if error.errno != errno.EFAULT:
            raise


def in_child(attempt: Callable[[], bool]) -> None:
    """Have a child try something, which ends with it."""
    if (child := os.fork()) == 0:
        os._exit(0 if attempt() else 1)
    if os.waitpid(child, 0)[1]:
        raise OSError(errno.EPERM, "refused")


def seize(pid: int) -> None:
    """Trace a process (PTRACE_SEIZE)."""
    in_child(lambda: LIBC.ptrace(0x4206, pid, None, None) == 0)


def take_descriptor(pid: int) -> None:
    """Take the standard input of a process."""
    pidfd = os.pidfd_open(pid)
    try:
        os.close(checked(LIBC.syscall(438, pidfd, 0, 0)))  # pidfd_getfd
    finally:
        os.close(pidfd)


def signal_by_handle(pid: int) -> None:
    """Signal a process by a descriptor."""
    pidfd = os.pidfd_open(pid)
    try:
        signal.pidfd_send_signal(pidfd, signal.SIGCONT)
    finally:
        os.close(pidfd)


def run_from_memory() -> None:
    """Run a program that has no name in any directory."""
    fd = os.memfd_create("program", 0)
    os.write(fd, Path("/bin/true").read_bytes())
    subprocess.run([f"/proc/self/fd/{fd}"], pass_fds=(fd,), check=True, timeout=20)


def open_ring() -> None:
    """Make a queue through which system calls are made that no filter sees."""
    os.close(checked(LIBC.syscall(425, 8, ctypes.create_string_buffer(120))))  # io_uring_setup


def be_root_somewhere() -> None:
    """Become root in a namespace of our own, and mount the home there where everything is allowed."""
    in_child(lambda: LIBC.unshare(0x10020000) == 0 and LIBC.mount(HOME.encode(), b"tmp", None, 4096, None) == 0)


def native_tries() -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield what machine code can try beside what the standard library offers."""
    for pid in others():
        yield f"read environ natively of {pid}", partial(read_natively, f"/proc/{pid}/environ")
        yield f"read mem natively of {pid}", partial(read_natively, f"/proc/{pid}/mem")
        yield f"read environ of the thread {pid}", partial(read_natively, f"/proc/{pid}/task/{pid}/environ")
        yield f"copy memory of {pid}", partial(copy_memory, pid)
        yield f"trace {pid}", partial(seize, pid)
        yield f"take a descriptor of {pid}", partial(take_descriptor, pid)
        yield f"signal by a handle {pid}", partial(signal_by_handle, pid)
    add_key, *segments, queue = SHARED.get(os.uname().machine, (-1, -1))
    key = (add_key, b"user", b"openwa", b"x", 1, -4)  # the keyring of our user
    yield "keep a key for all programs of our user", lambda: checked(LIBC.syscall(*key))
    for number in segments:
        yield f"share memory by call {number}", partial(share, number)
    yield "open a queue", lambda: checked(LIBC.syscall(queue, b"openwa", os.O_CREAT | os.O_RDWR, 0o600, None))
    yield "run from memory", run_from_memory
    yield "open a ring", open_ring
    yield "be root somewhere", be_root_somewhere
    yield "share memory by name", partial(write, "/dev/shm/openwa")
    for path in (f"{HOME}/admin.key", f"{HOME}/sessions/neighbour/data/creds.json"):
        yield f"take {path}", partial(os.rename, path, "taken")
        yield f"link {path}", partial(os.link, path, "linked")
        yield f"replace {path}", partial(replace, path)


def share(number: int) -> int:
    """Make something that other programs of our user reach by its number."""
    arguments = {29: (0, 4096, 0o600), 194: (0, 4096, 0o600), 64: (0, 1, 0o600), 190: (0, 1, 0o600)}
    return checked(LIBC.syscall(number, *arguments.get(number, (0, 0o600))))


def replace(path: str) -> None:
    """Put a file of ours in the place of another."""
    Path("own").write_text("own")
    Path("own").rename(path)


def worked() -> tuple[list[str], list[str]]:
    """Try everything; return what worked, and what was tried."""
    done: list[str] = []
    asked = tries() | dict(native_tries())
    for name, attempt in asked.items():
        try:
            attempt()
        except (OSError, subprocess.SubprocessError, StopIteration):
            continue
        done.append(name)
    return done, list(asked)


def main() -> None:
    """Try everything, write down what worked, and stay."""
    done, tried = worked()
    part = Path("found.part")
    part.write_text(json.dumps({"done": done, "tried": tried, "uid": os.getuid()}))
    part.rename("found.json")
    while True:
        signal.pause()


if __name__ == "__main__":
    if "--version" in sys.argv:
        print("v22.20.0")
    else:
        main()
