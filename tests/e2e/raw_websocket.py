"""Frames, messages and closing (RFC 6455), byte for byte; and /stream. Run by raw.py."""
import random
import socket
import time

from checks import test
from node import Node, until
from wire import (BINARY, CLOSE, CONTINUATION, MASK, PING, PONG, TEXT, Peer, close, frame, header, masked, random_bytes,
                  stream_upgrade, upgrade)

MIB = 1 << 20


# ---- where handshake and frames meet ----

@test
def bytes_glued_behind_the_handshake_are_answered(node):
    with Peer(node) as peer:
        peer.open(glued=frame(TEXT, "glued") + frame(BINARY, b"\0\1") + frame(PING, b"p") + frame(TEXT, "last"))
        peer.expect(TEXT, "glued")
        peer.expect(BINARY, b"\0\1")
        peer.expect(PONG, b"p")
        peer.expect(TEXT, "last")
        peer.leave()


@test
def a_large_message_glued_behind_the_handshake_comes_back(node):
    payload = random_bytes(300_000)
    with Peer(node) as peer:
        peer.send(upgrade(), frame(BINARY, payload)[:1000])
        peer.expect_switch()
        assert peer.talk(frame(BINARY, payload)[1000:], 1) == [(BINARY, payload)]


@test
def a_handshake_and_frames_sent_byte_by_byte_work(node):
    with Peer(node) as peer:
        peer.send_slowly(upgrade() + frame(TEXT, "one byte a segment"))
        peer.expect_switch()
        peer.expect(TEXT, "one byte a segment")
        peer.send_slowly(frame(PING, b"slow") + frame(BINARY, b"x" * 130) + close(1000))
        peer.expect(PONG, b"slow")
        peer.expect(BINARY, b"x" * 130)
        peer.expect_close(1000)


@test
def a_handshake_cut_anywhere_works(node):
    whole = upgrade() + frame(TEXT, "cut")
    for at in range(1, len(whole), 7):
        with Peer(node) as peer:
            peer.send(whole[:at])
            time.sleep(0.0005)
            peer.send(whole[at:])
            peer.expect_switch()
            peer.expect(TEXT, "cut")


@test
def a_close_glued_behind_the_handshake_is_echoed(node):
    with Peer(node) as peer:
        peer.open(glued=close(1000, "at once") + frame(TEXT, "nobody reads this"))
        peer.expect_close(1000)


# ---- messages ----

@test
def the_type_of_a_message_and_its_bytes_are_kept(node):
    with Peer(node).open() as peer:
        for opcode, payload in ((TEXT, "grüß 水 😀".encode()), (BINARY, bytes(range(256)) * 3), (TEXT, b""), (BINARY, b"")):
            peer.echo(payload, opcode)
        peer.send(frame(BINARY, b"zero key", key=b"\0\0\0\0"))
        peer.expect(BINARY, b"zero key")


@test
def messages_of_every_length_around_the_limits_of_headers_come_back(node):
    lengths = [*range(0, 140), 4095, 4096, 4097, 65533, 65534, 65535, 65536, 65537, 131072]
    with Peer(node).open() as peer:
        sent = [frame(BINARY, random_bytes(count)[:count], key=random_bytes(4)) for count in lengths]
        for count, each in zip(lengths, sent):
            key, payload = each[len(each) - count - 4:len(each) - count], each[len(each) - count:]
            assert peer.talk(each, 1) == [(BINARY, masked(payload, key))]


@test
def ten_thousand_small_messages_in_one_burst_come_back_in_order(node):
    payloads = [b"%d:" % i + b"x" * (i % 200) for i in range(10_000)]
    with Peer(node).open() as peer:
        assert peer.talk(b"".join(frame(BINARY, each) for each in payloads), len(payloads)) == [(BINARY, each) for each in payloads]
        peer.leave()


