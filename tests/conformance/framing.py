"""Frames: lengths, pings and pongs, reserved bits, opcodes, fragments, masks (RFC 6455 5)."""
from case import (BINARY, CLOSE, CONTINUATION, PING, PONG, PROTOCOL, TEXT, TOO_BIG, Answers, Chopped, Pause, Until, bye, binary, fragments, frame, gives, header,
                  masked, more, ping, pong, pongs, says, text)

LENGTHS = (0, 1, 125, 126, 127, 128, 65535, 65536)
HELLO = "Hello, world!"
ONLY_BYTES = b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff"


def lengths(table):
    for chapter, make, back, unit in ((" text", text, says, b"*"), (" binary", binary, gives, b"\xfe")):
        table.group("1 framing" + chapter)
        for count in LENGTHS:
            table.add(f"{count} bytes", [make(unit * count)], [back(unit * count)])
        table.add("65536 bytes in segments of 997", [Chopped(make(unit * 65536), 997)], [back(unit * 65536)])
        table.add("65536 bytes, then one", [make(unit * 65536), make(unit)], [back(unit * 65536), back(unit)])
        table.add("all lengths in one burst", [b"".join(make(unit * count) for count in LENGTHS)], [back(unit * count) for count in LENGTHS])
        table.add("every length from 0 to 300", [b"".join(make(unit * count) for count in range(301))], [back(unit * count) for count in range(301)])
    table.group("1 framing headers")
    long_enough = bytes(range(256)) * 2
    table.add("every offset that a payload may have to its mask", [b"".join(binary(long_enough[:count], key=bytes([count & 255, 1, 2, 3])) for count in range(200, 280))],
              [gives(long_enough[:count]) for count in range(200, 280)])
    for name, count, width in (("0 in 16 bits", 0, 2), ("125 in 16 bits", 125, 2), ("0 in 64 bits", 0, 8), ("125 in 64 bits", 125, 8), ("126 in 64 bits", 126, 8), ("65535 in 64 bits", 65535, 8)):
        table.wrong(f"a length that isn't minimal: {name}", [text("first"), text(b"*" * count, width=width)], PROTOCOL, [says("first")])
        table.wrong(f"the same in a continuation: {name}", [text("a", fin=False), more(b"*" * count, width=width)])
    table.wrong("a 64-bit length with its top bit set, of which the first byte came", [header(BINARY, 1 << 63, width=8)[:3]], early=True)
    table.wrong("a 64-bit length with its top bit set", [header(BINARY, (1 << 63) + 10, width=8)])
    table.wrong("a 64-bit length with all bits set", [header(TEXT, (1 << 64) - 1, width=8)])
    table.wrong("the largest length that there is", [header(BINARY, (1 << 63) - 1)], TOO_BIG)
    table.wrong("two fragments whose lengths overflow 64 bits together", [header(BINARY, 1, fin=False) + b"x", header(CONTINUATION, (1 << 63) - 1)], TOO_BIG)
    for opcode, name in ((PING, "ping"), (PONG, "pong"), (CLOSE, "close")):
        for width in (2, 8):
            table.wrong(f"a {name} of 5 bytes with a length in {8 * width} bits", [frame(opcode, b"\x03\xe8abc", width=width)])


def pings(table):
    table.group("2 pings and pongs")
    table.add("a ping without payload", [ping()], [pongs()])
    table.add("a ping with text", [ping(HELLO)], [pongs(HELLO)])
    table.add("a ping with bytes that aren't text", [ping(ONLY_BYTES)], [pongs(ONLY_BYTES)])
    table.add("a ping of 125 bytes", [ping(b"\xfe" * 125)], [pongs(b"\xfe" * 125)])
    table.wrong("a ping of 126 bytes", [ping(b"\xfe" * 126)])
    table.wrong("a ping of 126 bytes, of which two came", [ping(b"\xfe" * 126)[:2]], early=True)
    table.add("a ping of 125 bytes, a byte a segment", [Chopped(ping(b"\xfe" * 125), 1)], [pongs(b"\xfe" * 125)])
    table.add("a pong that nobody asked for", [pong()])
    table.add("one with payload", [pong("unsolicited")])
    table.add("one of 125 bytes, and a ping", [pong(b"u" * 125), ping("asked")], [pongs("asked")])
    table.wrong("a pong of 126 bytes", [pong(b"u" * 126)])
    many = [b"payload-%d" % number for number in range(10)]
    table.add("ten pings", [b"".join(map(ping, many))], [pongs(each) for each in many])
    table.add("ten pings, a byte a segment", [Chopped(b"".join(map(ping, many)), 1)], [pongs(each) for each in many])
    table.add("a ping between two messages", [text("one"), ping("p"), text("two")], [says("one"), pongs("p"), says("two")])
    table.add("a thousand pings", [b"".join(ping(b"%d" % number) for number in range(1000))], [pongs(b"%d" % number) for number in range(1000)], whole=True)
    table.add("a ping while a long message is half there", [text(b"x" * 100000)[:50000], Pause(0.02), text(b"x" * 100000)[50000:], ping("behind")], [says(b"x" * 100000), pongs("behind")])
    for count in (1, 2, 3, 4, 5, 124):
        table.add(f"a ping of {count} bytes", [ping(b"\xa5" * count)], [pongs(b"\xa5" * count)])


