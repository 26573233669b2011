"""HTTP servers that publish, wrong on purpose, or right but awkward: what `wye-load publish` is shown.

    with PostServer("lost") as server:
        run_wye_load("publish", server.url + "/topic")

A POST to /topic is sent to all that switched to a WebSocket there, and answered with how many those are. POST_FAULTS and
POST_MANNERS name what servers do. Faults strike answer number STRIKES_AT of the first connection that publishes, once.
"""
import asyncio

from load_servers import STRIKES_AT, Connection, Server, frame

JSON = "Content-Type: application/json"
CHUNKED = "Transfer-Encoding: chunked"

# What each is wrong in: the count of the report that must show it, and words that say it.
POST_FAULTS = {
    "lost": ("lost", "answers that never came"),
    "doubled": ("unexpected", "an answer to nothing: 200 OK"),
    "status_500": ("not_published", "answered 500 Internal Server Error"),
    "status_413": ("not_published", "answered 413 Content Too Large"),
    "status_302": ("not_published", "answered 302 Found"),
    "status_304": ("not_published", "answered 304 Not Modified"),
    "one_more": ("wrong_receivers", "1 receivers instead of 0"),
    "words": ("wrong_receivers", "doesn't say {\"receivers\": N}"),
    "empty": ("wrong_receivers", "doesn't say {\"receivers\": N}"),
    "no_content": ("wrong_receivers", "doesn't say {\"receivers\": N}"),
    "cut_json": ("wrong_receivers", "is none"),
    "cut_number": ("wrong_receivers", "is none"),
    "quoted_number": ("wrong_receivers", "is none"),
    "fraction": ("wrong_receivers", "is none"),
    "negative": ("wrong_receivers", "is none"),
    "enormous": ("wrong_receivers", "is none"),
    "short_length": ("broken_frames", "no HTTP answer: 's"),
    "long_length": ("broken_frames", "no HTTP answer: '1.1 200 OK"),
    "odd_length": ("broken_frames", "Content-Length is wrong: '0x10'"),
    "two_lengths": ("broken_frames", "Content-Length is wrong: '17'"),
    "no_length": ("broken_frames", "doesn't say how long it is"),
    "length_and_chunked": ("broken_frames", "both Content-Length and Transfer-Encoding"),
    "coding": ("broken_frames", "a coding that isn't understood: 'gzip, chunked'"),
    "bad_chunk": ("broken_frames", "chunks are wrong: 'Z"),
    "huge": ("broken_frames", "more than 64 KiB"),
    "huge_chunks": ("broken_frames", "more than 64 KiB"),
    "endless_head": ("broken_frames", "head doesn't end"),
    "no_colon": ("broken_frames", "no colon: 'Content-Type application/json'"),
    "switched": ("broken_frames", "a 101 that was not asked for"),
    "banner": ("broken_frames", "no HTTP answer: 'SSH-2.0"),
    "binary": ("broken_frames", "no HTTP answer: '\\x00\\x00"),
    "four_digits": ("broken_frames", "no HTTP answer: 'HTTP/1.1 2000 OK"),
    "status_in_words": ("broken_frames", "no HTTP answer: 'HTTP/1.1 OK"),
    "cut_head": ("dropped", "in the middle of an answer: the server ended"),
    "cut_body": ("dropped", "in the middle of an answer: the server ended"),
    "cut_chunk": ("dropped", "in the middle of an answer: the server ended"),
    "closed": ("dropped", "the server ended the connection"),
    "reset": ("dropped", "Connection reset by peer"),
    "last": ("dropped", "as its answer said (Connection: close"),
    "last_but_open": ("dropped", "as its answer said (Connection: close"),
    "old_version": ("dropped", "as its answer said (Connection: close, or HTTP/1.0)"),
}
# Those that leave the second count behind as well.
ALSO = {"short_length": "wrong_receivers", "long_length": "wrong_receivers"}
POST_MANNERS = ("right", "coalesced", "split", "delays", "hints", "lower_case", "many_fields", "spaced", "changing", "chunked",
                "chunked_finely", "chunked_and_coalesced", "kept_old_version", "no_phrase", "created", "large", "out_of_order")


