#!/usr/bin/python3
"""Fan-out under churn: subscribers that join, leave, read slowly and vanish, while publishers send numbered messages.

Every healthy subscriber gets every message of its topics once, in each publisher's order; the counters add up; memory
comes back. CHURN_SECONDS (12), CHURN_SUBSCRIBERS (300) and CHURN_LOOPS (2) say how long and how many.
"""
import os
import random
import resource
import select
import socket
import struct
import sys
import time

sys.dont_write_bytecode = True

import checks
from checks import test
from node import Node, until
from wire import BINARY, close, frame, upgrade

SECONDS = float(os.environ.get("CHURN_SECONDS", 60 if os.environ.get("WYE_LONG") else 12))
SUBSCRIBERS = int(os.environ.get("CHURN_SUBSCRIBERS", 300))
LOOPS = os.environ.get("CHURN_LOOPS", "2")
OUTBOX = 65536
TOPICS = ["a", "b", "c/1", "c/2", "c/3/x", "d"]
PUBLISHERS = 8
EVERY = 0.05  # seconds between the rounds in which each publisher sends a burst
MESSAGE = struct.Struct(">IIII")  # publisher, topic, number, a check
FRAME = struct.Struct(">H" + MESSAGE.format[1:])  # with its header
HEAD = 0x8200 | MESSAGE.size
FILL = frame(BINARY, bytes(30000))
# What a subscriber asks for, and the topics it hears then.
WANTS = [("/topic/a", {0}), ("/topic/b", {1}), ("/topic/c/%23", {2, 3, 4}), ("/topic/c/+", {2, 3}), ("/topic/c/+/%23", {2, 3, 4}),
         ("/topic/a?also=d&also=c/%23&also=c/1", {0, 5, 2, 3, 4}), ("/topic/d?also=b&also=%2B/1", {1, 2, 5})]


def check_of(publisher, topic, number):
    return (publisher * 2654435761 ^ topic * 40503 ^ number * 2246822519) & 0xFFFFFFFF


class Connection:
    """One non-blocking connection; `kind`: publisher, healthy, slow (never reads on once it has switched)."""

    def __init__(self, world, kind, path, hears=()):
        self.world, self.kind, self.hears = world, kind, hears
        self.unread, self.switched, self.over = b"", False, False
        self.next = {}  # by publisher: the number that comes next
        self.received = 0
        self.socket = socket.socket()
        if kind == "slow":
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.connect(world.node.address)
        self.socket.sendall(upgrade(path))
        self.socket.setblocking(False)
        world.opened += 1
        world.connections[self.socket.fileno()] = self
        world.poll.register(self.socket, select.EPOLLIN)

    def readable(self):
        try:
            bytes_in = self.socket.recv(1 << 20)
        except ConnectionError:
            bytes_in = b""
        if not bytes_in:
            assert self.kind != "healthy" or self.over, "a healthy subscriber was let go"
            self.end()
            return
        self.unread += bytes_in
        if not self.switched:
            at = self.unread.find(b"\r\n\r\n")
            if at < 0:
                return
            assert self.unread.startswith(b"HTTP/1.1 101 "), self.unread
            self.unread, self.switched = self.unread[at + 4:], True
            if self.kind == "slow":
                self.world.poll.unregister(self.socket)  # never read again
                return
        self.take()

    def take(self):
        """Takes the frames that are whole: messages many at once, pings and close frames one by one."""
        data, at = self.unread, 0
        while len(data) - at >= 2:
            size = 2 + data[at + 1]
            if len(data) - at < size:
                break
            if data[at] == 0x88:
                assert self.over, f"closed with {data[at + 2:at + size]}"
            elif data[at] == 0x82:
                size = self.take_messages(data, at)
            at += size
        self.unread = data[at:]

    def take_messages(self, data, at):
        """Messages that stand one behind another from `at` on; how many bytes they are."""
        end = at + (len(data) - at) // FRAME.size * FRAME.size
        taken = 0
        for head, publisher, topic, number, check in FRAME.iter_unpack(data[at:end]):
            if head != HEAD:
                break
            assert check == check_of(publisher, topic, number), "a message is damaged"
            assert topic in self.hears, f"a message of {TOPICS[topic]}, which was not asked for"
            wanted = self.next.get(publisher, number)
            assert number == wanted, f"message {number} of publisher {publisher} came, {wanted} was next"
            self.next[publisher] = number + 1
            taken += 1
        assert taken, "a message of another length"
        self.received += taken
        return taken * FRAME.size

    def say(self, data):
        self.socket.setblocking(True)
        self.socket.sendall(data)
        self.socket.setblocking(False)

    def leave(self, how):
        """clean: a closing handshake; half: FIN; reset: gone without a word."""
        self.over = True
        try:
            if how == "clean":
                self.socket.sendall(close(1000))
                return  # the node's answer ends it
            if how == "half":
                self.socket.shutdown(socket.SHUT_WR)
                return
        except OSError:
            pass
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.end()

    def end(self):
        self.over = True
        if self.world.connections.pop(self.socket.fileno(), None):
            self.world.ended += self.received
            self.socket.close()


