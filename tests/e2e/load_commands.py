#!/usr/bin/python3
"""A server with commands, by Python's websockets, for wye-load's templates: load_commands.py HOST

    {"subscribe": "t0"}                      is answered with {"subscribed": "t0"}
    {"publish": "t0", "data": "..."}         comes to the subscribers of t0 as {"topic":"t0","data":"..."}

It wants the subprotocol "commands" and the field "X-Key: secret". Prints its port.
"""
import asyncio
import http
import json
import logging
import sys

import websockets

logging.getLogger("websockets").setLevel(logging.CRITICAL)
topics = {}


def admit(*arguments):
    """403 to whom has no key: (path, fields) in old versions of websockets, (connection, request) in new ones."""
    fields = arguments[1] if hasattr(arguments[1], "get") else arguments[1].headers
    if fields.get("X-Key") == "secret":
        return None
    return arguments[0].respond(403, "no key\n") if hasattr(arguments[0], "respond") else (http.HTTPStatus.FORBIDDEN, [], b"no key\n")


async def serve(socket, *_):
    mine = []
    try:
        async for message in socket:
            command = json.loads(message)
            if "subscribe" in command:
                mine.append(topics.setdefault(command["subscribe"], set()))
                mine[-1].add(socket)
                await socket.send(json.dumps({"subscribed": command["subscribe"]}))
            else:
                text = json.dumps({"topic": command["publish"], "data": command["data"]}, separators=(",", ":"))
                for other in list(topics.get(command["publish"], ())):
                    await other.send(text)
    finally:
        for topic in mine:
            topic.discard(socket)


async def main():
    async with websockets.serve(serve, sys.argv[1], 0, subprotocols=["commands"], process_request=admit) as server:
        print(list(server.sockets)[0].getsockname()[1], flush=True)
        await asyncio.Future()


asyncio.run(main())
