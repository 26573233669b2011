#!/usr/bin/python3
"""Many connections send one large message each, slowly and all at once: how much memory wye takes for it, and that it keeps its bounds.

    slow_senders.py --start build/wye [--connections 1000] [--bytes 16777216] [--memory 2147483648]

/echo, read     a long message is echoed in pieces as it comes: no memory but the loop's receive buffers and what is on its way
                out in a turn, whatever the number and the length of the messages
/echo, unread   a client that doesn't read is not read either once half of --outbox waits for it, or 64 KiB when --memory is used
                up: --memory, and 64 KiB and what comes in one receive a connection
/topic          a message is whole before it is published: --memory bounds all that are under assembly (and all that waits for
                slow readers); one for which there is no room is refused with 1013, the others are not touched

Exit status: 0 the bounds hold and every byte came back, 1 not.
"""
import argparse
import os
import selectors
import socket
import sys
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../e2e"))
from node import Node, until
from wire import BINARY, Peer, header, masked

MIB = 1 << 20
BLOCK = bytes((i * 37 + (i >> 8)) & 255 for i in range(65536))
HIDDEN = masked(BLOCK)
STALLED = 3.0  # s without any progress: nothing more will come


class Sender:
    """One connection and its message: a header, and the block again and again."""

    def __init__(self, node, path, size, reads):
        self.peer = Peer(node, 60).open(path)
        self.socket = self.peer.socket
        self.socket.setblocking(False)
        if not reads:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)  # or the kernel takes it all
        self.size, self.sent, self.due = size, 0, 0
        self.start = header(BINARY, size)
        self.got, self.buffer, self.left, self.ended, self.code = 0, bytearray(self.peer.buffer), 0, False, None

    def send(self, most):
        """Sends up to so much; how much left."""
        if self.sent == 0 and self.start:
            self.start = self.start[self.socket.send(self.start):]
            return 1
        at = self.sent % len(BLOCK)
        count = self.socket.send(memoryview(HIDDEN)[at:at + min(most, self.due - self.sent)])
        self.sent += count
        return count

    def receive(self):
        """Checks the fragments of the echo as they come."""
        data = self.socket.recv(262144)
        self.ended = not data
        self.buffer += data
        while self.buffer:
            if self.left:
                take = min(self.left, len(self.buffer), len(BLOCK) - self.got % len(BLOCK))
                assert self.buffer[:take] == BLOCK[self.got % len(BLOCK):][:take], f"byte {self.got} and on came back wrong"
                self.got, self.left = self.got + take, self.left - take
                del self.buffer[:take]
                continue
            count = self.buffer[1] & 127 if len(self.buffer) > 1 else 0
            start = 2 + (0 if count < 126 else 2 if count == 126 else 8)
            if len(self.buffer) < max(2, start):
                return
            if self.buffer[0] & 8:
                if len(self.buffer) < start + count:
                    return
                if self.buffer[0] & 15 == 8:
                    self.code = int.from_bytes(self.buffer[2:4], "big")
                del self.buffer[:start + count]
                continue
            self.left = count if start == 2 else int.from_bytes(self.buffer[2:start], "big")
            del self.buffer[:start]

    def hear_last_words(self):
        """The server is gone: it waits a bounded time for those who send on. What it said is still there."""
        try:
            while not self.ended and not self.code:
                self.receive()
        except (BlockingIOError, ConnectionError):
            self.ended = True

    def over(self, reads):
        """Has it ended, or done what is due?"""
        return self.code or self.ended or (self.sent == self.due and (not reads or self.got == self.due))


class Gauge(threading.Thread):
    """The node's largest resident memory while it runs."""

    def __init__(self, node):
        super().__init__(daemon=True)
        self.node, self.before, self.most, self.stopped = node, node.rss(), 0, threading.Event()

    def run(self):
        while not self.stopped.wait(0.01):
            self.most = max(self.most, self.node.rss())

    def grown(self):
        self.stopped.set()
        self.join()
        return max(self.most, self.node.rss()) - self.before


