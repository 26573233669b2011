"""HTTP and WebSocket by hand: every byte that goes out is the test's, every byte that comes in is looked at."""
import base64
import collections
import hashlib
import os
import select
import socket
import time

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
MASK = b"\x37\xfa\x21\x3d"

Frame = collections.namedtuple("Frame", "fin opcode payload")
Response = collections.namedtuple("Response", "status fields body head")


def masked(payload, key=MASK):
    count = len(payload)
    if not count:
        return b""
    keys = (key * (count // 4 + 1))[:count]
    return (int.from_bytes(payload, "little") ^ int.from_bytes(keys, "little")).to_bytes(count, "little")


def header(opcode, count, fin=True, key=MASK, reserved=0, width=None):
    """A frame's header. width: bytes of the extended length, 0, 2 or 8, where the shortest isn't wanted. key None: no mask."""
    width = width if width is not None else 0 if count < 126 else 2 if count < 65536 else 8
    small = count if width == 0 else 126 if width == 2 else 127
    first = (0x80 if fin else 0) | reserved << 4 | opcode
    return bytes([first, (0x80 if key is not None else 0) | small]) + (count.to_bytes(width, "big") if width else b"") + (key or b"")


def frame(opcode, payload=b"", **how):
    payload = payload.encode() if isinstance(payload, str) else payload
    key = how.get("key", MASK)
    return header(opcode, len(payload), **how) + (masked(payload, key) if key is not None else payload)


def close(code=None, text=""):
    return frame(CLOSE, b"" if code is None else code.to_bytes(2, "big") + text.encode())


def server_frame(opcode, payload=b"", fin=True):
    """The bytes that a server sends for it."""
    return header(opcode, len(payload), fin=fin, key=None) + payload


def request(path="/echo", method="GET", version="HTTP/1.1", host="localhost", **fields):
    """A request's head. Underscores in the names of fields stand for hyphens; a value of None leaves the field out."""
    fields = {"Host": host, **{name.replace("_", "-"): value for name, value in fields.items()}}
    lines = [f"{name}: {value}" for name, value in fields.items() if value is not None]
    return "\r\n".join([f"{method} {path} {version}", *lines, "", ""]).encode("latin-1")


def upgrade(path="/echo", **fields):
    """The head of a request for a WebSocket, with fields of one's own instead of or besides the usual ones."""
    usual = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec_WebSocket_Key": KEY, "Sec_WebSocket_Version": "13"}
    return request(path, **{**usual, **fields})


def stream_upgrade(**fields):
    return request("/stream", **{"Upgrade": "wye-echo", "Connection": "Upgrade", **fields})


def accept_of(key):
    return base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()).decode()


class Peer:
    """A client's end of a connection."""

    def __init__(self, node, seconds=10):
        address = getattr(node, "address", node)
        if isinstance(address, str):
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.socket.settimeout(seconds)
            self.socket.connect(address)
        else:
            self.socket = socket.create_connection(address, seconds)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.seconds = seconds
        self.buffer = bytearray()
        self.parts, self.pongs = [], []  # frames of a message under way; payloads of pongs that came beside messages
        self.deflates = False  # RSV1 has been agreed upon
        if hasattr(node, "peers"):
            node.peers.add(self)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def reset(self):
        """Ends the connection with a RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.socket.close()

    # ---- out ----

    def send(self, *parts):
        self.socket.sendall(b"".join(parts))
        return self

    def send_slowly(self, data, pause=0.0003):
        """A byte a segment."""
        for at in range(len(data)):
            self.socket.sendall(data[at:at + 1])
            time.sleep(pause)
        return self

    def _both_ways(self, data, done):
        """Sends and receives at the same time, until all is sent and done() says that all has come."""
        view, end = memoryview(data), time.monotonic() + 60
        self.socket.setblocking(False)
        try:
            while not (finished := done()) or view:
                readable, writable, _ = select.select([] if finished else [self.socket], [self.socket] if view else [], [], self.seconds)
                assert (readable or writable) and time.monotonic() < end, f"stuck: {len(view)} bytes unsent, {len(self.buffer)} received"
                if readable:
                    self._take(self.socket.recv(1 << 20))
                if writable:
                    view = view[self.socket.send(view):]
        finally:
            self.socket.settimeout(self.seconds)

    def exchange(self, data, want):
        """Sends all of data, meanwhile receives; returns the next `want` bytes."""
        self._both_ways(data, lambda: len(self.buffer) >= want)
        return self._cut(want)

    def talk(self, data, count):
        """Sends all of data, meanwhile receives; returns the next `count` messages, as (opcode, payload). Pongs go to .pongs."""
        messages = []

        def done():
            while len(messages) < count and (message := self._message_if_whole()):
                messages.append(message)
            return len(messages) == count
        self._both_ways(data, done)
        return messages

    def send_until_stuck(self, data, quiet=0.5):
        """Sends without ever reading, until nothing has moved for `quiet` seconds. Returns how many bytes left."""
        sent = 0
        self.socket.setblocking(False)
        try:
            while sent < len(data) and select.select([], [self.socket], [], quiet)[1]:
                sent += self.socket.send(memoryview(data)[sent:sent + (1 << 20)])
        finally:
            self.socket.settimeout(self.seconds)
        return sent

    # ---- in ----

    def _take(self, data):
        if not data:
            raise EOFError(f"the connection ended; unread: {bytes(self.buffer[:200])!r}")
        self.buffer += data

    def _cut(self, count):
        data = bytes(self.buffer[:count])
        del self.buffer[:count]
        return data

    def read(self, count):
        while len(self.buffer) < count:
            self._take(self.socket.recv(max(65536, min(count - len(self.buffer), 1 << 20))))
        return self._cut(count)

    def read_until(self, mark):
        while mark not in self.buffer:
            self._take(self.socket.recv(65536))
        return self._cut(self.buffer.index(mark) + len(mark))

    def rest(self):
        """Everything up to the end of the connection."""
        try:
            while True:
                self._take(self.socket.recv(1 << 20))
        except EOFError:
            return self._cut(len(self.buffer))

    def expect_end(self):
        """The server has ended the connection (FIN, not RST), and nothing more came."""
        rest = self.rest()
        assert rest == b"", f"expected the end, got {rest[:200]!r}"

    def expect_silence(self, seconds=0.3):
        ready = self.buffer or select.select([self.socket], [], [], seconds)[0]
        if ready:
            more = bytes(self.buffer) or self.socket.recv(65536)
            raise AssertionError(f"expected silence, got {more[:200]!r}" if more else "expected silence, the connection ended")

    # ---- HTTP ----

    def response(self, to_head=False):
        """Reads a response. to_head: it answers a HEAD, so no body follows."""
        head = self.read_until(b"\r\n\r\n").decode("latin-1")
        lines = head[:-4].split("\r\n")
        version, status, _ = lines[0].split(" ", 2)
        assert version == "HTTP/1.1", head
        fields = {}
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            assert colon and name.lower() not in fields, head
            fields[name.lower()] = value.strip()
        body = b"" if to_head or status == "101" else self.read(int(fields["content-length"]))
        return Response(int(status), fields, body.decode("utf-8", "replace"), head)

    def ask(self, path, method="GET", **fields):
        self.send(request(path, method, **fields))
        return self.response(to_head=method == "HEAD")

    # ---- WebSocket ----

    def open(self, path="/echo", glued=b"", **fields):
        """Switches to WebSocket, with bytes glued behind the request."""
        self.send(upgrade(path, **fields), glued)
        self.expect_switch()
        return self

    def expect_switch(self, key=KEY):
        response = self.response()
        assert response.status == 101, response
        assert response.fields["upgrade"].lower() == "websocket" and response.fields["connection"].lower() == "upgrade", response.head
        assert response.fields["sec-websocket-accept"] == accept_of(key), response.head
        return response

    def open_stream(self, glued=b""):
        self.send(stream_upgrade(), glued)
        response = self.response()
        assert response.status == 101 and response.fields["upgrade"] == "wye-echo", response
        assert response.fields["connection"].lower() == "upgrade" and "sec-websocket-accept" not in response.fields, response.head
        return self

    def _frame_if_whole(self):
        """Takes a frame that has come whole, and asserts what every frame of a server keeps; None: it hasn't."""
        buffer, start = self.buffer, 2
        if len(buffer) < start:
            return None
        first, count = buffer[0], buffer[1] & 127
        assert not buffer[1] & 0x80, "a server must not mask"
        assert not first & (0x30 if self.deflates else 0x70), "a reserved bit is set"
        if count >= 126:
            width = 2 if count == 126 else 8
            start += width
            if len(buffer) < start:
                return None
            count = int.from_bytes(buffer[2:start], "big")
            assert (126 if width == 2 else 65536) <= count < 1 << 63, "a length that isn't minimal"
        opcode = first & 15
        assert opcode in (CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG), opcode
        assert opcode < 8 or (count <= 125 and first & 0x80), "a control frame that is long or fragmented"
        if len(buffer) < start + count:
            return None
        self._cut(start)
        return Frame(bool(first & 0x80), opcode, self._cut(count))

    def frame(self):
        """Reads a frame."""
        while not (frame := self._frame_if_whole()):
            self._take(self.socket.recv(1 << 20))
        return frame

    def _message_if_whole(self):
        while frame := self._frame_if_whole():
            if frame.opcode == PONG:
                self.pongs.append(frame.payload)
                continue
            assert frame.opcode < 8, f"expected a message, got {_short(frame)}"
            assert (frame.opcode == CONTINUATION) == bool(self.parts), f"in the wrong place: {_short(frame)}"
            self.parts.append(frame)
            if frame.fin:
                parts, self.parts = self.parts, []
                return parts[0].opcode, b"".join(part.payload for part in parts)
        return None

    def message(self):
        """Reads a message, in however many frames it comes: (opcode, payload)."""
        while not (message := self._message_if_whole()):
            self._take(self.socket.recv(1 << 20))
        return message

    def expect(self, opcode, payload=b""):
        got = self.frame()
        want = Frame(True, opcode, payload.encode() if isinstance(payload, str) else payload)
        assert got == want, f"expected {_short(want)}, got {_short(got)}"

    def expect_close(self, code, words=None, end=True):
        """Reads a close frame: its code, its text (which holds the words), and the end of the connection. Returns the text."""
        got = self.frame()
        assert got.opcode == CLOSE, f"expected a close frame with {code}, got {_short(got)}"
        seen = int.from_bytes(got.payload[:2], "big") if got.payload else None
        text = got.payload[2:].decode()
        assert seen == code, f"expected close code {code}, got {seen} {text!r}"
        if words is not None:
            assert words in text and text, f"close code {code}: {words!r} isn't in {text!r}"
        if end:
            self.expect_end()
        return text

    def echo(self, payload=b"still there?", opcode=BINARY):
        """One echo there and back."""
        got = self.talk(frame(opcode, payload), 1)[0]
        assert got == (opcode, payload), f"expected {len(payload)} bytes, got opcode {got[0]} with {len(got[1])} bytes"
        return self

    def leave(self, code=1000):
        """A closing handshake, begun by this end."""
        self.send(close(code))
        self.expect_close(code)


def _short(got):
    payload = got.payload if len(got.payload) <= 80 else got.payload[:80] + b"..."
    return f"opcode {got.opcode}{'' if got.fin else ' (not final)'} with {len(got.payload)} bytes {payload!r}"


def random_bytes(count):
    return os.urandom(count)
