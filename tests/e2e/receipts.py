#!/usr/bin/python3
"""Receipts: what a POST is told of its receivers, while subscribers join and leave, on two loops.

Publishers pipeline numbered messages on kept HTTP connections. A subscriber that says goodbye reads on until the node's close
frame, so that all that was put in its outbox has come: for each message, the count answered must be the number of those it came to.
Of one that vanishes nobody knows the last messages: there the count lies between two bounds. While nobody joins or leaves it is the
number of subscribers. RECEIPTS_SECONDS says how long each story lasts (30 with WYE_LONG, otherwise 1.5).
"""
import asyncio
import collections
import json
import os
import random
import struct
import sys

sys.dont_write_bytecode = True

import checks
from checks import test
from node import Node
from wire import BINARY, close, frame, request, upgrade

SECONDS = float(os.environ.get("RECEIPTS_SECONDS", 30 if os.environ.get("WYE_LONG") else 1.5))
SUBSCRIBERS = 400  # so many that a message's way to all of them takes several turns of a loop, and some leave before it comes to them
PUBLISHERS, UNDER_WAY, PHASES = 4, 48, 4
TOPICS = ["a", "b", "c/1", "c/2", "c/3/x"]
# What a subscriber asks for, and the topics it hears then, each once. The first can be spoken to, too.
WANTS = [("/topic/a", {0}), ("/topic/b?noecho", {1}), ("/topic/c/2?also=a&also=c/%23", {0, 2, 3, 4}), ("/topic/c/%23", {2, 3, 4}),
         ("/topic/c/+?also=c/1", {2, 3}), ("/topic/%23", {0, 1, 2, 3, 4}), ("/topic/+/+/x?also=b", {1, 4})]
SPEAK_TO = {"/topic/a": 0, "/topic/b?noecho": 1, "/topic/c/2?also=a&also=c/%23": 3}
MESSAGE = struct.Struct(">III")  # speaker, topic, number
FRAME = struct.Struct(">H" + MESSAGE.format[1:])  # with its header
HEAD = 0x8200 | MESSAGE.size
CLOSED, PING = 0x88, 0x89
Posted = collections.namedtuple("Posted", "topic number joined ended vanishing_ended")


class Subscriber(asyncio.Protocol):
    """kind: graceful (says goodbye and reads to the end), or vanishing (goes by a reset, or a FIN)."""

    def __init__(self, world, kind):
        self.world, self.kind = world, kind
        self.path, self.hears = world.dice.choice(WANTS)
        self.number = world.subscribers
        world.subscribers += 1
        self.unread, self.joined, self.leaving, self.goodbye = b"", False, False, False
        self.next = {}  # by speaker and topic: the number that comes next
        self.said = 0
        self.over = asyncio.get_running_loop().create_future()

    def connection_made(self, transport):
        self.transport = transport
        self.world.count("asked", self)
        transport.write(upgrade(self.path))

    def data_received(self, data):
        self.unread += data
        try:
            if self.joined or self.switch():
                self.take()
        except AssertionError as trouble:
            self.world.fail(trouble)

    def switch(self):
        head, blank, rest = self.unread.partition(b"\r\n\r\n")
        if not blank:
            return False
        assert head.startswith(b"HTTP/1.1 101 "), head
        self.unread, self.joined = rest, True
        self.world.count("joined", self)
        return True

    def take(self):
        """Takes the frames that are whole: messages, pings, and the close frame that ends a goodbye."""
        data, at = self.unread, 0
        while len(data) - at >= 2 and len(data) - at >= 2 + data[at + 1]:
            if data[at] == CLOSED:
                assert self.leaving, f"let go with {data[at + 2:at + 2 + data[at + 1]]}"
                self.goodbye = True
            elif data[at] != PING:
                assert not self.goodbye, "a message behind the close frame"
                self.hear(*FRAME.unpack_from(data, at))
            at += 2 + data[at + 1]
        self.unread = data[at:]

    def hear(self, head, speaker, topic, number):
        assert head == HEAD and topic in self.hears, f"what was not asked for: {head:x}, topic {topic}"
        wanted = self.next.get((speaker, topic), number)
        assert number == wanted, f"message {number} of speaker {speaker} came, {wanted} was next"
        self.next[speaker, topic] = number + 1
        if speaker < PUBLISHERS:
            self.world.received[self.kind][speaker, topic, number] += 1

    def say(self):
        """A message by WebSocket: it goes in the same waves as those that are posted, and is no business of their counts."""
        topic = SPEAK_TO.get(self.path)
        if topic is None or not self.joined or self.leaving:
            return
        self.transport.write(frame(BINARY, MESSAGE.pack(PUBLISHERS + self.number, topic, self.said)))
        self.said += 1

    def leave(self, graceful):
        self.leaving = True
        self.world.count("leaving", self)
        if graceful:
            self.transport.write(close(1000))
        elif self.world.dice.random() < 0.5:
            self.transport.write_eof()
        else:
            self.transport.abort()

    def connection_lost(self, trouble):
        if not self.leaving or (self.kind == "graceful" and not self.goodbye):
            self.world.fail(AssertionError(f"a subscriber was let go without a goodbye: {trouble}"))
        self.world.present.discard(self)
        if self.kind == "graceful":
            self.world.count("ended", self)  # of others the node may think longer that they are there
        self.over.set_result(None)