def answer(body, status="200 OK", fields=(JSON,), version="HTTP/1.1", length=None):
    """length: the bytes that it says it has, where those aren't the body's; "": nothing."""
    fields = [*fields, f"Content-Length: {len(body) if length is None else length}"] if length != "" else fields
    return "\r\n".join([f"{version} {status}", *fields, "", ""]).encode() + body


def chunked(body, sizes, extension=b"", trailer=b""):
    parts, at = [], 0
    while at < len(body):
        piece = body[at:at + sizes]
        parts.append(b"%x%s\r\n%s\r\n" % (len(piece), extension, piece))
        at += sizes
    return b"".join(parts) + b"0\r\n" + trailer + b"\r\n"


def told(receivers):
    return b'{"receivers":%d}\n' % receivers


# What a wrong answer is, of those that are nothing but bytes.
WRONG = {
    "status_500": answer(told(0), "500 Internal Server Error"),
    "status_413": answer(b"no\n", "413 Content Too Large"),
    "status_302": answer(b"", "302 Found", ["Location: /elsewhere"]),
    "status_304": answer(b"", "304 Not Modified", length=""),
    "one_more": answer(told(1)),
    "words": answer(b"published\n"),
    "empty": answer(b""),
    "no_content": answer(b"", "204 No Content", (), length=""),
    "cut_json": answer(b'{"receivers":0'),
    "cut_number": answer(b'{"receivers":'),
    "quoted_number": answer(b'{"receivers":"0"}'),
    "fraction": answer(b'{"receivers":0.5}'),
    "negative": answer(b'{"receivers":-1}'),
    "enormous": answer(b'{"receivers":18446744073709551616}'),
    "short_length": answer(told(0), length=10),
    "long_length": answer(told(0), length=21),
    "odd_length": answer(told(0), length="0x10"),
    "two_lengths": answer(told(0), fields=(JSON, "Content-Length: 16"), length=17),
    "no_length": answer(told(0), length=""),
    "length_and_chunked": answer(chunked(told(0), 99), fields=(JSON, CHUNKED)),
    "coding": answer(chunked(told(0), 99), fields=(JSON, "Transfer-Encoding: gzip, chunked"), length=""),
    "bad_chunk": answer(b"Z\r\n" + chunked(told(0), 99), fields=(JSON, CHUNKED), length=""),
    "huge": answer(b"", length=1 << 40),
    "huge_chunks": answer(chunked(bytes(200000), 1000), fields=(CHUNKED,), length=""),
    "endless_head": answer(b"", fields=["X: " + "x" * 1000] * 100)[:-4],
    "no_colon": answer(told(0), fields=("Content-Type application/json",)),
    "switched": answer(b"", "101 Switching Protocols", ("Upgrade: x", "Connection: Upgrade"), length=""),
    "banner": b"SSH-2.0-OpenSSH_9.2\r\n",
    "binary": bytes.fromhex("00001204000000000000"),
    "four_digits": answer(told(0), "2000 OK"),
    "status_in_words": answer(told(0), "OK"),
    "last_but_open": answer(told(0), fields=(JSON, "Connection: x, Close")),
    "old_version": answer(told(0), version="HTTP/1.0"),
}
# Those behind which the connection ends.
ENDS = {
    "cut_head": answer(told(0))[:30],
    "cut_body": answer(told(0))[:-3],
    "cut_chunk": answer(chunked(told(0), 99)[:8], fields=(JSON, CHUNKED), length=""),
    "closed": b"",
    "last": answer(told(0), fields=(JSON, "Connection: close")),
}


