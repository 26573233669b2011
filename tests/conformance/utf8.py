"""Text is UTF-8 (RFC 3629), and what isn't is refused at the first byte that shows it (RFC 6455 8.1)."""
from case import INVALID, TEXT, Chopped, Pause, Until, binary, fragments, gives, header, masked, more, ping, pongs, says, text

KOSME = "κόσμε"
MIXED = "Hello-µ@ßöäüàá-UTF-8!!"
WRONG = KOSME.encode() + bytes.fromhex("eda080") + b"edited"  # a surrogate in its middle

# Each sequence stands for itself: alone, between ASCII, and at the end of a long text.
VALID = {
    "first of 1 byte": "00", "first of 2 bytes": "c280", "first of 3 bytes": "e0a080", "first of 4 bytes": "f0908080",
    "last of 1 byte": "7f", "last of 2 bytes": "dfbf", "last of 3 bytes": "efbfbf", "last of all": "f48fbfbf",
    "last before the surrogates": "ed9fbf", "first behind the surrogates": "ee8080", "the replacement character": "efbfbd",
    "κόσμε": KOSME.encode().hex(), "a byte order mark": "efbbbf", "a byte order mark and text": "efbbbf61",
    "Greek": "ceb1ceb2ceb3", "a combining accent": "65cc81", "a family of emoji": "f09f91a8e2808df09f91a9e2808df09f91a7", "right to left": "d7a9d79cd795d79d",
    **{f"noncharacter U+{point:04X}": chr(point).encode().hex() for plane in range(17) for point in (plane << 16 | 0xFFFE, plane << 16 | 0xFFFF)},
    **{f"U+{point:04X}": chr(point).encode().hex() for point in (0xFFF9, 0xFFFA, 0xFFFB, 0xFFFC, 0xFDD0, 0xFDEF)},
}
INVALID_SEQUENCES = {
    "first of 5 bytes": "f888808080", "first of 6 bytes": "fc8480808080", "last of 21 bits": "f7bfbfbf", "last of 5 bytes": "fbbfbfbfbf", "last of 6 bytes": "fdbfbfbfbfbf",
    "one above the last": "f4908080", "far above the last": "f5808080",
    "a continuation byte, the first": "80", "a continuation byte, the last": "bf", **{f"{count} continuation bytes": "80bf" * (count // 2) + "80" * (count % 2) for count in range(2, 8)},
    "all continuation bytes": bytes(range(0x80, 0xc0)).hex(),
    "all starts of 2 bytes, each with a space": "".join(f"{byte:02x}20" for byte in range(0xc0, 0xe0)), "all starts of 3 bytes, each with a space": "".join(f"{byte:02x}20" for byte in range(0xe0, 0xf0)),
    "all starts of 4 bytes, each with a space": "".join(f"{byte:02x}20" for byte in range(0xf0, 0xf8)), "all starts of 5 bytes, each with a space": "f820f920fa20fb20",
    "all starts of 6 bytes, each with a space": "fc20fd20",
    "2 bytes without the last": "c0", "3 bytes without the last": "e080", "4 bytes without the last": "f08080", "5 bytes without the last": "f8808080", "6 bytes without the last": "fc80808080",
    "U+07FF without its last byte": "df", "U+FFFF without its last byte": "efbf", "21 bits without the last byte": "f7bfbf", "26 bits without the last byte": "fbbfbfbf", "31 bits without the last byte": "fdbfbfbfbf",
    "all of these one after another": "c0e080f08080f8808080fc80808080dfefbff7bfbffbbfbfbffdbfbfbfbf",
    "FE": "fe", "FF": "ff", "FE FE FF FF": "fefeffff",
    **{f"a slash in {len(form) // 2} bytes": form for form in ("c0af", "e080af", "f08080af", "f8808080af", "fc80808080af")},
    **{f"the largest overlong of {len(form) // 2} bytes": form for form in ("c1bf", "e09fbf", "f08fbfbf", "f887bfbfbf", "fc83bfbfbfbf")},
    **{f"NUL in {len(form) // 2} bytes": form for form in ("c080", "e08080", "f0808080", "f880808080", "fc8080808080")},
    **{f"the surrogate {form}": form for form in ("eda080", "edadbf", "edae80", "edafbf", "edb080", "edbe80", "edbfbf")},
    **{f"a pair of surrogates {form}": form for form in ("eda080edb080", "eda080edbfbf", "edadbfedb080", "edadbfedbfbf", "edae80edb080", "edae80edbfbf", "edafbfedb080", "edafbfedbfbf")},
    "Latin-1": "e4f6fc", "Windows quotes": "93" + "61" + "94", "a start where a continuation byte is due": "c3c3a4", "ASCII where a continuation byte is due": "e28241",
}
# The text so far, and the byte that decides against it: what comes before it may still become right.
DECIDING = {
    "a stray continuation byte": ("61", "80"), "C0": ("", "c0"), "C1": ("", "c1"), "F5": ("", "f5"), "FF": ("", "ff"), "an overlong of 3 bytes": ("e0", "9f"), "an overlong of 4 bytes": ("f0", "8f"),
    "a surrogate": ("ed", "a0"), "above the last": ("f4", "90"), "ASCII in a character of 2 bytes": ("c3", "41"), "ASCII in one of 3": ("e282", "41"), "ASCII in one of 4": ("f09f98", "41"),
    "a start in a character of 4 bytes": ("f09f", "c3"), "behind 100 bytes of ASCII": ("61" * 100, "fe"), "behind 100 characters of 3 bytes": ("e282ac" * 100, "e0" "41"),
}


def messages(table):
    table.group("6 UTF-8 messages")
    table.add("empty", [text("")], [says("")])
    table.add("three empty fragments", [text("", fin=False), more("", fin=False), more("")], [says("")])
    table.add("an empty fragment, text, an empty fragment", [text("", fin=False), more(MIXED, fin=False), more("")], [says(MIXED)])
    table.add("with umlauts", [text(MIXED)], [says(MIXED)])
    table.add("in two fragments between characters", [text(MIXED[:9], fin=False), more(MIXED[9:])], [says(MIXED)])
    table.add("a byte a fragment", fragments(TEXT, MIXED, 1), [says(MIXED)])
    table.add("κόσμε a byte a fragment", fragments(TEXT, KOSME, 1), [says(KOSME)])
    table.add("a byte a segment", [Chopped(text(MIXED + KOSME), 1)], [says(MIXED + KOSME)])
    table.add("a character of 4 bytes around pings", [text(b"\xf0", fin=False), ping("a"), more(b"\x9f", fin=False), ping("b"), more(b"\x98", fin=False), more(b"\x80")], [pongs("a"), pongs("b"), says("😀")])
    table.wrong("a surrogate", [text(WRONG)], INVALID)
    table.wrong("a surrogate, a byte a fragment", fragments(TEXT, WRONG, 1), INVALID)
    table.wrong("a right text, then a wrong one", [text(MIXED), text(WRONG), ping()], INVALID, [says(MIXED)])
    table.wrong("ends inside a character, and the next message goes on with it", [text(b"\xe2\x82"), text(b"\xac")], INVALID)
    table.wrong("ends inside a character, with an empty last fragment", [text(b"a\xe2\x82", fin=False), more("")], INVALID)
    table.add("binary needn't be text", [binary(WRONG), binary(b"\xff" * 100)], [gives(WRONG), gives(b"\xff" * 100)])
    table.add("binary between texts doesn't matter to them", [text("a"), binary(b"\xe2\x82"), text("b")], [says("a"), gives(b"\xe2\x82"), says("b")])
    for count in (15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 255, 256, 257, 1000, 65536):
        line = ("Zürich 水 😀 " * (count // 10 + 1)).encode()[:count].decode(errors="ignore")
        table.add(f"about {count} bytes", [text(line)], [says(line)])
        table.wrong(f"a wrong last byte behind {count} bytes", [text(line.encode() + b"\xff")], INVALID)
        table.wrong(f"a wrong first byte before {count} bytes", [text(b"\xbf" + line.encode())], INVALID)


def early(table):
    """The wrong byte is all that comes: an answer must not wait for the rest."""
    table.group("6 UTF-8 fails early")
    table.wrong("in the second of three fragments", [text(KOSME, fin=False), more(b"\xf4\x90\x80\x80", fin=False)], INVALID, early=True)
    table.wrong("in an unfinished first fragment", [text(WRONG, fin=False)], INVALID, early=True)
    for name, (before, deciding) in DECIDING.items():
        data = bytes.fromhex(before + deciding)
        table.wrong(f"{name}, in a frame that goes on", [header(TEXT, len(data) + 20) + masked(data)], INVALID, early=True)
        table.wrong(f"{name}, in a fragment", [text(data, fin=False)], INVALID, early=True)
        if before:
            start = bytes.fromhex(before)
            table.wrong(f"{name}, in a fragment behind another", [text(start, fin=False), more(data[len(start):], fin=False)], INVALID, early=True)
            table.wrong(f"{name}, in the middle of a frame of 100 kB", [header(TEXT, 100000) + masked(b"x" * 50000 + data)], INVALID, early=True)
    data = b"x" * 1500000
    table.wrong("in the middle of a frame of 4 MB", [header(TEXT, 4000000) + masked(data + b"\xff")], INVALID, whole=True, largest=4000000, early=True)
    table.add("what may still become right is waited for", [text(b"\xf0\x9f", fin=False), Pause(0.1), ping("still there?"), Until(1), more(b"\x98\x80")], [pongs("still there?"), says("😀")])
    table.add("in one frame, too", [header(TEXT, 4) + masked("😀".encode())[:2], Pause(0.1), masked("😀".encode())[2:]], [says("😀")])


def sequences(table):
    for title, sequences, valid in (("valid", VALID, True), ("invalid", INVALID_SEQUENCES, False)):
        table.group(f"6 UTF-8 {title} sequences")
        for name, digits in sequences.items():
            data = bytes.fromhex(digits)
            assert valid == is_text(data), name
            around = b"-" * 61 + data  # the end of a vector of 64 bytes goes through it
            if valid:
                table.add(name, [text(data), text(b"a" + data + b"z"), text(around)], [says(data), says(b"a" + data + b"z"), says(around)])
                table.add(f"{name}, a byte a fragment", fragments(TEXT, data, 1), [says(data)])
            else:
                table.wrong(name, [text(data)], INVALID)
                table.wrong(f"{name}, between ASCII", [text(b"a" + data + b"z")], INVALID)
                table.wrong(f"{name}, behind 61 bytes", [text(around)], INVALID)
                table.wrong(f"{name}, a byte a fragment", fragments(TEXT, data, 1), INVALID)


def is_text(data):
    try:
        return bool(data.decode()) or True
    except UnicodeDecodeError:
        return False


def rows(table):
    for each in (messages, sequences, early):
        each(table)