class World:
    def __init__(self, node, vanishing):
        self.node, self.vanishing, self.dice = node, vanishing, random.Random(2026)
        self.present, self.subscribers, self.failure = set(), 0, None
        # By what has happened so far, kind of subscriber and topic: how often.
        self.events = {(what, kind): [0] * len(TOPICS) for what in ("asked", "joined", "leaving", "ended") for kind in ("graceful", "vanishing")}
        self.received = {"graceful": collections.Counter(), "vanishing": collections.Counter()}
        self.told = {}  # by message: the count, and how many of the vanishing it may have come to
        self.posting, self.paused, self.steady = True, False, False
        self.under_way = [0] * PUBLISHERS
        self.steadily = self.ceiling = 0

    def fail(self, trouble):
        self.failure = self.failure or trouble

    def count(self, what, subscriber):
        for topic in subscriber.hears:
            self.events[what, subscriber.kind][topic] += 1

    def so_far(self, what, topic):
        return self.events[what, "graceful"][topic] + self.events[what, "vanishing"][topic]

    # ---- publishers ----

    async def publish(self, publisher):
        """Posts bursts on one connection, up to UNDER_WAY at once, until it is over."""
        reader, writer = await asyncio.open_connection(*self.node.address)
        waiting, numbers = collections.deque(), [0] * len(TOPICS)
        reading = asyncio.ensure_future(self.read_answers(reader, publisher, waiting))
        while self.posting and not self.failure:
            if not self.paused and len(waiting) <= UNDER_WAY - 16:
                for _ in range(self.dice.choice((1, 1, 2, 5, 16))):
                    topic = self.dice.randrange(len(TOPICS))
                    body = MESSAGE.pack(publisher, topic, numbers[topic])
                    waiting.append(Posted(topic, numbers[topic], self.so_far("joined", topic), self.so_far("ended", topic),
                                          self.events["ended", "vanishing"][topic]))
                    numbers[topic] += 1
                    writer.write(request(f"/topic/{TOPICS[topic]}", "POST", Content_Type="application/octet-stream",
                                         Content_Length=str(len(body))) + body)
            self.under_way[publisher] = len(waiting)
            await asyncio.sleep(self.dice.random() * 0.02)
        writer.write_eof()
        await asyncio.wait_for(reading, 10)
        writer.close()
        assert self.failure or not waiting, f"{len(waiting)} posts were not answered"

    async def read_answers(self, reader, publisher, waiting):
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                assert head.startswith("HTTP/1.1 200 "), head
                body = await reader.readexactly(int(head.lower().split("content-length:")[1].split("\r\n")[0]))
                answer = json.loads(body)
                assert list(answer) == ["receivers"] and waiting, body
                self.answered(publisher, waiting.popleft(), answer["receivers"])
        except asyncio.IncompleteReadError as rest:
            assert not rest.partial, rest.partial
        except AssertionError as trouble:
            self.fail(trouble)

    def answered(self, publisher, posted, count):
        """Judges a count by what is known now, and keeps it for the end, when it is known who got the message."""
        topic = posted.topic
        least, most = posted.joined - self.so_far("leaving", topic), self.so_far("asked", topic) - posted.ended
        assert least <= count <= most, f"{count} receivers; at least {least} were there, and at most {most}"
        if self.steady:
            assert least == most, (least, most)
            self.steadily += 1
        self.ceiling += most
        self.told[publisher, topic, posted.number] = count, self.events["asked", "vanishing"][topic] - posted.vanishing_ended

    def check(self):
        """What was told, and what came."""
        graceful, vanishing = self.received["graceful"], self.received["vanishing"]
        for message, (count, most_vanishing) in self.told.items():
            sure, lucky = graceful[message], vanishing[message]
            assert sure + lucky <= count <= sure + most_vanishing, (
                f"{count} receivers were told of message {message}, which came to {sure} that said goodbye, and to {lucky} of {most_vanishing} others")
        total, came = sum(count for count, _ in self.told.values()), sum(graceful.values()) + sum(vanishing.values())
        assert self.vanishing or total == came, (total, came)
        assert set(graceful) | set(vanishing) <= set(self.told), "a message came that was not posted"
        return total, came

    # ---- subscribers ----

    async def join(self, how_many):
        loop = asyncio.get_running_loop()
        for _ in range(how_many):
            kind = "vanishing" if self.vanishing and self.dice.random() < 0.4 else "graceful"
            _, subscriber = await loop.create_connection(lambda kind=kind: Subscriber(self, kind), *self.node.address)
            self.present.add(subscriber)

    async def churn(self, seconds):
        end = asyncio.get_running_loop().time() + seconds
        while asyncio.get_running_loop().time() < end and not self.failure:
            here = sorted((each for each in self.present if each.joined and not each.leaving), key=lambda each: each.number)
            for each in self.dice.sample(here, min(len(here), self.dice.randrange(24))):
                each.leave(each.kind == "graceful")
            for each in self.dice.sample(here, min(len(here), 3)):
                each.say()
            await self.join(min(24, SUBSCRIBERS - len(self.present)))
            await asyncio.sleep(0.005)

    async def until(self, test, what):
        for _ in range(1000):
            if self.failure or test():
                return
            await asyncio.sleep(0.01)
        raise AssertionError(f"it never came that {what}")

    def connections(self):
        return self.node.metrics()["wye_connections"] - 1  # but for this request's

    async def rest(self):
        """Nobody joins, leaves or posts, and whoever vanished is gone for the node, too."""
        self.paused = True
        await self.until(lambda: all(each.joined and not each.leaving for each in self.present), "all had joined or left")
        await self.until(lambda: not any(self.under_way), "all posts were answered")
        await self.until(lambda: self.connections() == len(self.present) + PUBLISHERS, "who had vanished was gone")
        for topic in range(len(TOPICS)):
            self.events["ended", "vanishing"][topic] = self.events["leaving", "vanishing"][topic]

    async def stand_still(self, seconds):
        await self.rest()
        self.paused, self.steady = False, True
        end = asyncio.get_running_loop().time() + seconds
        while asyncio.get_running_loop().time() < end and not self.failure:
            for each in self.dice.sample(sorted(self.present, key=lambda each: each.number), 3):
                each.say()
            await asyncio.sleep(0.005)
        await self.rest()
        self.paused = self.steady = False

    async def live(self):
        await self.join(SUBSCRIBERS)
        publishing = [asyncio.ensure_future(self.publish(i)) for i in range(PUBLISHERS)]
        for _ in range(PHASES):
            await self.churn(SECONDS / PHASES * 0.7)
            await self.stand_still(SECONDS / PHASES * 0.3)
        for each in list(self.present):  # while posts go on
            each.leave(True)
        await self.until(lambda: not self.present, "all had left")
        self.posting = False
        await asyncio.gather(*publishing)
        if self.failure:
            raise self.failure


def live(vanishing):
    with Node("--threads", "2", "--ping", "0") as node:
        world = World(node, vanishing)
        asyncio.run(world.live())
        told, came = world.check()
        letters, deliveries = node.metrics()["wye_letters_total"], node.by_loop("wye_deliveries_total")
        assert letters > 0 and min(deliveries.values()) > told / 10, f"one loop did it all: {deliveries}"
        assert world.steadily > 20 and len(world.told) > world.steadily + 50, (world.steadily, len(world.told))
        assert world.subscribers > SUBSCRIBERS + 20 and told < world.ceiling, "hardly anybody came and went"
        print(f"     {world.subscribers} subscribers, {len(world.told)} posts ({world.steadily} while nobody came or went), {told} receivers told; "
              f"messages came {came} times; bounds allowed {world.ceiling}", flush=True)


@test(seconds=SECONDS * 4 + 20)
def each_count_of_receivers_is_the_number_of_subscribers_it_came_to_while_others_join_and_say_goodbye():
    live(vanishing=False)


@test(seconds=SECONDS * 4 + 20)
def each_count_of_receivers_lies_within_what_can_be_known_while_others_join_and_vanish():
    live(vanishing=True)


if __name__ == "__main__":
    sys.exit(checks.main(__doc__))
