#!/usr/bin/python3
"""A crowd, in short: a thousand echoing connections checked byte for byte, one that never reads, and memory that comes back."""
import asyncio
import contextlib
import os
import random
import resource
import socket
import sys
import time

sys.dont_write_bytecode = True

import checks
from checks import test
from node import Node
from wire import BINARY, MASK, close, frame, header, server_frame, upgrade

CONNECTIONS = 1000
SECONDS = float(os.environ.get("LOAD_SECONDS", 5))
CROWD = 2000
KIB, MIB = 1 << 10, 1 << 20

# Messages of random sizes and bytes, made once: masking in Python is what would cost most.
DICE = random.Random(2026)
SIZES = [DICE.choice((0, 1, 10, 100, 125, 126, 1000, 4000, 16 * KIB, 65535, 65536)) for _ in range(150)] + [200 * KIB, 700 * KIB]
MESSAGES = [(frame(BINARY, payload, key=DICE.randbytes(4)), (BINARY, payload)) for payload in map(DICE.randbytes, SIZES)]


def more_descriptors():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CROWD + 200
    assert hard == resource.RLIM_INFINITY or hard >= wanted, f"ulimit -n allows only {hard} descriptors"
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def switched(node, path="/echo", at_once=None):
    """A connection that has switched: its reader and writer."""
    async with at_once or contextlib.nullcontext():
        reader, writer = await asyncio.open_connection(*node.address)
        writer.write(upgrade(path))
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
        assert head.startswith(b"HTTP/1.1 101 "), head
        return reader, writer


async def receive(reader, seconds=20):
    """Reads a message, in however many frames it comes: its opcode and payload."""
    opcode, parts = None, []
    async with asyncio.timeout(seconds):
        while True:
            first, count = await reader.readexactly(2)
            if count >= 126:
                count = int.from_bytes(await reader.readexactly(2 if count == 126 else 8), "big")
            parts.append(await reader.readexactly(count))
            opcode = first & 15 if opcode is None else opcode
            if first & 0x80:
                return opcode, parts[0] if len(parts) == 1 else b"".join(parts)


async def echo_for(connection, until, dice, worst):
    """Sends messages, a few at a time, until it is time; the number that came back right."""
    reader, writer = connection
    count = 0
    while time.monotonic() < until:
        burst = [dice.choice(MESSAGES) for _ in range(dice.randrange(1, 4))]
        begun = time.monotonic()
        writer.write(b"".join(sent for sent, _ in burst))
        for _, answer in burst:
            assert await receive(reader) == answer, f"message {count} of {len(answer[1])} bytes came back changed"
            count += 1
        worst[0] = max(worst[0], time.monotonic() - begun)
        await asyncio.sleep(dice.random() * 0.2)
    writer.write(close(1000))
    assert await asyncio.wait_for(reader.read(), 10) == server_frame(8, b"\x03\xe8")
    writer.close()
    return count


def never_reads(node):
    """A client that sends to /echo and never reads: its socket."""
    hog = socket.create_connection(node.address)
    hog.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * KIB)
    hog.sendall(upgrade())
    hog.setblocking(False)
    return hog


async def feed(hog, until):
    """Sends for as long as it is taken; the number of bytes."""
    loop, taken = asyncio.get_running_loop(), 0
    large = frame(BINARY, bytes(MIB))
    try:
        while time.monotonic() < until:
            await asyncio.wait_for(loop.sock_sendall(hog, large), max(0.01, until - time.monotonic()))
            taken += len(large)
    except TimeoutError:
        pass
    return taken


@test(seconds=50)
def a_thousand_connections_get_every_byte_back_although_one_never_reads():
    async def story(node):
        worst = [0.0]
        at_once = asyncio.Semaphore(200)
        connections = await asyncio.gather(*(switched(node, at_once=at_once) for _ in range(CONNECTIONS)))
        before = node.rss()
        until = time.monotonic() + SECONDS
        hog = never_reads(node)
        feeding = asyncio.create_task(feed(hog, until + 0.5))
        most = [before]

        async def watch():
            while True:
                most[0] = max(most[0], node.rss())
                await asyncio.sleep(0.05)
        watching = asyncio.create_task(watch())
        counts = await asyncio.gather(*(echo_for(each, until, random.Random(number), worst) for number, each in enumerate(connections)))
        taken = await feeding
        watching.cancel()
        hog.close()
        return counts, worst[0], most[0] - before, taken
    with Node() as node:
        counts, worst, grown, taken = asyncio.run(story(node))
        print(f"     {sum(counts)} messages, at least {min(counts)} on each connection; the slowest burst took {worst * 1000:.0f} ms; "
              f"{grown >> 20} MiB more memory at most; {taken >> 20} MiB taken from the one who never reads", flush=True)
        assert min(counts) > 0 and sum(counts) > CONNECTIONS * 3, "too few messages came back"
        assert worst < 10, f"a burst took {worst:.1f} s"
        assert 4 * MIB < taken < 64 * MIB, f"{taken >> 20} MiB were taken from a client that never reads"
        # The outbox of one who doesn't read (half of 17 MiB, and a message), and what large messages need meanwhile.
        assert grown < 96 * MIB or checks.SANITIZED, f"{grown >> 20} MiB more memory"
        assert node.metrics()["wye_messages_in_total"] >= sum(counts)


