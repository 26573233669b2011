"""A client's end of one connection: it sends any bytes, and judges every byte that comes back."""
import asyncio
import contextlib
import dataclasses
import re
import zlib

from case import CLOSE, CONTINUATION, PING, PONG, STAYS, TEXT, Answers, Chopped, Event, Fails, Pause, Until, bye
from wire import BINARY, accept_of, upgrade, KEY

PATIENCE, LITTLE_PATIENCE = 6.0, 2.0  # s without a byte either way; of another server
TICK = 0.25
TAIL = b"\x00\x00\xff\xff"
NAME = "permessage-deflate"
MAY_CLOSE = {1000, 1001, 1002, 1003, *range(1007, 1015), *range(3000, 5000)}


class Broken(Exception):
    """The server did what no server may do."""


# ---- permessage-deflate, as a client sees it ----

@dataclasses.dataclass
class Agreement:
    server_bits: int = 15
    client_bits: int = 15
    server_no_context: bool = False
    client_no_context: bool = False


def parameters(value):
    """{name: value or True} of one extension; None when it isn't well-formed."""
    name, *rest = [part.strip() for part in value.split(";")]
    found = {}
    for part in rest:
        match = re.fullmatch(r'([\w-]+)(?:\s*=\s*(?:"?([\w-]+)"?))?', part)
        if name != NAME or not match or match[1] in found:
            return None
        found[match[1]] = match[2] or True
    return found if name == NAME else None


def read_answer(value, offers):
    """What was agreed, by the rules of RFC 7692 7.1 for answers. Raises Broken."""
    answer = parameters(value)
    if answer is None or set(answer) - {"server_no_context_takeover", "client_no_context_takeover", "server_max_window_bits", "client_max_window_bits"}:
        raise Broken(f"the answer {value!r} isn't one to permessage-deflate")
    for name, given in answer.items():
        if name.endswith("_bits") != (given is not True) or (given is not True and not re.fullmatch("[89]|1[0-5]", given)):
            raise Broken(f"the answer {value!r} has a wrong {name}")
    server, client = (int(answer.get(side + "_max_window_bits", 15)) for side in ("server", "client"))

    def most(offer, side):
        """The window that an offer allows; -1: none that there is."""
        value = offer.get(side + "_max_window_bits", "15")
        return 15 if value is True and side == "client" else int(value) if re.fullmatch("[89]|1[0-5]", str(value)) else -1

    def fits(offer):
        """Is this an answer to that offer?"""
        if offer is None:
            return False
        return (("server_no_context_takeover" not in offer or "server_no_context_takeover" in answer)
                and ("server_max_window_bits" not in offer or "server_max_window_bits" in answer) and server <= most(offer, "server")
                and ("client_max_window_bits" not in answer or "client_max_window_bits" in offer and client <= most(offer, "client")))
    fitting = [offer for line in offers for offer in map(parameters, line.split(",")) if fits(offer)]
    if not fitting:
        raise Broken(f"the answer {value!r} fits none of the offers {offers}")
    return Agreement(server, client, "server_no_context_takeover" in answer, "client_no_context_takeover" in answer or "client_no_context_takeover" in fitting[0])


async def in_time(awaited):
    """What it gives, within PATIENCE: while this program itself stands still, making other rows' messages, no time passes."""
    task = asyncio.ensure_future(awaited)
    left = PATIENCE
    while left > 0 and not (await asyncio.wait([task], timeout=TICK))[0]:
        left -= TICK
    if not task.done():
        task.cancel()
        raise asyncio.TimeoutError
    return task.result()


