"""What payloads must be: UTF-8 (RFC 6455 8.1) and permessage-deflate (RFC 7692). Run by raw.py."""
import random
import re
import zlib

from checks import test
from node import Node, run
from wire import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Peer, frame, random_bytes, upgrade

MIB = 1 << 20
NOT_UTF8 = [b"\xff", b"\x80", b"\xc0\x80", b"\xc1\xbf", b"\xe0\x80\x80", b"\xed\xa0\x80", b"\xf0\x80\x80\x80", b"\xf4\x90\x80\x80", b"\xf8\x88\x80\x80\x80",
            b"\xe2\x82", b"\xf0\x9f\x98", b"\xc3", b"\xe2\x28\xa1", b"good \xff bad"]


# ---- UTF-8 ----

@test
def text_that_is_not_UTF_8_is_closed_with_1007(node):
    for bad in NOT_UTF8 + [b"a" * 1000 + b"\xed\xbf\xbf" + b"z" * 1000, b"a" * 70_000 + b"\xc3"]:
        with Peer(node).open() as peer:
            peer.send(frame(TEXT, "before"), frame(TEXT, bad), frame(TEXT, "behind"))
            peer.expect(TEXT, "before")
            peer.expect_close(1007, "UTF-8")


@test
def text_whose_fragments_cut_its_characters_is_taken(node):
    text = "aé水😀" * 3
    data = text.encode()
    with Peer(node).open() as peer:
        for size in (1, 2, 3, 5):
            pieces = [data[at:at + size] for at in range(0, len(data), size)]
            peer.send(*(frame(CONTINUATION if at else TEXT, piece, fin=at == len(pieces) - 1) + frame(PING) for at, piece in enumerate(pieces)))
            assert peer.message() == (TEXT, data)
        for size in (3, 1000, 65536, 100_000):
            long = data * (200_000 // len(data))
            pieces = [long[at:at + size] for at in range(0, len(long), size)]
            stream = b"".join(frame(CONTINUATION if at else TEXT, piece, fin=at == len(pieces) - 1) for at, piece in enumerate(pieces))
            assert peer.talk(stream, 1) == [(TEXT, long)]


@test
def text_that_stops_being_UTF_8_is_closed_before_the_message_ends(node):
    for bad in (b"\xff", b"\xed\xa0"):
        with Peer(node).open() as peer:
            peer.send(frame(TEXT, "good so far", fin=False), frame(CONTINUATION, b"\xc3", fin=False), frame(CONTINUATION, b"\xa9" + bad, fin=False))
            peer.expect_close(1007, "UTF-8")
    with Peer(node).open() as peer:  # a character that never comes to its end
        peer.send(frame(TEXT, b"\xf0\x9f", fin=False), frame(CONTINUATION, b"\x98"))
        peer.expect_close(1007, "UTF-8")


@test
def long_text_is_checked_to_its_last_byte(node):
    good = "wörter ".encode() * (3 * MIB // 8)
    with Peer(node).open() as peer:
        assert peer.talk(frame(TEXT, good), 1) == [(TEXT, good)]
    with Peer(node).open() as peer:
        peer.exchange(frame(TEXT, good + b"\xe6\xb0"), 0)
        while (got := peer.frame()).opcode != CLOSE:
            assert not got.fin, "the message was said to be whole"
        assert got.payload[:2] == b"\x03\xef" and b"UTF-8" in got.payload, got


@test
def binary_messages_are_not_asked_for_UTF_8(node):
    with Peer(node).open() as peer:
        for bad in NOT_UTF8:
            peer.echo(bad, BINARY)


@test
def a_reason_that_is_not_UTF_8_is_closed_with_1007(node):
    with Peer(node).open() as peer:
        peer.send(frame(CLOSE, b"\x03\xe8" + b"\xff\xfe"))
        peer.expect_close(1007, "UTF-8")


@test
def text_that_is_not_UTF_8_reaches_no_subscriber(node):
    with Peer(node).open("/topic/utf8") as peer, Peer(node).open("/topic/utf8") as other:
        peer.send(frame(TEXT, b"\xc3\x28"))
        peer.expect_close(1007, "UTF-8")
        other.echo(b"fine", TEXT)


# ---- permessage-deflate ----

class Deflating(Peer):
    """A client that offers permessage-deflate, and compresses."""

    def offer(self, path="/echo", offer="permessage-deflate; client_max_window_bits", refused=False):
        self.send(upgrade(path, Sec_WebSocket_Extensions=offer))
        answer = self.expect_switch().fields.get("sec-websocket-extensions")
        assert refused == (answer is None), answer
        self.deflates = not refused
        self.answer = answer or ""
        bits = re.search(r"client_max_window_bits=(\d+)", self.answer)
        self.bits = int(bits[1]) if bits else 15
        bits = re.search(r"server_max_window_bits=(\d+)", self.answer)
        self.inflater = None
        self.server_bits = int(bits[1]) if bits else 15
        self.deflater = None
        return self

    def compressed(self, data):
        if self.deflater is None or "client_no_context_takeover" in self.answer:
            self.deflater = zlib.compressobj(wbits=-max(self.bits, 9))
        return (self.deflater.compress(data) + self.deflater.flush(zlib.Z_SYNC_FLUSH))[:-4]

    def hear(self):
        """Reads a message; its opcode, payload, and whether it came compressed."""
        reserved, parts, opcode = None, [], None
        while True:
            while len(self.buffer) < 1:
                self._take(self.socket.recv(65536))
            first = self.buffer[0]
            got = self.frame()
            if opcode is None:
                opcode, reserved = got.opcode, bool(first & 0x40)
            else:
                assert got.opcode == CONTINUATION and not first & 0x40, "RSV1 is for the first frame"
            parts.append(got.payload)
            if got.fin:
                break
        data = b"".join(parts)
        if reserved:
            if self.inflater is None or "server_no_context_takeover" in self.answer:
                self.inflater = zlib.decompressobj(-self.server_bits)
            data = self.inflater.decompress(data + b"\0\0\xff\xff")
        return opcode, data, reserved

    def expect_data(self, opcode, data):
        got = self.hear()
        assert got[:2] == (opcode, data), f"expected {len(data)} bytes, got opcode {got[0]} with {len(got[1])}: {got[1][:80]!r}"
        return got[2]


def modes():
    for mode in ("shared", "takeover"):
        with Node("--deflate", mode) as node:
            yield node


@test
def compressed_messages_are_inflated_and_come_back(node):
    dice = random.Random(12)
    text = ("So many words that come again and again, " * 50).encode()
    for node in modes():
        with Deflating(node).offer() as peer:
            for _ in range(3):
                for opcode, data in ((TEXT, text), (BINARY, random_bytes(5000)), (TEXT, b""), (TEXT, b"x"), (BINARY, bytes(100_000)), (TEXT, text * 40)):
                    peer.send(frame(opcode, peer.compressed(data), reserved=4, key=dice.randbytes(4)))
                    peer.expect_data(opcode, data)
                    peer.send(frame(opcode, data))
                    peer.expect_data(opcode, data)
            peer.leave()


@test
def answers_worth_compressing_come_compressed(node):
    for node in modes():
        with Deflating(node).offer() as peer:
            text = b"again and again " * 500
            peer.send(frame(TEXT, peer.compressed(text), reserved=4))
            assert peer.expect_data(TEXT, text), "8000 bytes of repetition came back as they are"


@test
def compressed_fragments_are_put_together_with_pings_between(node):
    for node in modes():
        with Deflating(node).offer() as peer:
            for size in (1, 7, 100):
                text = b"".join(b"%d green bottles " % number for number in range(300))
                data = peer.compressed(text)
                pieces = [data[at:at + size] for at in range(0, len(data), size)]
                for at, piece in enumerate(pieces):
                    peer.send(frame(CONTINUATION if at else TEXT, piece, fin=at == len(pieces) - 1, reserved=0 if at else 4))
                    if at in (1, 2):
                        peer.send(frame(PING, b"hm"))
                        peer.expect(PONG, b"hm")
                peer.expect_data(TEXT, text)


@test
def compressed_messages_that_are_wrong_are_closed_with_their_code(node):
    bomb = zlib.compressobj(wbits=-15)
    bomb = (bomb.compress(bytes(17 * MIB)) + bomb.flush(zlib.Z_SYNC_FLUSH))[:-4]
    for bad, code, words in (
        (frame(TEXT, b"\xff\xff\xff\xff", reserved=4), 1007, "deflate"),
        (frame(BINARY, b"\x07", reserved=4), 1007, "deflate"),
        (frame(BINARY, bomb, reserved=4), 1009, "inflates"),
        (frame(PING, b"", reserved=4), 1002, "reserved"),
        (frame(CONTINUATION, b"x", reserved=4), 1002, ""),
        (frame(TEXT, b"x", fin=False) + frame(CONTINUATION, b"x", reserved=4), 1002, "reserved"),
        (frame(TEXT, b"x", reserved=2), 1002, "reserved"),
        (frame(TEXT, b"x", reserved=5), 1002, "reserved"),
    ):
        with Deflating(node).offer() as peer:
            peer.send(bad)
            peer.expect_close(code, words)
    with Deflating(node).offer() as peer:
        peer.send(frame(TEXT, peer.compressed(b"fine so far \xc3\x28"), reserved=4))
        peer.expect_close(1007, "UTF-8")


@test
def a_loop_goes_on_inflating_for_others_after_one_sent_rubbish():
    with Node("--threads", "1") as node, Deflating(node).offer() as good:
        for number in range(20):
            with Deflating(node).offer() as bad:
                bad.send(frame(TEXT, random_bytes(50), reserved=4))
                text = b"good text %d " % number * 30
                good.send(frame(TEXT, good.compressed(text), reserved=4))
                good.expect_data(TEXT, text)


@test
def a_topic_reaches_those_who_compress_and_those_who_do_not(node):
    for node in modes():
        with Deflating(node).offer("/topic/mixed") as one, Deflating(node).offer("/topic/mixed", "permessage-deflate; server_max_window_bits=9") as two, \
                Peer(node).open("/topic/mixed") as plain:
            for number in range(5):
                for sender in (one, two, plain):
                    text = b"said to everybody " * (number * 20 + 1)
                    sender.send(frame(TEXT, sender.compressed(text), reserved=4) if sender is not plain else frame(TEXT, text))
                    one.expect_data(TEXT, text)
                    two.expect_data(TEXT, text)
                    assert plain.message() == (TEXT, text)


@test
def offers_are_answered_by_their_parameters(node):
    for offer, refused, words in (
        ("permessage-deflate", False, "permessage-deflate"),
        ("x-webkit-deflate-frame, permessage-deflate; client_no_context_takeover", False, "permessage-deflate"),
        ("permessage-deflate; server_no_context_takeover", False, "server_no_context_takeover"),
        ("permessage-deflate; server_max_window_bits=10", False, "server_max_window_bits=10"),
        ("permessage-deflate; unknown=1", True, ""),
        ("permessage-deflate; server_max_window_bits=99", True, ""),
        ("permessage-deflate; server_max_window_bits=99, permessage-deflate", False, "permessage-deflate"),
    ):
        with Deflating(node).offer(offer=offer, refused=refused) as peer:
            assert words in peer.answer, (offer, peer.answer)
            if not refused:
                peer.send(frame(TEXT, peer.compressed(b"hello " * 100), reserved=4))
            else:
                peer.send(frame(TEXT, b"hello " * 100))
            peer.expect_data(TEXT, b"hello " * 100)


@test
def deflate_off_declines_and_other_words_are_refused():
    with Node("--deflate", "off") as node, Deflating(node).offer(refused=True) as peer:
        peer.echo(b"hello " * 100, TEXT)
        peer.send(frame(TEXT, b"x", reserved=4))
        peer.expect_close(1002, "reserved")
    status, _, err = run("--deflate", "maybe")
    assert status == 64 and "takeover" in err, (status, err)


# ---- memory ----

@test
def messages_beyond_the_nodes_memory_are_closed_with_1013_and_others_go_on():
    with Node("--memory", "8M", "--threads", "1") as node, Peer(node).open("/topic/a") as other:
        peers = [Peer(node).open("/topic/b") for _ in range(12)]
        closed = 0
        for peer in peers:
            peer.exchange(frame(BINARY, bytes(MIB))[:-1], 0)
        for peer in peers:
            try:
                peer.socket.settimeout(0.3)
                peer.expect_close(1013, "--memory", end=False)
                closed += 1
            except TimeoutError:
                pass
        assert 3 <= closed < 12, f"{closed} of 12 MiB were refused"
        other.echo(b"others go on")
        for peer in peers:
            peer.socket.close()
        with Peer(node).open("/topic/a?noecho") as peer:
            peer.send(frame(BINARY, bytes(MIB)))
            assert other.message() == (BINARY, bytes(MIB))