@test(seconds=30)
def readers_of_a_stream_that_stall_and_go_on_lose_nothing():
    """Many connections send much at once and read late: buffers run out, and come back."""
    payload = random.Random(5).randbytes(256 * KIB)
    async def one(node):
        reader, writer = await switched(node)
        writer.write(header(BINARY, len(payload), key=b"\0\0\0\0") + payload)
        await asyncio.sleep(1)
        assert await receive(reader) == (BINARY, payload)
        writer.close()
    async def story(node):
        await asyncio.gather(*(one(node) for _ in range(200)))
    with Node() as node:
        asyncio.run(story(node))


@test(seconds=40)
def a_flood_to_subscribers_that_never_read_is_bounded_and_the_others_hear_all_of_it():
    size, count, lazy = 64 * KIB, 2000, 10
    payload = random.Random(6).randbytes(size)

    async def story(node):
        sockets = [socket.create_connection(node.address) for _ in range(lazy)]
        for each in sockets:
            each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * KIB)
            each.sendall(upgrade("/topic/flood"))
        readers = [await switched(node, "/topic/flood") for _ in range(4)]
        _, publisher = await switched(node, "/topic/flood?noecho")
        before = most = node.rss()

        heard = [0] * len(readers)

        async def hear(place, reader):
            for _ in range(count):
                assert await receive(reader) == (BINARY, payload)
                heard[place] += 1
        hearing = [asyncio.create_task(hear(place, reader)) for place, (reader, _) in enumerate(readers)]
        message = header(BINARY, size, key=b"\0\0\0\0") + payload
        for number in range(count):
            publisher.write(message)
            await publisher.drain()
            while min(heard) < number - 40 and not any(task.done() for task in hearing):
                await asyncio.sleep(0)  # no faster than those who do read
            if number % 50 == 0:
                most = max(most, node.rss())
        await asyncio.gather(*hearing)
        metrics = node.metrics()
        for each in sockets:
            each.close()
        for _, writer in readers:
            writer.close()
        publisher.close()
        return most - before, metrics
    # Who only reads would be pinged where this takes long. What one loop is behind the other waits for it, up to --memory.
    with Node("--threads", "2", "--ping", "0", "--memory", "64M") as node:
        grown, metrics = asyncio.run(story(node))
        print(f"     {size * count >> 20} MiB published, {grown >> 20} MiB more memory at most", flush=True)
        assert metrics["wye_slow_closed_total"] == lazy, metrics["wye_slow_closed_total"]
        assert grown < 80 * MIB or checks.SANITIZED, f"{grown >> 20} MiB more memory"


@test(seconds=50)
def memory_after_three_crowds_is_what_it_was_after_the_first():
    async def crowd(node):
        at_once = asyncio.Semaphore(200)
        peers = await asyncio.gather(*(switched(node, "/echo" if number % 2 else f"/topic/{number % 100}", at_once) for number in range(CROWD)))
        ping = frame(BINARY, b"x" * 300, key=MASK)

        async def talk(number, reader, writer):
            if number % 2:
                writer.write(ping)
                assert await receive(reader) == (BINARY, b"x" * 300)
            if number % 3:
                writer.write(close(1000))
                await asyncio.wait_for(reader.read(), 20)
            writer.close()
        await asyncio.gather(*(talk(number, *each) for number, each in enumerate(peers)))
        for _ in range(200):
            if node.metrics()["wye_connections"] <= 1:
                break
            await asyncio.sleep(0.02)
        else:
            raise AssertionError(f"{node.metrics()['wye_connections']} connections are still there")
        await asyncio.sleep(0.2)
        return node.rss()

    with Node() as node:
        sizes = [asyncio.run(crowd(node)) for _ in range(3)]
        print(f"     resident after each crowd: {', '.join(f'{size / KIB:.0f} KiB' for size in sizes)}", flush=True)
        assert sizes[2] <= sizes[0] * 1.01 + 128 * KIB or checks.SANITIZED, sizes
        assert sum(value for name, value in node.samples() if name.startswith("wye_closes_total")) >= 3 * CROWD


if __name__ == "__main__":
    more_descriptors()
    sys.exit(checks.main(__doc__))