def reserved(table):
    table.group("3 reserved bits")
    for bits in range(1, 8):
        for make, name in ((text, "text"), (binary, "binary")):
            table.wrong(f"{name} with RSV {bits:03b}, then a ping", [make(HELLO, reserved=bits), ping()])
        table.wrong(f"text, text with RSV {bits:03b}, then a ping", [text(HELLO), text(HELLO, reserved=bits), ping()], PROTOCOL, [says(HELLO)])
        for opcode, name in ((PING, "a ping"), (PONG, "a pong"), (CLOSE, "a close frame")):
            table.wrong(f"{name} with RSV {bits:03b}", [frame(opcode, b"", reserved=bits)])
        table.wrong(f"a continuation with RSV {bits:03b}", [text("a", fin=False), more("b", reserved=bits)])


def opcodes(table):
    table.group("4 opcodes")
    for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15):
        table.wrong(f"opcode {opcode}", [frame(opcode)])
        table.wrong(f"opcode {opcode} with payload, then a ping", [frame(opcode, "reserved"), ping()])
        table.wrong(f"text, opcode {opcode} with payload, then a ping", [text(HELLO), frame(opcode, "reserved"), ping()], PROTOCOL, [says(HELLO)])
        table.wrong(f"opcode {opcode} between two fragments", [text("a", fin=False), frame(opcode, "b"), more("c")])
        table.wrong(f"opcode {opcode} without FIN", [frame(opcode, "a", fin=False)])
        table.wrong(f"the first byte of opcode {opcode}", [frame(opcode)[:1]], early=True)


