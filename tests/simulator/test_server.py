import asyncio

from openwa_manager.simulator.http.server import KEEP_ALIVE_S, Server
from openwa_manager.simulator.http.wire import Request, Response
from tests.fakes.ports import free_ports


async def answer_late(request: Request) -> Response:
    await asyncio.sleep(float(request.query.get("s", "0")))
    return Response(status=200, body={"path": request.path})


async def test_an_idle_connection_is_ended_after_a_while() -> None:
    async with asyncio.TaskGroup() as tasks:
        port = free_ports(1)[0]
        server = Server(answer_late, tasks, keep_alive_s=0.05)
        await server.listen(port)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)

        async with asyncio.timeout(2):
            assert await reader.read() == b""

        writer.close()
        await server.close()
    assert KEEP_ALIVE_S == 5.0


async def test_a_late_answer_is_no_idleness() -> None:
    async with asyncio.TaskGroup() as tasks:
        port = free_ports(1)[0]
        server = Server(answer_late, tasks, keep_alive_s=0.05)
        await server.listen(port)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)

        writer.write(b"GET /late?s=0.2 HTTP/1.1\r\n\r\n")

        async with asyncio.timeout(2):
            assert b'{"path":"/late"}' in await reader.read()
        writer.close()
        await server.close()


async def test_pipelined_requests_are_answered_in_order() -> None:
    async with asyncio.TaskGroup() as tasks:
        port = free_ports(1)[0]
        server = Server(answer_late, tasks)
        await server.listen(port)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)

        writer.write(b"GET /a?s=0.05 HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\nConnection: close\r\n\r\n")

        async with asyncio.timeout(2):
            raw = await reader.read()
        assert raw.index(b'"/a"') < raw.index(b'"/b"')
        writer.close()
        await server.close()


async def test_closing_waits_for_the_answer_in_work() -> None:
    async with asyncio.TaskGroup() as tasks:
        port = free_ports(1)[0]
        server = Server(answer_late, tasks)
        await server.listen(port)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /a?s=0.1 HTTP/1.1\r\n\r\n")
        await asyncio.sleep(0.02)

        async with asyncio.timeout(2):
            await server.close()
            raw = await reader.read()

        assert raw.startswith(b"HTTP/1.1 200 OK")
        assert b"Connection: close" in raw
        writer.close()
