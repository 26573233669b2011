"""permessage-deflate (RFC 7692): negotiation, sizes and windows (the known suite's sections 12 and 13), and streams good and bad."""
import random
import zlib

from case import (BINARY, CLOSE, INVALID, PING, PONG, PROTOCOL, STAYS, TEXT, TOO_BIG, Until, binary, fragments, frame, gives, more,
                  ping, pongs, says, text)
from limits import MIB, coarse, size_of

BROWSER = "permessage-deflate; client_max_window_bits"
NOT_DEFLATE = (INVALID, PROTOCOL, 1003, 1008, 1011)

WHOLE = (16, 64, 256, 1024, 4096, 8192, 16384, 32768, 65536, 131072)
FRAGMENTED = ((8192, 256), (16384, 512), (32768, 1024), (65536, 2048), (131072, 4096), (4096, 1), (65536, 100), (131072, 65536))


# ---- what is sent ----

def json_text(count):
    dice, parts, length = random.Random(1), [], 0
    while length < count:
        parts.append('{"id":%d,"name":"%s","score":%.2f,"tags":["a%d","b"]},' % (dice.randrange(10 ** 6), dice.choice(["Ada", "Grace", "Edsger", "Barbara"]), dice.random() * 100, dice.randrange(20)))
        length += len(parts[-1])
    return "".join(parts)[:count].encode()


def words_of(letters, seed):
    def make(count):
        dice, parts, length = random.Random(seed), [], 0
        vocabulary = ["".join(dice.choice(letters) for _ in range(dice.randrange(1, 9))) for _ in range(300)]
        while length < count:
            parts.append(vocabulary[min(int(dice.expovariate(0.02)), 299)].encode() + b" ")
            length += len(parts[-1])
        return b"".join(parts)[:count].decode(errors="ignore").encode().ljust(count, b".")
    return make


DATA = {
    "JSON": (TEXT, json_text),
    "noise": (BINARY, lambda count: random.Random(2).randbytes(count)),
    "German": (TEXT, words_of("enisratdhulcgmobwfkzüvpäßjöyqx", 3)),
    "Chinese": (TEXT, words_of("的一是不了人我在有他这为之大来以个中上们到说国和地也子时道出而要于就下得可你年生", 4)),
    "zeros": (BINARY, bytes),
}
_cache = {}


def data_of(kind, count):
    """`count` bytes of a kind; its messages are cut out of them."""
    if (kind, count) not in _cache:
        _cache[kind, count] = DATA[kind][1](count)
    return _cache[kind, count]


def messages(session, kind, size, how_many, pieces):
    """Messages one after another, each different, compressed if that was agreed. Returns (steps, events)."""
    opcode, back = DATA[kind][0], says if DATA[kind][0] == TEXT else gives
    steps, events = [], []
    data = data_of(kind, size)
    if kind != "noise" and size >= 256:
        session.compressed_due = how_many
    for number in range(how_many):
        payload = (b"%05d" % number + data)[:size] if size >= 5 else data
        payload = payload.decode(errors="ignore").encode().ljust(size, b".") if opcode == TEXT else payload
        sent = session.deflate(payload) if session.agreement else payload
        steps += coarse(fragments(opcode, sent, pieces or max(len(sent), 1), reserved=4 if session.agreement else 0)) + [Until(number + 1)]
        events.append(back(payload))
    return steps, events