def converse(senders, reads, echoes, due):
    """All send by turns, at most 64 KiB at once, up to `due` bytes of each message, or until nothing moves any more."""
    for sender in senders:
        sender.due = due
    selector = selectors.DefaultSelector()
    events = selectors.EVENT_WRITE | (selectors.EVENT_READ if reads else 0)
    for sender in senders:
        selector.register(sender.socket, events, sender)
    moved = time.monotonic()
    while selector.get_map() and time.monotonic() - moved < STALLED:
        for key, mask in selector.select(0.5):
            sender = key.data
            try:
                if mask & selectors.EVENT_READ:
                    sender.receive()
                if mask & selectors.EVENT_WRITE and not sender.over(False):
                    sender.send(65536)
                moved = time.monotonic()
            except BlockingIOError:
                pass
            except ConnectionError:
                sender.hear_last_words()
            if sender.over(echoes):
                selector.unregister(sender.socket)
            elif reads and sender.sent == sender.due and key.events != selectors.EVENT_READ:
                selector.modify(sender.socket, selectors.EVENT_READ, sender)
    selector.close()


def trial(name, path, options, node_options, reads, bound, check):
    with Node("--threads", "1", "--log", "error", "--ping", "0", *node_options) as node:
        senders = [Sender(node, path % number, options.bytes, reads) for number in range(options.connections)]
        gauge, begun = Gauge(node), time.monotonic()
        gauge.start()
        # All messages are there but for their ends before the first one is whole.
        echoes = reads and path.startswith("/echo")
        converse(senders, reads, echoes, options.bytes - 65536)
        converse(senders, reads, echoes, options.bytes)
        grown = gauge.grown()
        faults = check(senders, node)
        for sender in senders:
            sender.socket.close()
    moved = sum(sender.sent for sender in senders)
    refused = sum(sender.code == 1013 for sender in senders)
    print(f"{name}: {moved / MIB:.0f} MiB of {options.connections} x {options.bytes / MIB:.0f} MiB taken, {refused} refused with 1013; "
          f"{grown / MIB:.1f} MiB more memory, the bound is {bound / MIB:.1f} MiB ({time.monotonic() - begun:.1f} s)", flush=True)
    if grown > bound:
        faults.append(f"{grown} bytes more memory, above the bound of {bound}")
    for fault in faults[:5]:
        print(f"FAIL {name}: {fault}")
    return not faults


def all_came_back(senders, _):
    return [f"{sender.got} of {sender.size} bytes came back, code {sender.code}" for sender in senders if sender.got != sender.size]


def none_ended(senders, _):
    return [f"it ended with {sender.code}" for sender in senders if sender.ended or sender.code]


def whole_or_refused(senders, node):
    def whole():
        """Those whose message was taken; the last refusals may still be on their way."""
        for sender in senders:
            if not sender.ended and not sender.code:
                try:
                    sender.receive()
                except BlockingIOError:
                    pass
                except ConnectionError:
                    sender.ended = True
        return [sender for sender in senders if sender.sent == sender.size and not sender.code]

    def published():
        return node.metrics()["wye_messages_in_total"]
    until(lambda: published() == len(whole()))
    faults = [f"it ended with {sender.code} after {sender.sent} bytes" for sender in senders if sender not in whole() and sender.code != 1013]
    if published() != len(whole()) or not whole():
        faults.append(f"{published():.0f} messages were published, and {len(whole())} sent whole")
    return faults


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--start", metavar="PROGRAM", required=True)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--bytes", type=int, default=8 * MIB)
    parser.add_argument("--memory", type=int, default=64 * MIB)
    options = parser.parse_args()
    os.environ["WYE"] = os.path.abspath(options.start)
    many, memory = options.connections, ["--memory", str(options.memory)]
    # Receive buffers, the allocator's, a turn's replies; and what a sanitizer keeps of freed memory.
    slack = (512 if os.environ.get("WYE_SANITIZE") else 24) * MIB
    good = [trial("/echo, read", "/echo?%d", options, [], True, slack, all_came_back),
            trial("/echo, unread", "/echo?%d", options, memory, False, slack + options.memory + many * 196608, none_ended),
            trial("/topic", "/topic/%d?noecho", options, memory, True, slack + options.memory, whole_or_refused)]
    print(f"{sum(good)} passed, {len(good) - sum(good)} failed")
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
