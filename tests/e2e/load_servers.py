"""WebSocket servers that are wrong on purpose, or right but awkward, in plain Python: what wye-load is shown.

    with Server("lost") as server:
        run_wye_load("echo", server.url)

A server echoes; on /topic it sends what comes to all others there but the sender. FAULTS and MANNERS name what they do.
Faults strike message number STRIKES_AT of the first connection (of the first subscriber, on a topic), once.
"""
import asyncio
import base64
import gc
import hashlib
import random
import socket
import struct
import threading
import time
import zlib

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
STRIKES_AT = 20

# What each is wrong in: the count of the report that must show it.
FAULTS = {
    "lost": "lost",
    "doubled": "duplicated",
    "reordered": "reordered",
    "corrupted": "corrupted",
    "corrupted_number": "corrupted",
    "truncated": "wrong_length",
    "lengthened": "wrong_length",
    "emptied": "wrong_length",
    "wrong_opcode": "wrong_type",
    "unasked": "unexpected",
    "masked": "broken_frames",
    "reserved_bit": "broken_frames",
    "stray_continuation": "broken_frames",
    "cut_off": "dropped",
    "closed": "dropped",
    "reset": "dropped",
}
# The same, where compression was agreed to.
DEFLATE_FAULTS = {
    "lost": "lost",
    "doubled": "duplicated",
    "corrupted": "corrupted",
    "truncated": "wrong_length",
    "emptied": "wrong_length",
    "wrong_opcode": "wrong_type",
    "no_deflate_stream": "corrupted",
    "cut_deflate_stream": "corrupted",
    "reserved_bit_of_another": "broken_frames",
    "reserved_bit_in_the_middle": "broken_frames",
}
# What a server may not answer to an offer of "server_no_context_takeover; client_no_context_takeover".
DEFLATE_ANSWERS = (
    "permessage-deflate",
    "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
    "permessage-deflate; server_no_context_takeover; client_max_window_bits=10",
    "permessage-deflate; server_no_context_takeover; server_max_window_bits=16",
    "permessage-deflate; server_no_context_takeover; level=9",
    "permessage-deflate; server_no_context_takeover, permessage-deflate; server_no_context_takeover",
)
HANDSHAKE_FAULTS = ("wrong_accept", "no_accept", "forbidden", "unavailable", "not_http", "subprotocol", "extension", "silent_end")
MANNERS = ("right", "coalesced", "split", "pings", "delays", "fragmented", "hints")


def frame(opcode, payload, fin=True, reserved=0, masked=False):
    count = len(payload)
    first = (0x80 if fin else 0) | reserved << 4 | opcode
    mask = 0x80 if masked else 0
    if count < 126:
        head = struct.pack("!BB", first, mask | count)
    elif count < 65536:
        head = struct.pack("!BBH", first, mask | 126, count)
    else:
        head = struct.pack("!BBQ", first, mask | 127, count)
    return head + (b"\0\0\0\0" if masked else b"") + payload


