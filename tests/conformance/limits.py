"""Large messages and many of them, in large and small pieces (the known suite's sections 9 and 10)."""
from case import BINARY, CONTINUATION, TEXT, TOO_BIG, Chopped, Until, binary, fragments, gives, header, more, ping, pongs, says, text

KIB, MIB = 1 << 10, 1 << 20


def words(count):
    return ("The quick brown fox jumps over the lazy dog, 水が流れる, ÄÖÜ! ".encode() * (count // 64 + 2))[:count].decode(errors="ignore").encode().ljust(count, b".")


def noise(count):
    step = bytes((i * 167 + (i >> 8) * 13) & 255 for i in range(65536 + 251))
    return (step * (count // len(step) + 1))[:count]


def size_of(count):
    return f"{count // MIB} MiB" if count >= MIB else f"{count // KIB} KiB" if count >= KIB else f"{count} bytes"


KINDS = (("text", TEXT, text, says, words), ("binary", BINARY, binary, gives, noise))


def whole(table):
    table.group("9 large messages")
    for name, _, make, back, data_of in KINDS:
        for count in (64 * KIB, 256 * KIB, MIB - 1, MIB, MIB + 1, 4 * MIB, 8 * MIB, 16 * MIB):
            table.add(f"{name} of {size_of(count)}" + (" less one byte" if count == MIB - 1 else " and one byte" if count == MIB + 1 else ""),
                      lambda _, make=make, back=back, data_of=data_of, count=count: ([make(data_of(count))], [back(data_of(count))]), whole=True, largest=count)


def in_fragments(table):
    table.group("9 fragments of 64 bytes and more")
    total = 4 * MIB if table.long else MIB
    for name, opcode, _, back, data_of in KINDS:
        for size in (64, 256, KIB, 4 * KIB, 16 * KIB, 64 * KIB, 256 * KIB, MIB, 4 * MIB):
            table.add(f"{name} of {size_of(max(total, size))} in fragments of {size_of(size)}",
                      lambda _, opcode=opcode, back=back, data_of=data_of, size=size: (coarse(fragments(opcode, data_of(max(total, size)), size)), [back(data_of(max(total, size)))]),
                      whole=True, largest=max(total, size))
        for size in (1, 7, 1300):
            table.add(f"{name} of 64 KiB in fragments of {size_of(size)}", lambda _, opcode=opcode, back=back, data_of=data_of, size=size: (coarse(fragments(opcode, data_of(65536), size)), [back(data_of(65536))]), whole=True)
        table.add(f"{name} of 2 MiB in fragments of 64 KiB, a ping behind each",
                  lambda _, opcode=opcode, back=back, data_of=data_of: ([part for at, each in enumerate(fragments(opcode, data_of(2 * MIB), 64 * KIB)) for part in (each, ping(b"%d" % at))],
                                                                       [pongs(b"%d" % at) for at in range(31)] + [back(data_of(2 * MIB)), pongs("31")]), whole=True, largest=2 * MIB)


def coarse(frames):
    """Small frames leave together; the network may cut them where it likes."""
    joined = b"".join(frames)
    return [joined[at:at + 65536] for at in range(0, len(joined), 65536)]


def in_segments(table):
    table.group("9 segments of 64 bytes and more")
    total = MIB if table.long else 256 * KIB
    for name, _, make, back, data_of in KINDS:
        for size in (64, 128, 256, 512, KIB, 2 * KIB):
            table.add(f"{name} of {size_of(total)} in segments of {size_of(size)}",
                      lambda _, make=make, back=back, data_of=data_of, size=size: ([Chopped(make(data_of(total)), size)], [back(data_of(total))]), whole=True, largest=total)
    table.add("binary of 2 MiB in segments of 997 bytes", lambda _: ([Chopped(binary(noise(2 * MIB)), 997)], [gives(noise(2 * MIB))]), whole=True, largest=2 * MIB)


def many(table):
    table.group("9 a thousand messages")
    for name, _, make, back, data_of in KINDS:
        for count in (0, 16, 64, 256, KIB, 4 * KIB):
            data = [(b"%d " % number + b"." * count)[:count] for number in range(1000)] if count <= 64 else [data_of(count)] * 1000
            table.add(f"{name} of {size_of(count)}, one after another", lambda _, make=make, back=back, data=data: one_by_one([make(each) for each in data], [back(each) for each in data]), whole=True)
            table.add(f"{name} of {size_of(count)}, all at once", lambda _, make=make, back=back, data=data: (coarse([make(each) for each in data]), [back(each) for each in data]), whole=True)


def one_by_one(frames, events):
    return [step for number, each in enumerate(frames, 1) for step in (each, Until(number))], events


def beyond(table):
    """The limit of the server under test: --max-message."""
    table.group("9 beyond the limit")
    most = table.max_message
    table.wrong("a header that announces one byte more", [header(BINARY, most + 1)], TOO_BIG)
    table.wrong("a header that announces 1 TiB", [header(TEXT, 1 << 40)], TOO_BIG)
    table.wrong("a fragment, then a continuation whose header is too much", [binary(b"x" * 1000, fin=False), header(CONTINUATION, most - 999)], TOO_BIG)
    table.wrong("a message before it is answered", [text("first"), header(BINARY, most + 1)], TOO_BIG, [says("first")])
    table.wrong("one byte more, all of it sent", lambda _: ([binary(noise(most + 1))], []), TOO_BIG, whole=True)
    table.wrong("fragments of 64 KiB without end", lambda _: ([binary(b"x" * 65536, fin=False)] + [more(b"x" * 65536, fin=False)] * (most // 65536 + 2), []), TOO_BIG, whole=True)
    table.add("the largest that may be", lambda _: ([binary(noise(most))], [gives(noise(most))]), whole=True, largest=most)
    table.add("the largest that may be, in two fragments", lambda _: (fragments(BINARY, noise(most), most - 4), [gives(noise(most))]), whole=True, largest=most)


def rows(table):
    for each in (whole, in_fragments, in_segments, many):
        each(table)
    if table.max_message:
        beyond(table)
