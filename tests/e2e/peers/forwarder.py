"""Proxies of a few lines, as people write them: `forwarder.py PORT SOCKET headers|bytes|forked`.

`headers` hands requests on as cloudflared does, with what it adds; `bytes` hands on bytes as they come, so that nothing
in them tells of it; `forked` does so from a child for each connection, as socat does. The bytes are ended by a request
that says `Connection: close`.
"""

import os
import socket
import sys
from contextlib import suppress
from threading import Thread

ADDED = (
    b"CF-Connecting-IP: 192.0.2.7\r\nCF-Ray: 8a1b2c3d4e5f\r\nX-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: https\r\n"
)


def copy(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


def serve(client: socket.socket, path: str, kind: str) -> None:
    with client, socket.socket(socket.AF_UNIX) as upstream:
        upstream.connect(path)
        if kind == "headers":
            head = b""
            while b"\r\n\r\n" not in head:
                head += client.recv(65536)
            first, _, rest = head.partition(b"\r\n")
            upstream.sendall(first + b"\r\n" + ADDED + rest)
        back = Thread(target=copy, args=(upstream, client))
        back.start()
        copy(client, upstream)
        back.join(60)


def main(port: int, path: str, kind: str) -> None:
    with socket.create_server(("127.0.0.1", port)) as server:
        while True:
            client, _ = server.accept()
            if kind != "forked":
                Thread(target=serve, args=(client, path, kind), daemon=True).start()
            elif os.fork() == 0:
                server.close()
                serve(client, path, kind)
                os._exit(0)
            else:
                client.close()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3])