class Peer:
    """One connection. What was found goes to .loose (only by the letter, or less) and .wrong."""

    def __init__(self, case, strict, making):
        """making: the lock of who makes a script, which may take a second; the others' answers are read between two."""
        self.case, self.strict, self.making = case, strict, making
        self.patience = PATIENCE if strict else LITTLE_PATIENCE
        self.buffer = bytearray()
        self.events, self.got = [], 0  # expected; how many of them came
        self.message, self.parts, self.deflated = None, [], False
        self.closed = None  # the server's close frame: (code or None, reason)
        self.ended = self.reset = False
        self.loose, self.wrong = [], []
        self.agreement, self.opened, self.declined = None, False, False
        self.compressed_in, self.compressed_due = 0, 0  # messages that came compressed; that wye is to compress
        self.writer = None
        self.progress = asyncio.Event()

    # ---- opening ----

    async def open(self, address, path):
        self.reader, self.writer = await in_time(asyncio.open_connection(*address, limit=1 << 20))
        request = upgrade(path, Host="%s:%d" % address)
        offers = "".join(f"Sec-WebSocket-Extensions: {value}\r\n" for value in self.case.offers)
        self.writer.write(request[:-2] + offers.encode("latin-1") + b"\r\n")
        head = (await in_time(self.reader.readuntil(b"\r\n\r\n"))).decode("latin-1")
        fields = {}
        for line in head[:-4].split("\r\n")[1:]:
            name, _, value = line.partition(":")
            fields.setdefault(name.strip().lower(), []).append(value.strip())
        if self.case.refused:
            if re.match(r"HTTP/1\.1 4\d\d[ \r]", head):
                return False
            raise Broken(f"a malformed request gets {head[:40]!r}")
        if not re.match(r"HTTP/1\.1 101[ \r]", head) or fields.get("sec-websocket-accept") != [accept_of(KEY)]:
            raise Broken(f"it doesn't switch: {head[:200]!r}")
        answers = fields.get("sec-websocket-extensions", [])
        if len(answers) > 1 or (answers and not self.case.offers):
            raise Broken(f"extensions that were not asked for: {answers}")
        if answers:
            self.agreement = read_answer(answers[0], self.case.offers)
            self.deflater, self.inflater = None, None
        return True

    # ---- out ----

    def deflate(self, payload, **how):
        """A message's payload, compressed as was agreed; the context outlives it if it may."""
        if self.deflater is None or self.agreement.client_no_context:
            bits = max(9, self.agreement.client_bits)
            self.deflater = zlib.compressobj(how.get("level", 1), zlib.DEFLATED, -bits, how.get("memory", 8), how.get("strategy", zlib.Z_DEFAULT_STRATEGY))
        data = self.deflater.compress(payload) + self.deflater.flush(zlib.Z_SYNC_FLUSH)
        return data[:-4] or b"\0"

    async def write(self, data):
        self.writer.write(data)
        self.progress.set()
        await self.writer.drain()

    async def send(self, steps):
        with contextlib.suppress(ConnectionError):
            for step in steps:
                if isinstance(step, Pause):
                    await asyncio.sleep(step.seconds)
                elif isinstance(step, Until):
                    while self.got < step.count and not self.over():
                        await self.step()
                elif isinstance(step, Chopped):
                    for at in range(0, len(step.data), step.size):
                        await self.write(step.data[at:at + step.size])
                        if step.size < 64 or at % (step.size * 16) == 0:
                            await asyncio.sleep(0.0002 if step.size < 64 else 0)
                else:
                    await self.write(step)

    # ---- in ----

    def over(self):
        return self.closed is not None or self.ended or bool(self.wrong)

    async def step(self):
        """Waits for something to happen."""
        self.progress.clear()
        if not self.over():
            await self.progress.wait()

    async def receive(self):
        try:
            while data := await self.reader.read(1 << 20):
                self.buffer += data
                self.read_frames()
                self.progress.set()
        except ConnectionError:
            self.reset = True
        except Broken as trouble:
            self.wrong.append(str(trouble))
        self.ended = True
        self.progress.set()

    def read_frames(self):
        buffer = self.buffer
        while len(buffer) >= 2:
            if self.closed is not None:
                raise Broken(f"bytes behind its close frame: {bytes(buffer[:40])!r}")
            start, first, count = 2, buffer[0], buffer[1] & 127
            if buffer[1] & 0x80:
                raise Broken("a masked frame")
            if count >= 126:
                start = 4 if count == 126 else 10
                if len(buffer) < start:
                    return
                count = int.from_bytes(buffer[2:start], "big")
                if count < (126 if start == 4 else 65536) or count >> 63:
                    raise Broken(f"a length of {count} in {8 * (start - 2)} bits")
            opcode, fin, reserved = first & 15, bool(first & 0x80), first >> 4 & 7
            if opcode > 10 or 3 <= opcode <= 7:
                raise Broken(f"opcode {opcode}")
            if reserved and not (reserved == 4 and self.agreement and opcode in (TEXT, BINARY)):
                raise Broken(f"reserved bits {reserved:03b} in opcode {opcode}")
            if opcode >= 8 and (count > 125 or not fin):
                raise Broken("a control frame that is long or fragmented")
            if len(buffer) < start + count:
                return
            del buffer[:start]
            payload = bytes(buffer[:count])
            del buffer[:count]
            self.take_frame(opcode, fin, reserved, payload)

    def take_frame(self, opcode, fin, reserved, payload):
        if opcode == CLOSE:
            self.take_close(payload)
        elif opcode == PONG:
            self.take(Event(PONG, payload))
        elif opcode != PING:
            if (opcode == CONTINUATION) != (self.message is not None):
                raise Broken(f"opcode {opcode} in the wrong place")
            if opcode != CONTINUATION:
                self.message, self.deflated = opcode, bool(reserved)
            self.parts.append(payload)
            if fin:
                payload, kind = b"".join(self.parts), self.message
                self.message, self.parts = None, []
                if self.deflated:
                    self.compressed_in += 1
                    payload = self.inflate(payload)
                self.take(Event(kind, payload))

    def take_close(self, payload):
        code = int.from_bytes(payload[:2], "big") if payload else None
        if len(payload) == 1 or (code is not None and code not in MAY_CLOSE):
            raise Broken(f"a close frame of {payload!r}")
        try:
            self.closed = code, payload[2:].decode()
        except UnicodeDecodeError:
            raise Broken(f"a close reason that isn't UTF-8: {payload[2:]!r}") from None

    def inflate(self, data):
        if self.inflater is None or self.agreement.server_no_context:
            self.inflater = zlib.decompressobj(-max(9, self.agreement.server_bits))
        # zlib looks back further than the window as far as one call's output goes: so small calls for small windows.
        most = 128 if self.agreement.server_bits < 12 and len(data) < 40000 else 0
        data, out = data + TAIL, []
        try:
            while data or not out:
                out.append(self.inflater.decompress(data, most))
                data = self.inflater.unconsumed_tail
                if self.inflater.eof:
                    data, self.inflater = self.inflater.unused_data, zlib.decompressobj(-max(9, self.agreement.server_bits))
        except zlib.error as trouble:
            raise Broken(f"a message that doesn't inflate: {trouble}") from None
        return b"".join(out)

    def take(self, event):
        """A message or a pong. A server that isn't wye may answer pings beside its messages."""
        if event.opcode == TEXT:
            try:
                event.payload.decode()
            except UnicodeDecodeError:
                raise Broken("text that isn't UTF-8") from None
        expected = self.events[self.got] if self.got < len(self.events) else None
        if not self.strict and expected and event != expected and event in self.events[self.got:]:
            at = self.events.index(event, self.got)
            if event.opcode == PONG or all(other.opcode == PONG for other in self.events[self.got:at]):
                self.events.insert(self.got, self.events.pop(at))
                expected = event
        if event == expected:
            self.got += 1
            return
        expected = f", expected {shown(expected)}" if expected else ", expected no more"
        raise Broken(f"{shown(event)} came back{expected}")

    # ---- a row ----

    async def run(self, address, path, way):
        """Plays the row's script in a way that ways() in run.py gave."""
        try:
            self.opened = await self.open(address, path)
        except (Broken, OSError, asyncio.TimeoutError, asyncio.IncompleteReadError) as trouble:
            self.wrong.append(str(trouble) or type(trouble).__name__)
        if not self.opened:
            if self.writer:
                self.writer.transport.abort()
            return
        receiving = asyncio.create_task(self.receive())
        try:
            await self.play(way)
        except asyncio.TimeoutError:
            self.wrong.append("stuck")
        except ConnectionError:
            self.reset = True
        finally:
            receiving.cancel()
            self.writer.transport.abort()
            with contextlib.suppress(asyncio.CancelledError):
                await receiving

    async def patiently(self, done):
        """Until done(), or nothing has moved for so long: whether it is done. While this program itself stands still, no time passes."""
        left = self.patience
        while left > 0 and not done() and not self.over():
            self.progress.clear()
            try:
                await asyncio.wait_for(self.progress.wait(), TICK)
                left = self.patience
            except asyncio.TimeoutError:
                left -= TICK
        return done()

    async def play(self, way):
        case = self.case
        async with self.making:
            script = case.script(self) if callable(case.script) else (case.script, case.events)
            steps, self.events = way(script[0]), list(script[1])
            await asyncio.sleep(0)
        sending = asyncio.create_task(self.send(steps))
        sending.add_done_callback(lambda _: self.progress.set())
        try:
            if case.end == STAYS:
                if not await self.patiently(lambda: sending.done() and self.got == len(self.events)):
                    self.judge_unexpected_end(len(self.events))
                    return
                await self.write(bye(1000))
            await self.patiently(lambda: False)
            self.judge_end()
            if self.wrong or self.ended or not self.closed:
                return
            if not isinstance(case.end, Fails):
                pass
            elif sending.done():
                with contextlib.suppress(ConnectionError):
                    await self.write(bye(self.closed[0]))
            else:
                sending.cancel()
                with contextlib.suppress(OSError):  # it may have ended the connection already
                    self.writer.write_eof()
            await self.await_end()
        finally:
            sending.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sending

    async def await_end(self):
        """Both have said goodbye: the server closes the connection (RFC 6455 7.1.1)."""
        with contextlib.suppress(asyncio.TimeoutError):
            while not self.ended:
                self.progress.clear()
                await asyncio.wait_for(self.progress.wait(), 3)
        if not self.ended:
            self.loose.append("the server didn't end the connection after the closing handshake")
        elif self.reset:
            self.loose.append("a reset behind the closing handshake")

    # ---- judging ----

    def how_it_ended(self):
        return f"close code {self.closed[0]} {self.closed[1]!r}" if self.closed else "a reset" if self.reset else "an end without a close frame" if self.ended else "silence"

    def judge_unexpected_end(self, expected):
        if self.wrong:
            return
        if self.closed and self.closed[0] == 1009 and self.case.largest and not self.strict:
            self.loose.append("its limit")
            return
        self.wrong.append(f"{self.got} of {expected} answers came, then {self.how_it_ended()}")

    def judge_end(self):
        case = self.case
        if self.wrong:
            return
        missing = len(self.events) - self.got
        if isinstance(case.end, Fails):
            if self.closed and self.closed[0] in (case.end.codes[:1] if self.strict else case.end.codes):
                if self.strict and not self.closed[1]:
                    self.loose.append("no reason is given")
            elif self.closed or self.ended:
                self.loose.append(f"{self.how_it_ended()}, expected {case.end.codes[0]}")
            else:
                (self.loose if case.early and not self.strict else self.wrong).append(f"it goes on, expected close code {case.end.codes[0]}")
                return
            if missing:
                self.loose.append(f"{missing} answers to what came before are missing")
            return
        code = case.end.code if isinstance(case.end, Answers) else 1000
        if not self.closed:
            (self.loose if self.ended else self.wrong).append(f"{self.how_it_ended()}, expected a close frame")
        elif self.closed[0] != code:
            self.loose.append(f"{self.how_it_ended()}, expected {code}")
        if self.strict and self.agreement and self.compressed_in < self.compressed_due:
            self.loose.append(f"only {self.compressed_in} of {self.compressed_due} messages came compressed")
        if missing:
            (self.loose if isinstance(case.end, Answers) and not self.strict else self.wrong).append(f"{missing} answers to what came before are missing")


def shown(event):
    payload = event.payload if len(event.payload) <= 40 else event.payload[:40] + b"..."
    return f"{({TEXT: 'text', BINARY: 'binary', PONG: 'a pong'})[event.opcode]} of {len(event.payload)} bytes {payload!r}"
