"""Python's websockets as client of our echo server: every window, with and without takeover.

Prints a line for each set of parameters; a failed assertion ends it with another exit code than 0.
"""

import asyncio
import itertools
import sys

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

ADDRESS, LIMIT = sys.argv[1], int(sys.argv[2])
# Whether the server closes when it is told to, and has that limit.
CLOSES = "echo-only" not in sys.argv[3:]
ALPHABET = "aäあ😀 \0\x7f\x80\u07ff\u0800\uffff\U00010000\U0010ffff"
EDGES = [0, 1, 125, 126, 127, 65_535, 65_536, 65_537, 1024 * 1024, LIMIT - 1, LIMIT]


def text(size):
    """Characters of one to four bytes, exactly this many bytes."""
    room, characters = size, []
    for character in itertools.cycle(ALPHABET):
        length = len(character.encode())
        if length > room:
            break
        room -= length
        characters.append(character)
    return "".join(characters) + "." * room


def offers():
    yield "plain", None
    for bits in range(9, 16):
        for server_no, client_no in [(False, False), (True, True)]:
            factory = ClientPerMessageDeflateFactory(
                server_no_context_takeover=server_no,
                client_no_context_takeover=client_no,
                server_max_window_bits=bits,
                client_max_window_bits=bits,
            )
            yield f"{bits} bits, no takeover: {server_no}", factory
    yield "takeover by the server only", ClientPerMessageDeflateFactory(client_no_context_takeover=True)
    yield "takeover by the client only", ClientPerMessageDeflateFactory(server_no_context_takeover=True)


def agreed(ws, factory):
    if factory is None:
        assert ws.protocol.extensions == [], ws.protocol.extensions
        return
    (extension,) = ws.protocol.extensions
    # What we asked of the server is what it promised; the client's own half is its to reduce.
    bits = factory.server_max_window_bits or 15
    assert extension.remote_max_window_bits <= bits, extension
    assert not (factory.server_no_context_takeover and not extension.remote_no_context_takeover)
    assert not (factory.client_no_context_takeover and not extension.local_no_context_takeover)


async def echo(ws, message):
    await ws.send(message)
    answer = await ws.recv()
    assert answer == message, f"{len(message)} of {type(message)}"


async def fragments(ws):
    pieces = [text(n * 97 % 1000) for n in range(200)]
    await ws.send(iter(pieces))
    assert await ws.recv() == "".join(pieces)
    pieces = [bytes([n % 256]) * (n * 31 % 2000) for n in range(200)]

    async def with_pings():
        for n, piece in enumerate(pieces):
            if n % 50 == 25:
                await (await ws.ping(b"between"))
            yield piece

    await ws.send(with_pings())
    assert await ws.recv() == b"".join(pieces)


async def pipelined(ws):
    messages = [f"{n} {text(n * 13 % 3000)}" for n in range(500)]

    async def send():
        for message in messages:
            await ws.send(message)

    sending = asyncio.create_task(send())
    for n, message in enumerate(messages):
        assert await ws.recv() == message, f"message {n}"
    await sending


async def conversation(ws, edges):
    for size in edges:
        await echo(ws, text(size))
        await (await ws.ping(b"between"))
        await echo(ws, bytes(n % 251 for n in range(size)))
    await fragments(ws)
    await pipelined(ws)


async def closes(open):
    async with open() as ws:
        await ws.close(code=3001, reason="goodbye")
        assert ws.close_code == 3001, ws.close_code
        assert ws.protocol.close_rcvd.code == 3001
    if not CLOSES:
        return
    async with open() as ws:
        await ws.send("close 3999")
        try:
            await ws.recv()
        except ConnectionClosedError as closed:
            assert (closed.rcvd.code, closed.rcvd.reason) == (3999, "as you wish"), closed
            assert closed.rcvd_then_sent
        else:
            raise AssertionError("not closed")
    async with open() as ws:
        await ws.send("close 1000")
        try:
            await ws.recv()
        except ConnectionClosedOK:
            pass
        else:
            raise AssertionError("not closed")
    async with open() as ws:
        try:
            await ws.send(b"x" * (LIMIT + 1))
            await ws.recv()
        except ConnectionClosedError as closed:
            assert closed.rcvd.code == 1009, closed
        else:
            raise AssertionError("not closed")


async def main():
    for name, factory in offers():
        def open():
            return connect(
                ADDRESS,
                compression=None,
                extensions=None if factory is None else [factory],
                max_size=None,
                proxy=None,
            )

        all_edges = name in ["plain", "9 bits, no takeover: False", "15 bits, no takeover: True"]
        async with open() as ws:
            agreed(ws, factory)
            await conversation(ws, EDGES if all_edges else EDGES[:8])
        if all_edges:
            await closes(open)
        print(f"ok: {name}", flush=True)


asyncio.run(main())