def unmask(payload, key):
    count = len(payload)
    stream = int.from_bytes((key * (count // 4 + 1))[:count], "big")
    return (int.from_bytes(payload, "big") ^ stream).to_bytes(count, "big") if count else b""


def flipped(payload, at):
    changed = bytearray(payload)
    changed[at] = ord("A") if changed[at] != ord("A") else ord("B")
    return bytes(changed)


class Connection(asyncio.Protocol):
    def __init__(self, server):
        self.server = server
        self.buffer = b""
        self.open = False
        self.heard = 0      # messages
        self.written = 0    # messages, to it
        self.held = None
        self.waiting = []   # coalesced
        self.pieces = asyncio.Queue()
        self.first = None   # when the first message came
        self.deflater = self.inflater = None  # where compression was agreed to

    def connection_made(self, transport):
        self.transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.number = self.server.accepted
        self.server.accepted += 1

    def connection_lost(self, _):
        self.server.topic.discard(self)
        self.deflater = self.inflater = None  # 300 KB, which would wait for the collector

    def data_received(self, data):
        self.buffer += data
        if not self.open and not self.shake():
            return
        while (message := self.next_frame()) is not None:
            self.take(*message)

    # ---- the handshake ----

    def shake(self):
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return False
        lines = self.buffer[:end].decode().split("\r\n")
        self.buffer = self.buffer[end + 4:]
        self.path = lines[0].split(" ")[1]
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        accept = base64.b64encode(hashlib.sha1(fields["sec-websocket-key"].encode() + GUID).digest()).decode()
        fault = self.server.handshake_fault(self.number)
        if fault == "mute":  # and stays there
            return False
        if fault in ("forbidden", "unavailable"):
            status = "403 Forbidden" if fault == "forbidden" else "503 Service Unavailable"
            self.transport.write(f"HTTP/1.1 {status}\r\nContent-Length: 3\r\nConnection: close\r\n\r\nno\n".encode())
        elif fault == "not_http":
            self.transport.write(b"SSH-2.0-OpenSSH_9.2\r\n")
        if fault in ("forbidden", "unavailable", "not_http", "silent_end"):
            self.transport.close()
            return False
        if fault == "wrong_accept":
            accept = flipped(accept.encode(), 5).decode()
        answer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        answer += "" if fault == "no_accept" else f"Sec-WebSocket-Accept: {accept}\r\n"
        answer += "Sec-WebSocket-Protocol: nobody-asked\r\n" if fault == "subprotocol" else ""
        answer += "Sec-WebSocket-Extensions: permessage-deflate\r\n" if fault == "extension" else ""
        self.fields = fields
        if self.server.deflate and "permessage-deflate" in fields.get("sec-websocket-extensions", ""):
            answer += f"Sec-WebSocket-Extensions: {self.server.deflate}\r\n"
            self.deflater = zlib.compressobj(6, zlib.DEFLATED, -15)
            self.inflater = zlib.decompressobj(-15)
        if self.server.manner == "hints":
            answer = "HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n" + answer
        self.open = True
        if self.path.startswith("/topic"):
            self.server.topic.add(self)
        if self.server.manner == "split":
            self.server.loop.create_task(self.trickle())
        self.write((answer + "\r\n").encode())
        if self.server.manner == "greets":
            self.write(frame(1, b"welcome"))
        if self.server.fault == "unasked" and self.number == 0:
            self.server.struck += 1
            self.write(frame(2, b"a word of my own ..."))
        return True

    # ---- frames ----

    def next_frame(self):
        data = self.buffer
        if len(data) < 6:
            return None
        count, at = data[1] & 127, 2
        if count == 126:
            count, at = int.from_bytes(data[2:4], "big"), 4
        elif count == 127:
            count, at = int.from_bytes(data[2:10], "big"), 10
        if not data[1] & 0x80 or len(data) < at + 4 + count:
            return None
        self.buffer = data[at + 4 + count:]
        payload = unmask(data[at + 4:at + 4 + count], data[at:at + 4])
        if data[0] & 0x40:
            self.server.deflated += 1
            payload = self.inflater.decompress(payload + b"\0\0\xff\xff")
            if "client_no_context_takeover" in self.server.deflate:
                self.inflater = zlib.decompressobj(-15)
        return data[0] & 15, payload

    def write(self, data):
        if self.server.manner == "split":
            self.pieces.put_nowait(data)
        else:
            self.transport.write(data)

    async def trickle(self):
        """Two or three bytes at a time, each in a segment of its own."""
        dice = random.Random(1)
        while True:
            data = await self.pieces.get()
            while data:
                count = dice.randrange(1, 4) if len(data) < 300 else dice.randrange(1, 2000)
                self.transport.write(data[:count])
                data = data[count:]
                await asyncio.sleep(0)

    def take(self, opcode, payload):
        if opcode == 8:
            if not self.server.ignores_close:
                self.transport.write(frame(8, payload))
                self.transport.close()
            return
        if opcode == 10:
            self.server.pongs.append(payload)
        if opcode >= 8:
            return
        self.heard += 1
        self.server.messages += 1
        if self.path.startswith("/topic"):
            for other in self.server.topic:
                if other is not self:
                    other.answer(opcode, payload, strikes=other is self.server.victim())
        elif self.server.delay:
            self.server.delay(self, opcode, payload)
        else:
            self.answer(opcode, payload, strikes=self.number == 0)

    # ---- answers ----

    def encode(self, payload):
        """What stands in the frame, and its reserved bits."""
        if not self.deflater:
            return payload, 0
        if "server_no_context_takeover" in self.server.deflate:
            self.deflater = zlib.compressobj(6, zlib.DEFLATED, -15)
        return (self.deflater.compress(payload) + self.deflater.flush(zlib.Z_SYNC_FLUSH))[:-4] or b"\0", 4

    def frame(self, opcode, payload):
        encoded, reserved = self.encode(payload)
        return frame(opcode, encoded, reserved=reserved)

    def reply(self, opcode, payload):
        self.transport.write(frame(opcode, payload))

    def answer(self, opcode, payload, strikes):
        place = self.written
        self.written += 1
        fault = self.server.fault if strikes and place == STRIKES_AT and self.server.fault != "unasked" else None
        if self.held is not None:
            self.mannered(opcode, payload)
            self.mannered(*self.held)
            self.held = None
        elif fault is None:
            self.mannered(opcode, payload)
        else:
            self.server.struck += 1
            self.wrong(fault, opcode, payload)

    def wrong(self, fault, opcode, payload):
        if fault == "lost":
            return
        if fault == "reordered":
            self.held = opcode, payload
        elif fault == "doubled":
            self.write(self.frame(opcode, payload) + self.frame(opcode, payload))
        elif fault == "corrupted":
            self.write(self.frame(opcode, flipped(payload, len(payload) - 1)))
        elif fault == "corrupted_number":
            self.write(self.frame(opcode, b"\0" + payload[1:]))
        elif fault == "truncated":
            self.write(self.frame(opcode, payload[:-1]))
        elif fault == "lengthened":
            self.write(self.frame(opcode, payload + b"x"))
        elif fault == "emptied":
            self.write(self.frame(opcode, b""))
        elif fault == "wrong_opcode":
            self.write(self.frame(3 - opcode, payload))
        elif fault == "masked":
            self.write(frame(opcode, payload, masked=True))
        elif fault == "reserved_bit":
            self.write(frame(opcode, payload, reserved=4))
        elif fault == "no_deflate_stream":
            self.write(frame(opcode, b"\xff" * 9, reserved=4))
        elif fault == "cut_deflate_stream":
            self.write(frame(opcode, self.encode(payload)[0][:-2], reserved=4))
        elif fault == "reserved_bit_of_another":
            self.write(frame(opcode, self.encode(payload)[0], reserved=6))
        elif fault == "reserved_bit_in_the_middle":
            self.write(frame(opcode, b"", fin=False, reserved=4) + frame(0, self.encode(payload)[0], reserved=4))
        elif fault == "stray_continuation":
            self.write(frame(0, payload))
        elif fault == "cut_off":
            self.write(frame(opcode, payload)[:-3])
            self.transport.close()
        elif fault == "closed":
            self.write(frame(opcode, payload) + frame(8, b"\x03\xf3out of order"))
            self.transport.close()
        elif fault == "reset":
            self.reset()

    def reset(self):
        self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    def mannered(self, opcode, payload):
        manner = self.server.manner
        if manner == "coalesced":
            self.waiting.append(self.frame(opcode, payload))
            if len(self.waiting) == 1:
                self.server.loop.call_later(0.002, self.flush)
        elif manner == "pings":
            self.write(frame(9, b"are you there?") + self.frame(opcode, payload) + frame(10, b"") + frame(9, b""))
        elif manner == "fragmented":
            payload, reserved = self.encode(payload)
            half = len(payload) // 3
            self.write(frame(opcode, payload[:half], fin=False, reserved=reserved) + frame(0, b"", fin=False) + frame(9, b"between") +
                       frame(0, payload[half:], fin=False) + frame(0, b""))
        elif manner == "delays":
            self.server.loop.call_later(0.003, self.write, self.frame(opcode, payload))
        else:
            self.write(self.frame(opcode, payload))

    def flush(self):
        waiting, self.waiting = b"".join(self.waiting), []
        self.transport.write(waiting)


class Server:
    """
    Runs in a thread of its own. handshake: a fault of HANDSHAKE_FAULTS, for one connection in `every`.

    Garbage is collected between servers: after a storm that takes up to a second, in which one that serves would be silent.
    """

    speaks, scheme = Connection, "ws"

    def __init__(self, fault=None, manner="right", handshake=None, every=1, ignores_close=False, delay=None, deflate=None):
        self.fault, self.manner, self.handshake, self.every = fault, manner, handshake, every
        self.ignores_close, self.delay = ignores_close, delay
        self.deflate = deflate  # the value of Sec-WebSocket-Extensions that answers an offer
        self.accepted = self.messages = self.struck = self.deflated = 0
        self.pongs, self.topic = [], set()

    def handshake_fault(self, number):
        return self.handshake if self.handshake and number % self.every == self.every - 1 else None

    def victim(self):
        subscribers = [each for each in self.topic if "noecho" not in each.path]
        return min(subscribers, key=lambda each: each.number, default=None)

    def drop_all(self):
        """Ends every connection without a word."""
        def drop():
            for each in list(self.connections):
                each.transport.abort()
        self.loop.call_soon_threadsafe(drop)

    def __enter__(self):
        ready = threading.Event()
        self.connections = []
        gc.disable()

        def made():
            self.connections.append(self.speaks(self))
            return self.connections[-1]

        async def serve():
            self.loop = asyncio.get_running_loop()
            self.ended = asyncio.Event()
            server = await self.loop.create_server(made, "127.0.0.1", 0, backlog=1024)
            self.port = server.sockets[0].getsockname()[1]
            ready.set()
            await self.ended.wait()
            server.close()
            for each in self.connections:
                if each.transport.get_protocol() is each:
                    each.transport.abort()
        self.thread = threading.Thread(target=asyncio.run, args=(serve(),), daemon=True)
        self.thread.start()
        assert ready.wait(5)
        return self

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self.ended.set)
        self.thread.join(5)
        self.connections = []
        gc.collect()

    @property
    def url(self):
        return f"{self.scheme}://127.0.0.1:{self.port}"


class Delays:
    """A `delay`: each message waits for a known time; once the whole server stands still for a while. Keeps the truth."""

    STEPS = ((0.70, 0.020), (0.95, 0.035), (1.00, 0.060))  # up to this part of all: so long

    def __init__(self, apart, stall_after, stall):
        self.apart = apart  # planned seconds between the messages of a connection; None: closed loop
        self.stall_after, self.stall = stall_after, stall
        self.dice = random.Random(7)
        self.begun = None
        self.truth = []  # seconds from the planned time (closed loop: from the arrival) to the answer
        self.injected = []

    def __call__(self, connection, opcode, payload):
        now = time.monotonic()
        if self.begun is None:
            self.begun = now
            connection.server.loop.call_later(self.stall_after, time.sleep, self.stall)
        if connection.first is None:
            connection.first = now
        planned = connection.first + (connection.heard - 1) * self.apart if self.apart else now
        draw = self.dice.random()
        wait = next(seconds for part, seconds in self.STEPS if draw <= part)
        self.injected.append(wait)
        connection.last = max(getattr(connection, "last", 0) + 1e-6, now + wait)  # answers stay in order
        connection.server.loop.call_at(connection.last, self.answer, connection, opcode, payload, planned)

    def answer(self, connection, opcode, payload, planned):
        connection.reply(opcode, payload)
        self.truth.append(time.monotonic() - planned)

    def percentile(self, percent):
        ordered = sorted(self.truth)
        place = max(1, round(percent / 100 * len(ordered)))
        return ordered[place - 1]
