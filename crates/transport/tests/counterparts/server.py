"""Python's websockets as the server of our client: `server.py PARAMETERS [drive]`, a JSON object or null.

Prints its port. Echoes; `fragments` comes back in pieces with pings between them, `close N` closes.
With `drive` the client is the one that echoes: it is sent messages and then closed, and `ok` printed.
"""

import asyncio
import json
import sys

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory

PARAMETERS = json.loads(sys.argv[1])
EXTENSIONS = [] if PARAMETERS is None else [ServerPerMessageDeflateFactory(**PARAMETERS)]


async def handler(ws):
    try:
        await echo(ws)
    except ConnectionClosed:
        pass  # With whatever code: the client knows which it wanted.


async def echo(ws):
    async for message in ws:
        if message == "fragments":
            async def pieces():
                for n in range(100):
                    if n % 10 == 5:
                        await (await ws.ping(b"between"))
                    yield f"{n} あ😀 " * n

            await ws.send(pieces())
        elif isinstance(message, str) and message.startswith("close "):
            await ws.close(int(message.removeprefix("close ")), "as you wish")
            return
        else:
            await ws.send(message)


async def drive(ws):
    for size in [0, 1, 125, 126, 127, 65_535, 65_536, 65_537, 1024 * 1024]:
        for message in ["é" * (size // 2), bytes(n % 251 for n in range(size))]:
            await ws.send(message)
            assert await ws.recv() == message, f"{size} of {type(message)}"
            await (await ws.ping())
    await ws.close(1000, "done")
    assert ws.protocol.close_rcvd.code == 1000
    print("ok", flush=True)


async def main():
    options = {"compression": None, "extensions": EXTENSIONS, "max_size": None}
    async with serve(drive if "drive" in sys.argv[2:] else handler, "127.0.0.1", 0, **options) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        # Ends with the test, which holds the other end of standard input.
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        server.close()


asyncio.run(main())