def sizes(table, group, kind, offers):
    table.group(group)
    for size, pieces in [(size, 0) for size in WHOLE] + list(FRAGMENTED):
        how_many = max(100, min(1000, 8 * MIB // size)) if table.long else max(2, min(24, 300000 // size))
        table.add(f"{how_many} of {size_of(size)}" + (f" in fragments of {size_of(pieces)}" if pieces else ""),
                  lambda session, kind=kind, size=size, how_many=how_many, pieces=pieces: messages(session, kind, size, how_many, pieces), offers=offers, whole=True)


def all_sizes(table):
    for kind in DATA:
        sizes(table, f"12 compression of {kind}", kind, (BROWSER,))
    for name, offers in (("afresh or not, as the server likes", ("permessage-deflate",)),
                         ("server afresh", ("permessage-deflate; server_no_context_takeover",)),
                         ("windows of 9 bits", ("permessage-deflate; server_max_window_bits=9; client_max_window_bits=9",)),
                         ("windows of 15 bits", ("permessage-deflate; server_max_window_bits=15; client_max_window_bits=15",)),
                         ("9 bits, both afresh", ("permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=9; client_max_window_bits=9",)),
                         ("15 bits, both afresh", ("permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=15; client_max_window_bits",)),
                         ("several offers", ("permessage-deflate; server_no_context_takeover; server_max_window_bits=9, permessage-deflate; server_no_context_takeover, permessage-deflate",))):
        sizes(table, f"13 {name}", "JSON", offers)


# ---- negotiation ----

def negotiation(table):
    """What must be declined is; what may be agreed to is answered by the rules (peer.read_answer() judges that). wye agrees to
    all but 8 bits."""
    table.group("14 negotiation")
    flags = ("server_no_context_takeover", "client_no_context_takeover")

    def row(offers, agrees):
        offers = (offers,) if isinstance(offers, str) else offers

        def answer(agreement, strict):
            if agrees is False and agreement:
                return "it agrees to what it must decline"
            if agrees and strict and not agreement:
                return "it declines what can be met"
            return None

        def script(session):
            payload = b"negotiated " * 30
            return ([text(session.deflate(payload), reserved=4) if session.agreement else text(payload)] * 2 if not session.agreement or session.agreement.client_no_context else
                    [text(session.deflate(payload), reserved=4), text(session.deflate(payload), reserved=4)]), [says(payload)] * 2
        if agrees == "refused":
            table.add("malformed: " + offers[0].replace("permessage-deflate", "p-d"), [], offers=offers, answer=answer, whole=True, refused=True)
            return
        table.add(("agreed: " if agrees else "declined: ") + " | ".join(offers).replace("permessage-deflate", "p-d"), script, offers=offers, answer=answer, whole=True)
    for offer in ("", *flags, "; ".join(flags), "client_max_window_bits", *(f"{side}_max_window_bits={bits}" for side in ("server", "client") for bits in range(9, 16)), "client_max_window_bits=8",
                  "server_max_window_bits=10; client_max_window_bits=12", "client_max_window_bits; server_max_window_bits=12; server_no_context_takeover; client_no_context_takeover",
                  'server_max_window_bits="10"', 'client_max_window_bits="15"'):
        row("permessage-deflate" + ("; " + offer if offer else ""), True)
    row("permessage-deflate;server_max_window_bits=10;client_no_context_takeover", True)
    row("permessage-deflate ; server_max_window_bits=10", True)
    for offer in ("server_max_window_bits=8", "server_max_window_bits", "server_max_window_bits=7", "server_max_window_bits=16", "server_max_window_bits=09", "server_max_window_bits=1e1", "server_max_window_bits=-9",
                  "server_max_window_bits=999999999999", "client_max_window_bits=7", "client_max_window_bits=16", "client_max_window_bits=010", "client_max_window_bits=x", *(f"{flag}=1" for flag in flags),
                  *(f"{flag}; {flag}" for flag in flags), "server_max_window_bits=10; server_max_window_bits=10", "client_max_window_bits; client_max_window_bits=10", "unknown", "unknown=1", "mux"):
        row("permessage-deflate; " + offer, None if offer == "server_max_window_bits=8" else False)
    for offers in ("permessage-bzip2", "x-webkit-deflate-frame", "deflate-stream", "permessage-deflat", "permessage-deflatee"):
        row(offers, False)
    row("permessage-deflate; unknown, permessage-deflate", True)
    row("permessage-deflate; server_max_window_bits=7, permessage-deflate; server_max_window_bits=12", True)
    row("x-unknown; a=1, permessage-deflate; client_max_window_bits", True)
    row(("permessage-deflate; mux", "permessage-deflate; client_max_window_bits=11"), True)
    row(("x-unknown", "permessage-deflate"), True)
    row('x-unknown; a="permessage-deflate"; c, permessage-deflate', True)
    row('x-unknown; a="permessage-deflate"', False)
    # What isn't grammar fails the handshake (RFC 6455 9.1); a quoted value has to be a token, too.
    for offers in ("permessage-deflate; server_max_window_bits=", "permessage-deflate; =10", 'x-unknown; a="permessage-deflate, b", permessage-deflate', 'permessage-deflate; server_max_window_bits="10'):
        row(offers, "refused")


# ---- frames ----

def needs_deflate(script):
    """A script for a connection that compresses; where it doesn't, nothing is sent, and the row says so."""
    def make(session):
        if not session.agreement:
            session.declined = True
            return [], []
        return script(session)
    return make


def compressed_frames(table):
    table.group("15 compressed frames")
    hello = bytes.fromhex("f248cdc9c90700")

    def add(name, steps, events=(), end=None, **how):
        script = steps if callable(steps) else lambda _, steps=steps: (steps, list(events))
        how.setdefault("offers", (BROWSER,))
        if end is None:
            table.add(name, needs_deflate(script), end=STAYS, **how)
        else:
            table.wrong(name, needs_deflate(script), end, **how)
    add("Hello (RFC 7692 7.2.3.1)", [text(hello, reserved=4)], [says("Hello")])
    add("Hello in two fragments", [text(hello[:3], fin=False, reserved=4), more(hello[3:])], [says("Hello")])
    add("Hello a byte a fragment, with empty ones and pings between",
        [text("", fin=False, reserved=4)] + [part for byte in hello for part in (more(bytes([byte]), fin=False), ping(bytes([byte])), more("", fin=False))] + [more("")],
        [pongs(bytes([byte])) for byte in hello] + [says("Hello")])
    add("a block without compression (7.2.3.3)", [text(bytes.fromhex("000500faff48656c6c6f00"), reserved=4)], [says("Hello")])
    add("a final block (7.2.3.4)", [text(bytes.fromhex("f348cdc9c9070000"), reserved=4)], [says("Hello")])
    add("a final block, then another stream", [text(bytes.fromhex("f348cdc9c90700") + hello, reserved=4)], [says("HelloHello")])
    add("two blocks (7.2.3.5)", [text(bytes.fromhex("f248050000 00ffffcac9c90700".replace(" ", "")), reserved=4)], [says("Hello")])
    add("an empty message (7.2.3.6)", [text(b"\0", reserved=4), binary(b"\0", reserved=4)], [says(""), gives("")])
    add("plain messages among compressed ones", [text("plain"), text(hello, reserved=4), binary(b"\xff\xfe"), text(hello, reserved=4), text("plain", fin=False), more("er")],
        [says("plain"), says("Hello"), gives(b"\xff\xfe"), says("Hello"), says("plainer")])
    add("all lengths of plain messages", [b"".join(text("x" * count) for count in (0, 1, 125, 126, 65535, 65536))], [says("x" * count) for count in (0, 1, 125, 126, 65535, 65536)])
    strategies = {"default": zlib.Z_DEFAULT_STRATEGY, "filtered": zlib.Z_FILTERED, "Huffman only": zlib.Z_HUFFMAN_ONLY, "run lengths": zlib.Z_RLE, "fixed codes": zlib.Z_FIXED}
    for level in (0, 1, 6, 9):
        add(f"level {level}", lambda session, level=level: ([text(session.deflate(json_text(20000), level=level), reserved=4)], [says(json_text(20000))]))
    for name, strategy in strategies.items():
        add(f"strategy: {name}", lambda session, strategy=strategy: ([text(session.deflate(json_text(20000), strategy=strategy), reserved=4)], [says(json_text(20000))]))
    for memory in (1, 5, 9):
        add(f"memory level {memory}", lambda session, memory=memory: ([text(session.deflate(json_text(20000), memory=memory), reserved=4)], [says(json_text(20000))]))

    def kept_context(session):
        data = random.Random(7).randbytes(400)
        return [step for number in range(5) for step in (binary(session.deflate(data), reserved=4), Until(number + 1))], [gives(data)] * 5
    add("the same noise again and again, with whatever context was agreed", kept_context)
    for bits in range(9, 16):
        def far_back(session, bits=bits):
            data = random.Random(bits).randbytes((1 << bits) - 262)
            return [binary(session.deflate(data + data[:200]), reserved=4)], [gives(data + data[:200])]
        add(f"a reference back as far as a window of {bits} bits goes", far_back, offers=(f"permessage-deflate; client_max_window_bits={bits}",))

    for opcode, name in ((PING, "a ping"), (PONG, "a pong"), (CLOSE, "a close frame")):
        add(f"RSV1 in {name}", [text(hello, reserved=4), frame(opcode, b"", reserved=4)], [says("Hello")], end=PROTOCOL)
    add("RSV1 in a continuation", [text(hello[:3], fin=False, reserved=4), more(hello[3:], reserved=4)], end=PROTOCOL)
    add("RSV1 in a continuation alone", [text("a", fin=False), more(hello, reserved=4)], end=PROTOCOL)
    for bits in (1, 2, 3, 5, 6, 7):
        add(f"RSV {bits:03b}", [text(hello, reserved=bits)], end=PROTOCOL)
    for name, data in (("a block of type 3", "07"), ("a stored block whose lengths disagree", "000500000048656c6c6f"), ("a distance before the start", "f200110000"), ("cut off inside a block", "f248cd"),
                       ("cut off inside a stored block", "00ff0000ff616161"), ("FF", "ff"), ("noise", random.Random(9).randbytes(300).hex()), ("text that was never compressed", b"Hello, world! ".hex() * 9)):
        add(f"no deflate stream: {name}", [text(bytes.fromhex(data), reserved=4)], end=NOT_DEFLATE)
    for name, data in (("not UTF-8", b"\xff" * 100), ("a surrogate", b"a\xed\xa0\x80z"), ("cut off in a character", "水".encode()[:2]), ("wrong behind 100 kB", b"x" * 100000 + b"\xc0"), ("wrong before 100 kB", b"\xfe" + b"x" * 100000)):
        add(f"compressed text that isn't UTF-8: {name}", lambda session, data=data: ([text(session.deflate(data), reserved=4)], []), end=INVALID)
        add(f"compressed bytes that aren't: {name}", lambda session, data=data: ([binary(session.deflate(data), reserved=4)], [gives(data)]))


def large(table):
    table.group("15 compressed sizes")
    for count in (MIB, 4 * MIB, 16 * MIB):
        def script(session, count=count):
            data = (json_text(65536) * (count // 65536 + 1))[:count]
            return coarse(fragments(TEXT, session.deflate(data), 65536, reserved=4)), [says(data)]
        table.add(f"JSON of {size_of(count)}", needs_deflate(script), offers=(BROWSER,), whole=True, largest=count)
    if not table.max_message:
        return
    most = table.max_message

    def bomb(how_much):
        """Zeros by the MiB, compressed a thousand times."""
        def script(session):
            compressor = zlib.compressobj(9, zlib.DEFLATED, -max(9, session.agreement.client_bits))
            block = compressor.compress(bytes(MIB)) + compressor.flush(zlib.Z_FULL_FLUSH)
            return [binary(block * (how_much // MIB) + b"\x03\x00", reserved=4)], []
        return needs_deflate(script)
    table.wrong("a bomb: a little more than the limit", bomb(most + MIB), TOO_BIG, offers=(BROWSER,), whole=True)
    table.wrong("a bomb: 1 GiB in 1 MiB", bomb(1 << 30), TOO_BIG, offers=(BROWSER,), whole=True)

    def exactly(over):
        def script(session):
            data = bytes(most + over)
            return [binary(session.deflate(data), reserved=4)], [] if over else [gives(data)]
        return needs_deflate(script)
    table.add("inflated it is exactly the limit", exactly(0), offers=(BROWSER,), whole=True, largest=most)
    table.wrong("inflated it is one byte more", exactly(1), TOO_BIG, offers=(BROWSER,), whole=True)


def rows(table):
    for each in (all_sizes, negotiation, compressed_frames, large):
        each(table)