@test
def frames_cut_at_random_places_give_the_same_answer(node):
    dice = random.Random(101)
    stream, messages, pings = bytearray(), [], []
    for _ in range(60):
        payload = dice.randbytes(dice.choice((0, 1, 5, 125, 126, 1000, 70_000)))
        parts = dice.randrange(1, 4)
        for part in range(parts):
            piece = payload[len(payload) * part // parts:len(payload) * (part + 1) // parts]
            stream += frame(CONTINUATION if part else BINARY, piece, fin=part == parts - 1, key=dice.randbytes(4))
            if dice.random() < 0.4:
                pings.append(dice.randbytes(dice.randrange(126)))
                stream += frame(PING, pings[-1], key=dice.randbytes(4))
        messages.append((BINARY, payload))
    with Peer(node).open() as peer:
        at = 0
        while at < len(stream):
            count = dice.choice((1, 2, 3, 10, 100, 5000, 100_000))
            peer.send(bytes(stream[at:at + count]))
            at += count
            time.sleep(0.0002)
        assert [peer.message() for _ in messages] == messages
        peer.send(close(1000))
        while len(peer.pongs) < len(pings):
            got = peer.frame()
            assert got.opcode == PONG, got
            peer.pongs.append(got.payload)
        peer.expect_close(1000)
        assert peer.pongs == pings


@test
def a_message_of_1_MiB_comes_back(node):
    payload = random_bytes(MIB)
    with Peer(node).open() as peer:
        for _ in range(3):
            assert peer.talk(frame(BINARY, payload), 1) == [(BINARY, payload)]


@test
def a_message_of_1_MiB_in_fragments_of_one_byte_comes_back(node):
    payload = random_bytes(MIB)
    stream = bytearray(7 * MIB)
    for at, value in enumerate(b"\0\x81" + MASK):
        stream[at::7] = bytes([value]) * MIB
    stream[6::7] = masked(payload, MASK[:1] * 4)
    stream[0] = BINARY
    stream[-7] = 0x80
    with Peer(node).open() as peer:
        assert peer.talk(bytes(stream), 1) == [(BINARY, payload)]
        peer.leave()


def in_fragments(dice, payload, sizes, pings):
    """A message in fragments of these sizes with pings between, whose payloads are added to `pings`."""
    parts, at = [], 0
    while at < len(payload):
        count = min(len(payload) - at, dice.choice(sizes))
        parts.append(frame(CONTINUATION if at else BINARY, payload[at:at + count], fin=at + count == len(payload), key=dice.randbytes(4)))
        at += count
        if at < len(payload) and dice.random() < 0.5:
            pings.append(b"%d" % len(pings) + b"." * dice.randrange(120))
            parts.append(frame(PING, pings[-1]))
    return b"".join(parts)


@test
def a_message_of_1_MiB_in_fragments_of_1_to_65536_bytes_with_pings_between_comes_back(node):
    payload, pings = random_bytes(MIB), []
    stream = in_fragments(random.Random(7), payload, (1, 2, 125, 126, 127, 1000, 4096, 16384, 65535, 65536), pings)
    with Peer(node).open() as peer:
        assert peer.talk(stream, 1) == [(BINARY, payload)]
        assert peer.pongs == pings
        peer.leave()


@test
def long_messages_in_small_fragments_come_back_with_all_that_stands_between_and_behind(node):
    for size in (50, 125, 400, 3000):
        dice, pings, long, short = random.Random(size), [], random_bytes(500_000), random_bytes(1000)
        stream = in_fragments(dice, long, (size, size + 1), pings)
        with Peer(node).open() as peer:
            assert peer.talk((stream + frame(BINARY, short)) * 2, 4) == [(BINARY, long), (BINARY, short)] * 2, size
            assert peer.pongs == pings * 2
            peer.leave()


@test
def empty_fragments_count_for_nothing(node):
    with Peer(node).open() as peer:
        peer.send(frame(TEXT, "", fin=False), frame(CONTINUATION, "", fin=False), frame(CONTINUATION, "some", fin=False), frame(CONTINUATION, ""))
        peer.expect(TEXT, "some")
        peer.send(frame(TEXT, "", fin=False), frame(CONTINUATION, ""))
        peer.expect(TEXT, "")


def held(node):
    """What the node has taken and not given on. How much the kernel holds beside it, for both ends, is the kernel's affair."""
    metrics = node.metrics()
    return metrics["wye_bytes_in_total"] - metrics["wye_bytes_out_total"]


def sent_until_not_read(node, peer, stream):
    """Sends, and reads nothing, until the node reads no more; how many bytes left, in which the kernel's share is."""
    before = held(node)
    sent = peer.send_until_stuck(stream)
    taken = held(node) - before
    # Half of an outbox (17 MiB), and what was on its way.
    assert 4 * MIB < taken < 12 * MIB, f"{taken} bytes of {sent} were taken although nothing was read"
    return sent


def is_not_read_while_it_does_not_read(node, stream, answers):
    with Peer(node).open() as peer:
        sent = sent_until_not_read(node, peer, stream)
        assert peer.talk(stream[sent:], len(answers)) == answers
        peer.leave()


@test
def a_client_that_does_not_read_is_not_read_and_loses_nothing(node):
    payloads = [random_bytes(50_000) for _ in range(20)]
    stream = b"".join(frame(BINARY, each) for each in payloads) * 50
    is_not_read_while_it_does_not_read(node, stream, [(BINARY, each) for each in payloads] * 50)


@test
def a_client_that_does_not_read_its_large_echo_is_not_read_and_loses_nothing(node):
    payload = random_bytes(MIB) * 16
    is_not_read_while_it_does_not_read(node, frame(BINARY, payload) * 3, [(BINARY, payload)] * 3)


# ---- control frames ----

@test
def a_ping_between_fragments_is_answered_at_once(node):
    with Peer(node).open() as peer:
        peer.send(frame(TEXT, "to be ", fin=False), frame(PING, b"now"))
        peer.expect(PONG, b"now")
        peer.send(frame(CONTINUATION, "continued"))
        peer.expect(TEXT, "to be continued")


@test
def pings_of_every_length_are_answered_and_pongs_are_not(node):
    with Peer(node).open() as peer:
        peer.send(*(frame(PING, b"x" * count) + frame(PONG, b"unasked") for count in range(126)))
        for count in range(126):
            peer.expect(PONG, b"x" * count)
        peer.echo()


def violation(node, bad, words, before=b"", answered=()):
    """Sends `bad`; expects 1002 with a text that holds `words`, and that nothing behind it is answered."""
    with Peer(node).open() as peer:
        peer.send(before, bad, frame(TEXT, "nobody answers this"))
        for opcode, payload in answered:
            peer.expect(opcode, payload)
        peer.expect_close(1002, words)


@test
def a_control_frame_that_is_fragmented_is_closed_with_1002(node):
    for opcode in (CLOSE, PING, PONG):
        violation(node, frame(opcode, b"", fin=False), "fragmented")


@test
def a_control_frame_longer_than_125_bytes_is_closed_with_1002(node):
    for opcode in (CLOSE, PING, PONG):
        violation(node, frame(opcode, b"\x03\xe8" + b"x" * 124), "125")
    with Peer(node).open() as peer:  # its header is enough
        peer.send(header(PING, 126)[:2])
        peer.expect_close(1002, "125")


@test
def a_frame_that_is_not_masked_is_closed_with_1002(node):
    for opcode in (TEXT, BINARY, PING, CLOSE):
        violation(node, frame(opcode, b"", key=None), "mask")
    violation(node, frame(TEXT, "plain", key=None), "mask")
    violation(node, frame(TEXT, b"x" * 70_000, key=None), "mask")


@test
def a_reserved_bit_is_closed_with_1002(node):
    for reserved in range(1, 8):
        violation(node, frame(TEXT, "x", reserved=reserved), "reserved bit")
    violation(node, frame(PING, "x", reserved=4), "reserved bit")
    violation(node, frame(CONTINUATION, "x", reserved=4), "reserved bit", before=frame(TEXT, "x", fin=False))


@test
def an_opcode_that_is_not_defined_is_closed_with_1002(node):
    for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15):
        violation(node, frame(opcode, "x"), "opcode")