def fragmentation(table):
    table.group("5 fragmentation")
    table.wrong("a ping in two fragments", [ping("frag1", fin=False), more("frag2")])
    table.wrong("a pong in two fragments", [pong("frag1", fin=False), more("frag2")])
    table.wrong("a close frame without FIN", [bye(1000, fin=False)])
    for make, back, name in ((text, says, "text"), (binary, gives, "binary")):
        table.add(f"{name} in two fragments", [make("frag1", fin=False), more("frag2")], [back("frag1frag2")])
        table.add(f"{name} in two fragments, a ping between", [make("frag1", fin=False), ping("p"), more("frag2")], [pongs("p"), back("frag1frag2")])
        table.add(f"{name} in two fragments, a pong between", [make("frag1", fin=False), pong("p"), more("frag2")], [back("frag1frag2")])
        table.add(f"{name} in three fragments, all empty", [make("", fin=False), more("", fin=False), more("")], [back("")])
        table.add(f"{name} in three fragments, the middle alone not empty", [make("", fin=False), more("mid", fin=False), more("")], [back("mid")])
        table.add(f"{name} whose last fragment is empty", [make("all", fin=False), more("")], [back("all")])
        table.add(f"{name} in fragments of every length from 0 to 130", fragments_of_all_lengths(make), [back("".join("ab"[count % 2] * count for count in range(131)))])
        table.add(f"{name} in 1000 fragments of a byte", fragments(TEXT if make is text else BINARY, "0123456789" * 100, 1), [back("0123456789" * 100)], whole=True)
        table.add(f"{name} in 1000 empty fragments and one", [make("", fin=False)] + [more("", fin=False)] * 999 + [more("end")], [back("end")], whole=True)
        table.add(f"two messages of {name} in two fragments each", [make("a", fin=False), more("b"), make("c", fin=False), more("d")], [back("ab"), back("cd")])
        table.add(f"{name} in fragments and whole, by turns", [make("a"), make("b", fin=False), more("c"), make("d"), make("e", fin=False), more("f")], [back("a"), back("bc"), back("d"), back("ef")])
    for fin in (True, False):
        how = f"continuation {'with' if fin else 'without'} FIN"
        table.wrong(f"a {how} with nothing to continue", [more("lost", fin=fin)])
        table.wrong(f"a {how} with nothing to continue, then text", [more("lost", fin=fin), text(HELLO)])
        table.wrong(f"an empty {how} with nothing to continue", [more("", fin=fin)])
        table.wrong(f"text in two fragments, a {how} with nothing to continue, then text", [text("frag1", fin=False), more("frag2"), more("lost", fin=fin), text(HELLO)], PROTOCOL, [says("frag1frag2")])
        table.wrong(f"whole text, then a {how} with nothing to continue", [text(HELLO), more("lost", fin=fin)], PROTOCOL, [says(HELLO)])
        table.wrong(f"twice: a {how} with nothing to continue, then text in two fragments", [more("lost", fin=fin), text("frag1", fin=False), more("frag2")] * 2)
        table.wrong(f"two fragments of text, the second of opcode text, {'with' if fin else 'without'} FIN", [text("frag1", fin=False), text("frag2", fin=fin)])
        table.wrong(f"binary begins inside text, {'with' if fin else 'without'} FIN", [text("frag1", fin=False), binary("frag2", fin=fin)])
        table.wrong(f"empty text begins inside empty binary, {'with' if fin else 'without'} FIN", [binary("", fin=False), text("", fin=fin)])
    table.wrong("a fragment, a ping, and a new message", [text("frag1", fin=False), ping("p"), text("new")], PROTOCOL, [pongs("p")])
    parts = [text("fragment1", fin=False), more("fragment2", fin=False), ping("pongme 1"), Until(1), more("fragment3", fin=False), more("fragment4", fin=False), ping("pongme 2"), Until(2), more("fragment5")]
    whole = says("fragment1fragment2fragment3fragment4fragment5")
    table.add("five fragments and two pings, which are answered at once", parts, [pongs("pongme 1"), pongs("pongme 2"), whole])
    table.add("the same with pauses", [step if not isinstance(step, Until) else Pause(0.1) for step in parts], [pongs("pongme 1"), pongs("pongme 2"), whole])
    table.add("a ping between any two of 50 fragments", [part for number in range(50) for part in (frame(0 if number else TEXT, "x", fin=number == 49), ping(b"%d" % number))],
              [pongs(b"%d" % number) for number in range(49)] + [says("x" * 50), pongs("49")])
    table.add("a close frame between fragments", [text("frag1", fin=False) + bye(1000) + more("frag2")], [], end=Answers(1000), whole=True)


def fragments_of_all_lengths(make):
    return [make("", fin=False)] + [more("ab"[count % 2] * count, fin=count == 130) for count in range(1, 131)]


def masks(table):
    table.group("8 masks")
    for key in (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x01\x02\x03\x04", b"\x80\0\0\0", b"\0\0\0\x01", b"\x0d\x0a\x0d\x0a"):
        table.add(f"the key {key.hex()}", [text("masked " * 20, key=key), binary(bytes(range(256)), key=key)], [says("masked " * 20), gives(bytes(range(256)))])
    data = bytes((i * 7 + i // 251) & 255 for i in range(1000))
    table.add("fragments with keys of their own and odd lengths",
              [frame(BINARY if at == 0 else CONTINUATION, data[at:at + 7], fin=at + 7 >= 1000, key=bytes([at & 255, 3, at >> 2 & 255, 9])) for at in range(0, 1000, 7)], [gives(data)])
    for opcode, name in ((TEXT, "text"), (BINARY, "binary"), (PING, "a ping"), (PONG, "a pong"), (CLOSE, "a close frame")):
        for payload, what in ((b"", "without payload"), (b"\x03\xe8", "with payload")):
            table.wrong(f"{name} {what} that isn't masked", [text("first"), frame(opcode, payload, key=None)], PROTOCOL, [says("first")])
    table.wrong("a continuation that isn't masked", [text("a", fin=False), more("b", key=None)])
    table.wrong("a long frame that isn't masked, of which the header came", [header(BINARY, 100000, key=None)], early=True)
    table.add("a frame in two halves at each place",
              [part for cut in range(1, 19) for part in (text("cut anywhere")[:cut], Pause(0.003), text("cut anywhere")[cut:])], [says("cut anywhere")] * 18)
    hidden = masked(data, b"\x10\x20\x30\x40")
    table.add("a masked payload whose bytes look like frames", [binary(hidden, key=b"\x10\x20\x30\x40")], [gives(hidden)])


def rows(table):
    for each in (lengths, pings, reserved, opcodes, fragmentation, masks):
        each(table)
