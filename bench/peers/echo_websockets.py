#!/usr/bin/python3
"""The echo server of Python's websockets, for comparisons: echo_websockets.py PORT [deflate]."""
import asyncio
import logging
import sys

import websockets

logging.getLogger("websockets").setLevel(logging.CRITICAL)


async def echo(socket, *_):
    async for message in socket:
        await socket.send(message)


async def main():
    async with websockets.serve(echo, "127.0.0.1", int(sys.argv[1]), compression="deflate" if "deflate" in sys.argv[2:] else None):
        print("listening", flush=True)
        await asyncio.Future()


asyncio.run(main())