@test
def a_length_that_is_not_minimal_is_closed_with_1002(node):
    for count, width in ((0, 2), (125, 2), (0, 8), (125, 8), (126, 8), (65535, 8)):
        violation(node, header(BINARY, count, width=width) + bytes(count), "as few bytes as possible")


@test
def a_length_with_its_top_bit_set_is_closed_with_1002(node):
    violation(node, header(BINARY, 1 << 63, width=8), "top bit")


@test
def a_continuation_of_nothing_and_a_message_inside_another_are_closed_with_1002(node):
    violation(node, frame(CONTINUATION, "x"), "continu")
    violation(node, frame(CONTINUATION, "x"), "continu", before=frame(TEXT, "whole"), answered=[(TEXT, b"whole")])
    for opcode in (TEXT, BINARY):
        violation(node, frame(opcode, "x"), "before the last one had ended", before=frame(TEXT, "part", fin=False))


@test
def what_came_before_a_violation_is_answered_first(node):
    before = frame(TEXT, "one") + frame(PING, b"two") + frame(BINARY, b"three")
    violation(node, frame(3, b""), "opcode", before=before, answered=[(TEXT, b"one"), (PONG, b"two"), (BINARY, b"three")])


@test
def a_violation_is_seen_in_a_handshakes_own_segment(node):
    with Peer(node) as peer:
        peer.open(glued=frame(TEXT, "not masked", key=None))
        peer.expect_close(1002, "mask")


