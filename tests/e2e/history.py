#!/usr/bin/python3
"""History: what somebody who joins a numbered stream with ?last=N hears. No gap, nothing twice, in order, on every loop.

HISTORY_SECONDS says how long subscribers keep joining (20 with WYE_LONG for each mode, otherwise 3).
"""
import asyncio
import os
import random
import sys
import urllib.request

sys.dont_write_bytecode = True

import websockets

import checks
from checks import test
from node import Node
from wire import TEXT, Peer, frame, upgrade

SECONDS = float(os.environ.get("HISTORY_SECONDS", 20 if os.environ.get("WYE_LONG") else 3))
PUBLISHERS, KEPT, JOINERS = 4, 100, 12
TEXT_OF = "publisher {} says {}: " + "and so on, " * 6


def connect(node, path, deflate):
    return websockets.connect(node.ws + path, compression="deflate" if deflate else None, ping_interval=None, max_queue=None)


class Stream:
    def __init__(self, node):
        self.node, self.sent, self.over, self.joined, self.heard = node, [0] * PUBLISHERS, False, 0, 0

    async def publish(self, number):
        async with connect(self.node, "/topic/news/1?noecho", number % 2) as peer:
            while not self.over:
                for _ in range(random.randrange(1, 6)):
                    self.sent[number] += 1
                    await peer.send(TEXT_OF.format(number, self.sent[number]))
                await asyncio.sleep(random.random() * 0.01)
            await peer.ping()  # what was sent before it has been published when its pong comes
            await asyncio.sleep(0.2)

    async def join(self, dice):
        """Joins, hears for a while, leaves; again, until it is over. The last one stays to the end."""
        while not self.over:
            path = dice.choice(["/topic/news/1?last=100", "/topic/news/%2B?last=100", "/topic/other?also=news/%23&last=100"])
            async with connect(self.node, path, dice.random() < 0.5) as peer:
                sent = list(self.sent)  # all that was kept when it joined is among these
                until = asyncio.get_running_loop().time() + dice.random()
                self.joined += 1
                await self.hear(peer, sent, until)
            await asyncio.sleep(dice.random() * 0.05)

    async def hear(self, peer, sent, until):
        following, old, patience = {}, 0, 50
        while True:
            done = self.over and all(following.get(i, 0) > self.sent[i] for i in range(PUBLISHERS))
            if done or (not self.over and old >= KEPT and asyncio.get_running_loop().time() > until):
                break
            try:
                message = await asyncio.wait_for(peer.recv(), 0.1)
            except asyncio.TimeoutError:
                patience -= 1
                assert patience, f"nothing more came: next were {following}, sent were {self.sent}"
                continue
            patience = 50
            _, publisher, _, number, *_ = message.replace(":", "").split(" ", 4)
            publisher, number = int(publisher), int(number)
            assert message == TEXT_OF.format(publisher, number), "a message is damaged"
            wanted = following.get(publisher, number)
            assert number == wanted, f"message {number} of publisher {publisher} came, {wanted} was next"
            following[publisher] = number + 1
            old += number <= sent[publisher]
            self.heard += 1
        # Of those sent when it had joined it heard a hundred at least: the history was full.
        assert old >= KEPT, f"only {old} messages were replayed"


def post(node, topic, text):
    request = urllib.request.Request(f"{node.url}topic/{topic}", text.encode(), {"Content-Type": "text/plain"})
    urllib.request.urlopen(request, timeout=10).read()


async def numbered(mode):
    with Node("--threads", "2", "--history", f"news/#={KEPT}", "--deflate", mode) as node:
        stream = Stream(node)
        publishing = [asyncio.ensure_future(stream.publish(i)) for i in range(PUBLISHERS)]
        while min(stream.sent) < KEPT:
            await asyncio.sleep(0.01)
        joining = [asyncio.ensure_future(stream.join(random.Random(i))) for i in range(JOINERS)]
        done, _ = await asyncio.wait(joining, timeout=SECONDS, return_when=asyncio.FIRST_EXCEPTION)
        stream.over = True
        await asyncio.gather(*publishing, *joining)
        metrics = node.get("/metrics")
        assert f"wye_history_messages {KEPT}\n" in metrics, metrics
        print(f"     {mode}: {stream.joined} joined, {sum(stream.sent)} messages, {stream.heard} heard")


@test(seconds=SECONDS + 30)
def who_joins_a_stream_hears_the_last_hundred_and_all_that_follows_once_and_in_order_compressed_afresh():
    asyncio.run(numbered("shared"))


@test(seconds=SECONDS + 30)
def who_joins_a_stream_hears_the_last_hundred_and_all_that_follows_once_and_in_order_compressed_with_takeover():
    asyncio.run(numbered("takeover"))


@test(seconds=SECONDS + 30)
def who_joins_a_stream_hears_the_last_hundred_and_all_that_follows_once_and_in_order_uncompressed():
    asyncio.run(numbered("off"))


@test
def what_was_said_before_anybody_listened_is_replayed_and_more_than_is_kept_is_not():
    with Node("--threads", "2", "--history", "10", "--history", "none/#=0") as node:
        for topic in ("a", "none/a"):
            for i in range(25):
                post(node, topic, f"{topic} {i}")
        for last, first in (("3", 22), ("10", 15), ("10000", 15), ("all", 15)):
            with Peer(node).open(f"/topic/a?last={last}") as peer:
                for i in range(first, 25):
                    peer.expect(TEXT, f"a {i}")
                peer.send(frame(TEXT, "live"))
                peer.expect(TEXT, "live")
            for i in range(25):  # the ten last are those again
                post(node, "a", f"a {i}")
        for path in ("/topic/none/a?last=5", "/topic/a?last=0", "/topic/a"):
            with Peer(node).open(path) as peer:
                peer.expect_silence(0.05)


@test
def a_last_that_is_no_number_is_refused():
    with Node("--history", "10") as node:
        for last in ("", "-1", "+1", "1x", "10001", "ALL", "1.0", "%31x"):
            with Peer(node) as peer:
                peer.send(upgrade(f"/topic/a?last={last}"))
                response = peer.response()
                assert response.status == 400 and "last" in response.body, (last, response)


if __name__ == "__main__":
    sys.exit(checks.main(__doc__))
