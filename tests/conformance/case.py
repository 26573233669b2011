"""One row of the suite: what a client sends, and what must come back.

A row's script is a list of steps. Bytes are sent; the other kinds of steps stand below. Rows whose bytes are few are sent in
several ways (see ways() in run.py), because a rule that depends on where the network cuts a frame isn't kept.
"""
import collections
import dataclasses
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../e2e"))
from wire import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, frame, header, masked

Pause = collections.namedtuple("Pause", "seconds")  # nothing is sent for so long
Until = collections.namedtuple("Until", "count")  # nothing is sent before so many messages and pongs have come
Chopped = collections.namedtuple("Chopped", "data size")  # sent in segments of `size` bytes
Event = collections.namedtuple("Event", "opcode payload")  # a whole message, or a pong

# How a row ends. STAYS: the connection still works, and ends with a closing handshake of the client's.
# Fails(codes): the server says one of these codes; the first is what wye says, the others are as good.
# Answers(code): the client has sent a close frame, and this code comes back (None: no code).
STAYS = "stays"
Fails = collections.namedtuple("Fails", "codes")
Answers = collections.namedtuple("Answers", "code")

PROTOCOL, UNSUPPORTED, INVALID, TOO_BIG = 1002, 1003, 1007, 1009


@dataclasses.dataclass(eq=False)  # a row is only ever itself
class Case:
    number: str
    group: str
    name: str
    script: object  # steps, or function(session) that returns (steps, events)
    events: list  # the messages and pongs that come back, in this order
    end: object
    offers: tuple = ()  # values of Sec-WebSocket-Extensions, one a line
    answer: object = None  # function(agreement or None) that returns what is wrong with the answer to the offers, or None
    whole: bool = False  # to be sent as it is written, and in no other way
    early: bool = False  # another server may wait for more before it fails: then it is "loose"
    refused: bool = False  # the handshake must fail
    largest: int = 0  # bytes of the largest message: a server may refuse it with 1009


class Table:
    """Collects rows."""

    def __init__(self, long):
        self.long = long  # rows may take their time
        self.cases = []
        self.counts = collections.Counter()

    def group(self, name):
        self.name = name
        return self

    def add(self, name, script, events=(), end=STAYS, **how):
        chapter = self.name.partition(" ")[0]
        self.counts[chapter] += 1
        self.cases.append(Case(f"{chapter}.{self.counts[chapter]}", self.name, name, script, list(events), end, **how))

    def wrong(self, name, script, code=PROTOCOL, events=(), **how):
        """The server must end the connection with this code (or, of several, any), having answered what was right before."""
        self.add(name, script, events, Fails(code if isinstance(code, tuple) else (code,)), **how)


# ---- frames ----

def raw(payload):
    return payload.encode() if isinstance(payload, str) else payload


def text(payload=b"", **how):
    return frame(TEXT, payload, **how)


def binary(payload=b"", **how):
    return frame(BINARY, payload, **how)


def more(payload=b"", **how):
    """A continuation."""
    return frame(CONTINUATION, payload, **how)


def ping(payload=b"", **how):
    return frame(PING, payload, **how)


def pong(payload=b"", **how):
    return frame(PONG, payload, **how)


def bye(code=1000, reason=b"", **how):
    return frame(CLOSE, b"" if code is None else code.to_bytes(2, "big") + raw(reason), **how)


def fragments(opcode, payload, size, reserved=0):
    """A message in fragments of `size` bytes, masked once for all when that can be."""
    payload = raw(payload)
    hidden = masked(payload) if size % 4 == 0 else None
    frames = []
    for at in range(0, len(payload), size) or (0,):
        count = min(size, len(payload) - at)
        how = {"fin": at + count == len(payload), "reserved": reserved if at == 0 else 0}
        kind = CONTINUATION if at else opcode
        frames.append(header(kind, count, **how) + hidden[at:at + count] if hidden is not None else frame(kind, payload[at:at + count], **how))
    return frames


# ---- what comes back ----

def says(payload):
    return Event(TEXT, raw(payload))


def gives(payload):
    return Event(BINARY, raw(payload))


def pongs(payload=b""):
    return Event(PONG, raw(payload))