@test
def a_close_frame_reaches_a_client_in_the_middle_of_sending(node):
    with Peer(node).open() as peer:
        peer.send(frame(TEXT, "x", reserved=4))
        try:
            for _ in range(20):
                peer.send(b"\x82\xfe\xff\xff" + bytes(65539))
                time.sleep(0.001)
        except OSError:
            pass
        peer.expect_close(1002, "reserved bit", end=False)


# ---- too big ----

@test
def a_message_longer_than_16_MiB_is_closed_with_1009_by_its_header_alone(node):
    for count in (16 * MIB + 1, 1 << 32, (1 << 63) - 1):
        with Peer(node).open() as peer:
            peer.send(header(BINARY, count))
            peer.expect_close(1009, "longer")


@test
def fragments_that_sum_up_to_more_than_max_message_are_closed_with_1009():
    with Node("--max-message", "1000") as node:
        with Peer(node).open() as peer:
            peer.echo(b"x" * 1000)
            peer.send(frame(BINARY, b"x" * 600, fin=False), frame(CONTINUATION, b"x" * 400))
            peer.expect(BINARY, b"x" * 1000)
            peer.send(frame(BINARY, b"x" * 600, fin=False), frame(CONTINUATION, b"x" * 401))
            peer.expect_close(1009, "longer")
        with Peer(node).open() as peer:
            peer.send(frame(BINARY, b"x" * 1001))
            peer.expect_close(1009, "longer")


@test
def a_message_of_exactly_16_MiB_comes_back(node):
    payload = random_bytes(MIB) * 16
    with Peer(node).open() as peer:
        assert peer.talk(frame(BINARY, payload), 1) == [(BINARY, payload)]
        peer.leave()


@test
def a_publish_that_would_not_fit_an_outbox_is_closed_with_1009():
    with Node("--outbox", "64K") as node, Peer(node).open("/topic/small") as peer, Peer(node).open("/topic/small") as other:
        peer.send(frame(BINARY, b"x" * 65536))
        peer.expect_close(1009, "outbox")
        other.send(frame(TEXT, "goes on"))
        other.expect(TEXT, "goes on")


# ---- closing ----

