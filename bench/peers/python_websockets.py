#!/usr/bin/python3
"""Python's websockets, for comparisons: python_websockets.py PORT [deflate | tls]. /topic/NAME sends a message to everybody
else there, every other path sends it back. tls: with cert.pem and key.pem beside the program."""
import asyncio
import collections
import logging
import os
import platform
import ssl
import sys

import websockets
import websockets.extensions.permessage_deflate

logging.getLogger("websockets").setLevel(logging.CRITICAL)
topics = collections.defaultdict(set)


def path_of(socket):
    return socket.request.path if hasattr(socket, "request") else socket.path  # since 14


async def serve(socket, *_):
    path = path_of(socket)
    if not path.startswith("/topic/"):
        async for message in socket:
            await socket.send(message)
        return
    topic = topics[path]
    topic.add(socket)
    try:
        async for message in socket:
            websockets.broadcast(topic - {socket}, message)
    finally:
        topic.discard(socket)


def secrets():
    context, folder = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), os.path.dirname(os.path.abspath(__file__))
    context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE  # its order begins with AES-256; the client's, as the others', with AES-128
    context.load_cert_chain(os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem"))
    return context


async def main(port, *words):
    factory = websockets.extensions.permessage_deflate.ServerPerMessageDeflateFactory  # as by default, but for the level
    extensions = [factory(server_max_window_bits=12, client_max_window_bits=12, compress_settings={"memLevel": 5, "level": 1})] if "deflate" in words else None
    async with websockets.serve(serve, "127.0.0.1", int(port), compression=None, extensions=extensions,
                                ssl=secrets() if "tls" in words else None):
        print(f"listening on {port}", flush=True)
        await asyncio.Future()


if sys.argv[1:] == ["--version"]:
    print(f"websockets {websockets.__version__}, Python {platform.python_version()}")
else:
    asyncio.run(main(*sys.argv[1:]))