class World:
    def __init__(self, node, dice):
        self.node, self.dice = node, dice
        self.poll = select.epoll()
        self.connections = {}
        self.opened = self.sent = self.ended = 0
        self.last = [0] * PUBLISHERS  # numbers sent so far

    def publishers_join(self):
        self.filler = Connection(self, "publisher", "/topic/fill?noecho")  # what slow readers are slow to take
        self.publishers = [Connection(self, "publisher", f"/topic/{TOPICS[i % len(TOPICS)]}?noecho",
                                      {i % len(TOPICS)}) for i in range(PUBLISHERS)]

    def of(self, kind):
        return [each for each in self.connections.values() if each.kind == kind and not each.over]

    def join(self):
        slow = self.dice.random() < 0.1
        path, hears = ("/topic/%23", ()) if slow else self.dice.choice(WANTS)
        return Connection(self, "slow" if slow else "healthy", path, hears)

    def serve(self, seconds):
        """Reads what comes."""
        end = time.monotonic() + seconds
        while True:
            left = end - time.monotonic()
            for number, _ in self.poll.poll(max(0, left), 1000):
                if number in self.connections:
                    self.connections[number].readable()
            if left <= 0:
                return

    def publish(self):
        for i, publisher in enumerate(self.publishers):
            topic = i % len(TOPICS)
            burst = b""
            for _ in range(self.dice.choice((0, 1, 1, 2, 16))):
                number = self.last[i]
                self.last[i] += 1
                burst += frame(BINARY, MESSAGE.pack(i, topic, number, check_of(i, topic, number)))
                self.sent += 1
            publisher.say(burst)
        self.filler.say(FILL)
        self.sent += 1

    def churn(self):
        healthy = self.of("healthy")
        for _ in range(max(0, SUBSCRIBERS - len(healthy)) or self.dice.randrange(4)):
            self.join()
        for each in self.dice.sample(healthy, min(len(healthy), self.dice.randrange(5))):
            if each.switched:
                each.leave(self.dice.choice(("clean", "half", "reset")))
        slow = self.of("slow")
        if len(slow) > 40:
            slow[0].leave("reset")

    def all_heard(self):
        """Has every healthy subscriber the newest message of each publisher that it heard of?"""
        return all(number == self.last[publisher] for each in self.of("healthy") for publisher, number in each.next.items())


def more_descriptors():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = SUBSCRIBERS * 2 + 500
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))


def settled(world):
    world.serve(0.05)
    return world.all_heard()


def crowd(world, seconds):
    """Churn for so long; then all that is published is heard, and everybody leaves."""
    world.publishers_join()
    end = time.monotonic() + seconds
    # On a machine that is slow, or busy, it takes longer until somebody is too slow for it.
    while time.monotonic() < end or (time.monotonic() < end + 2 * seconds and not world.node.metrics()["wye_slow_closed_total"]):
        world.churn()
        world.publish()
        world.serve(EVERY)
    assert until(lambda: settled(world), 20), "a healthy subscriber has not got everything"
    heard = sum(len(each.next) for each in world.of("healthy"))
    assert heard > SUBSCRIBERS, "hardly anybody heard anything"
    for each in list(world.connections.values()):
        if not each.over:
            each.leave("reset" if each.kind == "slow" else "clean")
    assert until(lambda: world.serve(0.05) or not world.connections, 10), "somebody was not let go"
    assert until(lambda: world.node.metrics()["wye_connections"] == 1, 10)
    assert until(lambda: world.node.metrics()["wye_chunk_bytes"] <= int(LOOPS) * 17 * 65536, 5), "somebody's messages were kept"
    return world.node.rss()


@test(seconds=SECONDS * 4 + 60)
def everybody_healthy_gets_everything_once_in_order_while_others_come_and_go():
    more_descriptors()
    with Node("--threads", LOOPS, "--outbox", str(OUTBOX), "--ping", "0", "--shared-memory", "4M") as node:
        world = World(node, random.Random(2026))
        first, last = crowd(world, SECONDS / 2), crowd(world, SECONDS / 2)
        totals = node.metrics()
        counters_add_up(node, world, totals)
        print(f"     {world.opened} connections, {world.sent} messages, {world.ended} heard, {totals['wye_deliveries_total']:.0f} deliveries, "
              f"{totals['wye_slow_closed_total']:.0f} slow readers closed, {totals['wye_letters_total']:.0f} letters; "
              f"resident {first >> 10} KiB after the first half, {last >> 10} in the end")
        if not os.environ.get("WYE_SANITIZE"):
            assert last <= first * 1.05 + (512 << 10), f"{first} bytes became {last}"


def counters_add_up(node, world, totals):
    assert totals["wye_messages_in_total"] == world.sent, (totals["wye_messages_in_total"], world.sent)
    assert totals["wye_upgrades_total"] == world.opened, (totals["wye_upgrades_total"], world.opened)
    assert totals["wye_deliveries_total"] >= world.ended, (totals["wye_deliveries_total"], world.ended)

    def others_are_closed():  # than the one of this request; that of the last one may be under way
        now = node.metrics()
        return now["wye_closes_total"] == now["wye_connections_total"] - 1

    assert until(others_are_closed, 5), (totals["wye_closes_total"], totals["wye_connections_total"])
    assert totals["wye_slow_closed_total"] > 0, "no slow reader was ever too slow"
    if LOOPS != "1":
        assert totals["wye_letters_total"] > 0, "nothing went from loop to loop"


if __name__ == "__main__":
    sys.exit(checks.main(__doc__))