@test
def a_close_is_echoed_with_its_code_and_the_server_ends_the_connection(node):
    for code in (1000, 1001, 1002, 1003, *range(1007, 1015), 3000, 3999, 4000, 4999):
        with Peer(node).open() as peer:
            peer.send(close(code, "why not"))
            peer.expect_close(code)


@test
def a_close_without_a_code_is_echoed_without_one(node):
    with Peer(node).open() as peer:
        peer.send(close())
        peer.expect_close(None)


@test
def close_codes_that_may_not_be_sent_are_closed_with_1002(node):
    for code in (0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535):
        with Peer(node).open() as peer:
            peer.send(close(code))
            peer.expect_close(1002, "close code")


@test
def a_close_frame_of_one_byte_is_closed_with_1002(node):
    with Peer(node).open() as peer:
        peer.send(frame(CLOSE, b"\x03"))
        peer.expect_close(1002, "two bytes")


@test
def nothing_behind_a_close_is_answered(node):
    with Peer(node).open() as peer:
        peer.send(frame(TEXT, "before"), close(1000), frame(TEXT, "behind"), frame(PING, b"behind"))
        peer.expect(TEXT, "before")
        peer.expect_close(1000)


@test
def a_close_in_the_middle_of_a_message_is_echoed(node):
    with Peer(node).open() as peer:
        peer.send(frame(TEXT, "half a ", fin=False), close(1001))
        peer.expect_close(1001)


@test
def connections_that_end_without_a_close_frame_are_counted_as_1006_and_let_go(node):
    def closes():
        return sum(value for name, value in node.samples() if name.startswith("wye_closes_total") and "1006" in name)
    before = closes()
    for _ in range(5):
        with Peer(node).open() as peer:
            peer.echo()
            peer.send(header(BINARY, 1000))
    assert until(lambda: closes() >= before + 5), (before, closes())


@test
def connections_that_are_reset_at_any_moment_do_no_harm(node):
    whole = upgrade() + frame(BINARY, random_bytes(200_000)) + frame(PING, b"x") + close(1000)
    for at in (0, 1, 50, len(upgrade()), len(upgrade()) + 1, len(upgrade()) + 20, 50_000, len(whole) - 5, len(whole)):
        for pause in (0, 0.01):
            peer = Peer(node)
            peer.send(whole[:at])
            time.sleep(pause)
            peer.reset()
    with Peer(node).open() as peer:
        peer.echo()


# ---- /stream ----

@test
def stream_answers_bytes_glued_behind_its_handshake(node):
    with Peer(node) as peer:
        peer.open_stream(glued=b"glued bytes")
        assert peer.read(11) == b"glued bytes"
        peer.send(b"more")
        assert peer.read(4) == b"more"


@test
def stream_works_byte_by_byte(node):
    with Peer(node) as peer:
        peer.send_slowly(stream_upgrade() + b"slowly does it")
        assert peer.response().status == 101
        assert peer.read(14) == b"slowly does it"
        for value in b"one at a time":
            peer.send(bytes([value]))
            assert peer.read(1) == bytes([value])


@test
def stream_carries_16_MiB_unchanged(node):
    data = random_bytes(MIB) * 16
    with Peer(node).open_stream() as peer:
        assert peer.exchange(data, len(data)) == data


@test
def stream_answers_everything_before_it_ends(node):
    data = random_bytes(3 * MIB)
    with Peer(node).open_stream() as peer:
        peer.exchange(data, 0)
        peer.socket.shutdown(socket.SHUT_WR)
        assert peer.rest() == data


@test
def stream_stops_reading_a_client_that_does_not_read_and_loses_nothing(node):
    data = random_bytes(MIB) * 48
    with Peer(node).open_stream() as peer:
        sent = sent_until_not_read(node, peer, data)
        assert peer.exchange(data[sent:], len(data) - MIB) == data[:-MIB]
        peer.socket.shutdown(socket.SHUT_WR)
        assert peer.rest() == data[-MIB:]
