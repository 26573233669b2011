"""The closing handshake: codes, reasons, and what comes behind it (RFC 6455 5.5.1, 7)."""
from case import CLOSE, INVALID, PROTOCOL, Answers, Chopped, binary, bye, frame, gives, header, more, ping, pongs, says, text

GOOD = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999)
BAD = (0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 9999, 65535)


def handshakes(table):
    table.group("7 closing")
    table.add("a message, then 1000", [text("Hello"), bye(1000)], [says("Hello")], Answers(1000))
    # In one write: what comes later may meet a closed socket, and that is answered by the kernel.
    for name, behind in (("another close frame", bye(1000)), ("a ping", ping("too late")), ("a message", text("too late")), ("half a message", text("too late")[:8]), ("rubbish", b"\xff" * 100),
                         ("100 kB", binary(b"x" * 100000)), ("a frame that isn't masked", text("x", key=None)), ("text that isn't UTF-8", text(b"\xff"))):
        table.add(f"{name} behind the close frame isn't looked at", [bye(1000) + behind], [], Answers(1000), whole=True)
    table.add("a fragment, then the close frame, then its continuation", [text("frag1", fin=False) + bye(1000) + more("frag2")], [], Answers(1000), whole=True)
    table.add("the beginning of a fragmented message, then the close frame", [text("frag1", fin=False), bye(1001)], [], Answers(1001))
    table.add("256 KiB, then the close frame, then a ping", [text(b"*" * 262144) + bye(1000) + ping()], [says(b"*" * 262144)], Answers(1000), whole=True)
    table.add("256 KiB, ping, the close frame: all is answered", [binary(b"*" * 262144), ping("p"), bye(1000)], [gives(b"*" * 262144), pongs("p")], Answers(1000))
    table.add("100 messages and the close frame in one segment", [b"".join(text("%d" % number) for number in range(100)) + bye(1000)], [says("%d" % number) for number in range(100)], Answers(1000))
    table.add("the close frame a byte a segment", [Chopped(bye(1000, "slowly"), 1)], [], Answers(1000))
    table.add("no payload", [bye(None)], [], Answers(None))
    table.wrong("a payload of one byte", [frame(CLOSE, b"\x03")])
    table.wrong("a message, then a payload of one byte", [text("Hello"), frame(CLOSE, b"\x03"), ping()], PROTOCOL, [says("Hello")])
    table.add("a code alone", [bye(1000)], [], Answers(1000))
    table.add("a code and a reason", [bye(1000, "Hello World!")], [], Answers(1000))
    table.add("a reason of 123 bytes", [bye(1000, "*" * 123)], [], Answers(1000))
    table.add("a reason with characters of all lengths", [bye(1000, "aä水😀")], [], Answers(1000))
    table.wrong("a reason of 124 bytes", [bye(1000, "*" * 124)])
    table.wrong("a reason of 124 bytes, of which the header came", [bye(1000, "*" * 124)[:2]], early=True)
    table.wrong("a reason of 64 KiB", [bye(1000, "*" * 65536)])
    table.wrong("a close frame of 126 bytes in a 16-bit length, of which the header came", [header(CLOSE, 126)], early=True)
    for name, reason in (("a surrogate", "eda080"), ("cut off", "e282"), ("an overlong slash", "c0af"), ("FF", "ff"), ("a stray continuation byte behind 120", "2a" * 120 + "80"), ("one above the last", "f4908080")):
        table.wrong(f"a reason that isn't UTF-8: {name}", [bye(1000, bytes.fromhex(reason))], (INVALID, PROTOCOL))


def codes(table):
    table.group("7 close codes")
    for code in GOOD:
        table.add(f"{code} may be sent", [bye(code)], [], Answers(code))
        table.add(f"{code} with a reason", [text("x"), bye(code, "because")], [says("x")], Answers(code))
    for code in BAD:
        table.wrong(f"{code} may not be sent", [bye(code)])
        table.wrong(f"{code} with a reason", [text("x"), bye(code, "because"), ping()], PROTOCOL, [says("x")])


def rows(table):
    handshakes(table)
    codes(table)