class PostConnection(Connection):
    poster = None  # among those that publish
    over = False   # it has said its last
    odd = None     # an answer that waits for the next one

    def data_received(self, data):
        self.buffer += data
        while self.buffer[:5] == b"POST ":
            if not self.next_post():
                return
        super().data_received(b"")

    def next_post(self):
        head, blank, rest = self.buffer.partition(b"\r\n\r\n")
        if not blank:
            return False
        line, *fields = head.decode().split("\r\n")
        fields = dict(field.lower().split(": ", 1) for field in fields)
        count = int(fields["content-length"])
        if len(rest) < count:
            return False
        if self.poster is None:
            self.poster = self.server.posters
            self.server.posters += 1
            if self.server.manner == "split":
                self.server.loop.create_task(self.trickle())
        self.buffer = rest[count:]
        self.server.request = line, fields
        self.heard += 1
        self.server.messages += 1
        self.published(rest[:count], 1 if fields["content-type"].startswith("text/") else 2)
        return True

    def published(self, body, opcode):
        for each in self.server.topic:
            each.transport.write(frame(opcode, body))
        if self.over:
            return
        if self.server.delay:
            self.server.delay(self, opcode, body)
        elif not self.server.mute():
            self.answer_post()

    def reply(self, *_):
        self.answer_post()

    def answer_post(self):
        fault = self.server.fault if self.poster == 0 and self.written == STRIKES_AT else None
        self.written += 1
        if fault is None:
            self.post_mannered()
            return
        self.server.struck += 1
        if fault == "doubled":
            self.write(self.right() * 2)
        elif fault in WRONG:
            self.write(WRONG[fault])
        elif fault in ENDS:
            self.write(ENDS[fault])
            self.transport.write_eof()  # not close(): with requests unread it would be a reset
            self.over = True
        elif fault == "reset":
            self.reset()
        else:
            assert fault == "lost", fault

    def right(self):
        receivers = len(self.server.topic) + self.server.lies
        body, manner = told(receivers), self.server.manner
        if manner == "untold" or (manner == "untold_at_first" and self.written <= STRIKES_AT):
            return answer(b"queued messages: 1\r\nactive subscribers: 0\r\n", "202 Accepted", ["Content-Type: text/plain"])
        if manner == "nothing":
            return answer(b"", "204 No Content", (), length="")
        if manner == "lower_case":
            return answer(body, fields=("content-type: application/json", f"content-length:{len(body)} "), length="")
        if manner == "many_fields":
            return answer(body, fields=(JSON, "Date: today", "Server: x", "Connection: Keep-Alive, x", "Keep-Alive: timeout=5", "X:", "X-Y: a:b",
                                        *(f"Set-Cookie: c{i}={'v' * 300}" for i in range(20))))
        if manner == "spaced":
            return answer(b' {\r\n\t"topic" : "t",\n"receivers"\t:\r\n %d ,"more":[] }\r\n' % receivers)
        if manner in ("changing", "out_of_order"):
            return answer(b'{"number":%d,"receivers":%d}' % (self.written, receivers))
        if manner == "kept_old_version":
            return answer(body, version="HTTP/1.0", fields=("Connection: keep-alive",))
        if manner == "no_phrase":
            return answer(body, "200")
        if manner == "created":
            return answer(body, "201 Created")
        if manner == "large":
            return answer(b'{"receivers":%d,"more":"%s"}' % (receivers, b"m" * 60000))
        if manner.startswith("chunked"):
            fine = manner == "chunked_finely"
            return answer(chunked(body, 1, b' ; x="y"', b"Trailer: yes\r\n") if fine else chunked(body, 9), fields=(JSON, CHUNKED), length="")
        if manner == "hints":
            return (answer(b"", "100 Continue", (), length="") + answer(b"", "103 Early Hints", ["Link: </x.css>"], length="")) + answer(body)
        return answer(body)

    def post_mannered(self):
        manner, data = self.server.manner, self.right()
        if manner.endswith("coalesced"):
            self.waiting.append(data)
            if len(self.waiting) == 1:
                self.server.loop.call_later(0.002, self.flush)
        elif manner == "delays":
            self.server.loop.call_later(0.003, self.write, data)
        elif manner == "out_of_order" and self.odd is None:
            self.odd = data
            self.server.loop.call_later(0.002, self.flush_odd)
        elif manner == "out_of_order":
            self.odd = data + self.odd
        else:
            self.write(data)

    def flush_odd(self):
        data, self.odd = self.odd, None
        self.write(data)

    async def trickle(self):
        """A byte at a time, each in a segment of its own."""
        while True:
            for byte in await self.pieces.get():
                self.transport.write(bytes([byte]))
                await asyncio.sleep(0)


class PostServer(Server):
    """lies: so many receivers more are told than there are. mute_after: no answer any more after so many posts, of all together."""

    speaks, scheme = PostConnection, "http"

    def __init__(self, fault=None, manner="right", lies=0, mute_after=None, delay=None):
        super().__init__(fault, manner, delay=delay)
        self.lies, self.mute_after = lies, mute_after
        self.posters, self.request = 0, None

    def mute(self):
        return self.mute_after is not None and self.messages > self.mute_after
