"""Bodies of requests that publish: their length, the chunked coding, Expect, and what becomes of a message.

Each row has a subscriber of its own, and says which messages it gets: one of an accepted row, none of a refused one. Behind an
accepted one a second request is pipelined, and answered; behind a refused one nothing is. `must=False`: an RFC leaves the choice,
and the comment says what wye chose.
"""
from case import CLOSES, STAYS

TEXT, BINARY = 1, 2
SPARE = 8192  # WYE_CHUNKED_SPARE_MAX
GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


def rows(table):
    lengths(table)
    codings(table)
    chunk_sizes(table)
    chunk_data(table)
    extensions(table)
    trailers(table)
    cut_short(table)
    expectations(table)
    kinds(table)
    content_codings(table)
    heads(table)
    pipelines(table)


# ---- how rows are made ----

def taken(t, rule, name, request, payload=b"hello", kind=TEXT, after=STAYS, interim=(), **how):
    """Published, and what is behind it is answered, unless the connection ends."""
    behind = t.plain() if after == STAYS else b""
    if how.get("rest"):
        how["rest"] += behind
    else:
        request += behind
    statuses, says = [*interim, 200], '{"receivers":1}'
    if behind:
        statuses, says = statuses + [200], "serving"
    t.add(rule, name, request, statuses, says, after=after, published=[(kind, payload)], foreign=False, slices=True, **how)


def refused(t, rule, name, request, status, says=(), fields=None, interim=(), **how):
    """Not published; the connection ends."""
    t.add(rule, name, request, [*interim, status], says, fields, published=[], foreign=False, slices=True, **how)


def sized(t, *more, body=b"hello", **fields):
    return t.post(*more, **{"Content_Length": str(len(body)), **fields}) + body


def chunked(t, body, *more, **fields):
    return t.post(*more, **{"Transfer_Encoding": "chunked", **fields}) + body


# ---- Content-Length (RFC 9112 6.2 and 6.3, RFC 9110 8.6) ----

def lengths(t):
    rule = "framing"
    for name, value in (("as it should be", "5"), ("leading zeros", "0005"), ("a hundred leading zeros", "0" * 100 + "5"), ("tabs and spaces around it", "\t 5 \t")):
        taken(t, rule, f"a length: {name}", t.post(Content_Length=value) + b"hello")
    taken(t, rule, "a length in odd case", t.post("cOnTeNt-LENGTH:5") + b"hello")
    for name, value in (
        ("a plus", "+5"), ("a minus", "-5"), ("minus zero", "-0"), ("a space inside", "1 5"), ("a tab inside", "1\t5"), ("hexadecimal", "0x5"), ("hexadecimal digits", "a"),
        ("empty", ""), ("nothing but a space", " "), ("a point", "5.0"), ("an exponent", "5e0"), ("a semicolon", "5;q=1"), ("quoted", '"5"'), ("digits that aren't ASCII", "\xb2"),
        ("2^64", "18446744073709551616"), ("2^64 + 5", "18446744073709551621"), ("100 digits", "9" * 100),
    ):
        refused(t, rule, f"a length of a POST: {name}", t.post(Content_Length=value) + b"hello", 400, "not a decimal number")
    # A list of equal lengths, or equal lines, may be taken for one of them (RFC 9110 8.6): wye refuses both.
    refused(t, rule, "a list of equal lengths", t.post(Content_Length="5, 5") + b"hello", 400, "not a decimal number", must=False)
    refused(t, rule, "equal lengths in two lines", t.post(Content_Length=["5", "5"]) + b"hello", 400, "more than once", must=False)
    refused(t, rule, "lengths that differ in a list", t.post(Content_Length="5, 6") + b"hello", 400, "not a decimal number")
    refused(t, rule, "lengths that differ in two lines", t.post(Content_Length=["5", "6"]) + b"hello!", 400, "more than once")
    refused(t, rule, "lengths that differ in two lines, apart and in odd case", t.post("X: y", "content-length: 0", Content_Length="5") + b"hello", 400, "more than once")
    for name, value in (("2^63", "9223372036854775808"), ("2^64 - 1", "18446744073709551615"), ("2^32 + 5", "4294967301"), ("17 MB", "17000000")):
        refused(t, "body-size", f"announced: {name}", t.post(Content_Length=value), 413, f"its Content-Length is '{value}'")
    refused(t, "body-length", "no length at all", t.post(), 411, "this request has neither")
    refused(t, "body-length", "no length at all, and bytes", t.post() + b"hello", 411, "this request has neither")
    refused(t, "body-length", "no length with HTTP/1.0: its end is no body's", t.post(version="HTTP/1.0") + b"hello", 411, "this request has neither")
    taken(t, rule, "no body", t.post(Content_Length="0"), b"")
    taken(t, rule, "HTTP/1.0", sized(t, version="HTTP/1.0"), after=CLOSES)
    taken(t, rule, "HTTP/1.0 with keep-alive", sized(t, version="HTTP/1.0", Connection="keep-alive"))
    taken(t, rule, "Connection: close", sized(t, Connection="close"), after=CLOSES)
    taken(t, rule, "a body that looks like a request", sized(t, body=GET * 2), GET * 2)
    taken(t, rule, "a body of CRLFs", sized(t, body=b"\r\n\r\n"), b"\r\n\r\n")
    taken(t, rule, "a body of 100,000 bytes", sized(t, body=b"x" * 100000), b"x" * 100000)


# ---- Transfer-Encoding (RFC 9112 6.1 and 6.3) ----

def codings(t):
    rule, body = "framing", b"5\r\nhello\r\n0\r\n\r\n"
    for name, value in (("as it should be", "chunked"), ("in upper case", "CHUNKED"), ("in odd case", "cHuNkEd"), ("tabs and spaces around it", " \tchunked\t ")):
        taken(t, rule, f"a coding: {name}", t.post(Transfer_Encoding=value) + body)
    # Empty elements are passed over, as in every list (RFC 9110 5.6.1.2).
    taken(t, rule, "a coding: among empty elements", t.post(Transfer_Encoding=", chunked ,") + body)
    taken(t, rule, "a coding: empty in the first of two lines", t.post(Transfer_Encoding=["", "chunked"]) + body)
    for name, value in (
        ("unknown", "gzip"), ("identity", "identity"), (" identity with a space before it", "  identity"), ("empty", ""), ("nothing but a comma", ","), ("a word like chunked", "xchunked"), ("chunked and a letter", "chunkedx"),
        ("twice", "chunked, chunked"), ("in two lines", ["chunked", "chunked"]), ("a parameter", "chunked;q=1"), ("a parameter with a space", "chunked ; q=1"),
        ("not the last", "chunked, gzip"), ("not the last of two lines", ["chunked", "identity"]), ("quoted", '"chunked"'), ("quoted list", '"x, chunked'),
    ):
        refused(t, rule, f"a coding of a POST: {name}", t.post(Transfer_Encoding=value) + body, 400, "last coding must be chunked")
    for name, value in (("gzip before chunked", "gzip, chunked"), ("gzip in a line before", ["gzip", "chunked"]), ("identity before chunked", "identity, chunked"), ("with a parameter before chunked", "x;a=b, chunked")):
        refused(t, rule, f"a coding that isn't known: {name}", t.post(Transfer_Encoding=value) + body, 501, "No coding but chunked")
    refused(t, "field-grammar", "a coding of a POST behind a vertical tab", t.post(Transfer_Encoding="\x0bchunked") + body, 400, "control byte")
    # The length could be ignored (RFC 9112 6.1), which is what smugglers hope for: wye refuses.
    for name, length in (("that fits", "15"), ("of 0", "0"), ("that is wrong", "x")):
        refused(t, rule, f"a coding beside a length {name}", t.post(Content_Length=length, Transfer_Encoding="chunked") + body, 400, "Content-Length as well", must=False)
    refused(t, rule, "an unknown coding beside a length", t.post(Content_Length="5", Transfer_Encoding="x") + b"hello", 400, "Content-Length as well")
    refused(t, rule, "HTTP/1.0 has no codings", chunked(t, body, version="HTTP/1.0"), 400, "HTTP/1.0 has no Transfer-Encoding")
    refused(t, rule, "HTTP/1.0 has no codings, kept alive", chunked(t, body, version="HTTP/1.0", Connection="keep-alive"), 400, "HTTP/1.0 has no Transfer-Encoding")
    refused(t, rule, "HTTP/1.0 has no codings, beside a length", chunked(t, body, version="HTTP/1.0", Content_Length="15"), 400, "Content-Length as well")


# ---- chunks (RFC 9112 7.1) ----

def chunk_sizes(t):
    rule = "body-chunks"
    word = b"hello, world"
    for name, size in (("lower case", b"c"), ("upper case", b"C"), ("leading zeros", b"0000c"), ("16 digits", b"000000000000000c"), ("64 digits", b"0" * 63 + b"c")):
        taken(t, rule, f"a size: {name}", chunked(t, size + b"\r\n" + word + b"\r\n0\r\n\r\n"), word)
    # Padding behind a size is no grammar, and harmless; old servers write it.
    taken(t, rule, "a size: a space behind it", chunked(t, b"5 \r\nhello\r\n0 \r\n\r\n"), must=False)
    taken(t, rule, "several chunks", chunked(t, b"1\r\nh\r\n3\r\nell\r\n1\r\no\r\n0\r\n\r\n"))
    taken(t, rule, "a hundred chunks of a byte", chunked(t, b"1\r\nx\r\n" * 100 + b"0\r\n\r\n"), b"x" * 100)
    taken(t, rule, "a last chunk of many zeros", chunked(t, b"5\r\nhello\r\n0000000000\r\n\r\n"))
    taken(t, rule, "no content", chunked(t, b"0\r\n\r\n"), b"")
    taken(t, rule, "chunked, and the connection ends", chunked(t, b"5\r\nhello\r\n0\r\n\r\n", Connection="close"), after=CLOSES)
    for name, size, says in (
        ("empty", b"", "begins with its size"), ("no digits", b"x", "begins with its size"), ("0x", b"0x5", "begins with its size"), ("a minus", b"-5", "begins with its size"),
        ("a plus", b"+5", "begins with its size"), ("a space before it", b" 5", "begins with its size"), ("a tab before it", b"\t5", "begins with its size"),
        ("a space inside", b"0 5", "begins with its size"), ("a letter behind it", b"5g", "begins with its size"), ("a comma", b"5,5", "begins with its size"), ("a NUL", b"5\0", "control byte"),
        ("a byte of 0x80 and more", b"5\xff", "begins with its size"), ("2^64 + 5", b"10000000000000005", "No chunk is that large"), ("2^63", b"8000000000000000", "No chunk is that large"),
        ("100 digits", b"f" * 100, "No chunk is that large"), ("a bare CR behind it", b"5\r", "bare CR"), ("a vertical tab behind it", b"5\x0b", "control byte"),
    ):
        refused(t, rule, f"a size that is none: {name}", chunked(t, size + b"\r\nhello\r\n0\r\n\r\n"), 400, says)
    refused(t, rule, "a size that is none: LF", chunked(t, b"5\nhello\n0\n\n"), 400, "bare LF")
    refused(t, rule, "a size that is none: LF behind a space", chunked(t, b"5 \nhello\r\n0\r\n\r\n"), 400, "bare LF")
    refused(t, rule, "a size that is none: CR alone", chunked(t, b"5\rhello\r0\r\r"), 400, "bare CR")
    refused(t, rule, "an empty line before a size", chunked(t, b"\r\n5\r\nhello\r\n0\r\n\r\n"), 400, "begins with its size")
    refused(t, rule, "a size of zeros without an end", chunked(t, b"0" * (SPARE + 1)), 400, f"{SPARE} bytes more than its content needs")
    for name, size in (("17 MB", b"1036640"), ("2^32 + 5", b"100000005"), ("2^61", b"2000000000000000")):
        refused(t, "body-size", f"announced by a chunk: {name}", chunked(t, size + b"\r\nhello"), 413, "longer than the node takes")
    refused(t, "body-size", "announced by a second chunk", chunked(t, b"5\r\nhello\r\nffffff0\r\n"), 413, "longer than the node takes")


def chunk_data(t):
    rule = "body-chunks"
    for name, body in (
        ("no CRLF behind it", b"5\r\nhello0\r\n\r\n"), ("longer than its size", b"4\r\nhello\r\n0\r\n\r\n"), ("shorter than its size", b"6\r\nhello\r\n0\r\n\r\n"),
        ("much shorter than its size", b"9\r\nhello\r\n0\r\n\r\n"), ("LF behind it", b"5\r\nhello\n0\r\n\r\n"), ("CR behind it", b"5\r\nhello\r0\r\n\r\n"), ("two bytes for CRLF", b"5\r\nhelloXX0\r\n\r\n"),
        ("LF and CR behind it", b"5\r\nhello\n\r0\r\n\r\n"),
    ):
        refused(t, rule, f"data: {name}", chunked(t, body), 400, "CRLF follows a chunk's data")
    taken(t, rule, "data: CRLFs", chunked(t, b"4\r\n\r\n\r\n\r\n0\r\n\r\n"), b"\r\n\r\n")
    taken(t, rule, "data: an end of chunks", chunked(t, b"5\r\n0\r\n\r\n\r\n0\r\n\r\n"), b"0\r\n\r\n")
    taken(t, rule, "data: a request", chunked(t, b"%x\r\n%s\r\n0\r\n\r\n" % (len(GET), GET)), GET)
    taken(t, rule, "data: 100,000 bytes in two chunks", chunked(t, (b"c350\r\n" + b"x" * 50000 + b"\r\n") * 2 + b"0\r\n\r\n"), b"x" * 100000)


# ---- chunk extensions (RFC 9112 7.1.1): passed over, and held to their grammar ----

def extensions(t):
    rule = "body-chunks"
    for name, text in (
        ("a name", b";x"), ("a value", b";x=1"), ("several", b";a;b=c;d"), ("blanks around", b" ; a = b\t; c"), ("a quoted value", b';a="b c"'), ("a quoted value with ';'", b';a="b;c=d"'),
        ("a quoted value with what looks like CRLF", b';a="\\\\r\\\\n0\\\\r\\\\n"'), ("a quoted quote", b';a="\\""'), ("an empty quoted value", b';a=""'), ("bytes of 0x80 and more in quotes", b';a="\xc3\xa9"'),
        ("4000 bytes", b";a=" + b"b" * 4000),
    ):
        taken(t, rule, f"an extension: {name}", chunked(t, b"5" + text + b"\r\nhello\r\n0\r\n\r\n"))
    taken(t, rule, "an extension of the last chunk", chunked(t, b"5\r\nhello\r\n0;x=y\r\n\r\n"))
    for name, text, says in (
        ("a bare LF inside", b";a\nb", "bare LF"), ("a bare LF for its end", b";a\n5", "bare LF"), ("a bare LF in quotes", b';a="\n"', "bare LF"), ("CRLF in quotes", b';a="\r\n0\r\n\r\n"', "stands an extension"),
        ("a CR in quotes", b';a="\rb"', "stands an extension"), ("an escaped CR in quotes", b';a="\\\r"', "bare CR"), ("a bare CR inside", b";a\rb", "bare CR"), ("a NUL", b";a=\0", "control byte"), ("a DEL in quotes", b';a="\x7f"', "control byte"),
        ("no name", b";", "stands an extension"), ("an equals sign alone", b";=", "stands an extension"), ("no value", b";a=", "stands an extension"), ("two semicolons", b";;a", "stands an extension"),
        ("a quote that doesn't end", b';a="b', "stands an extension"), ("a space in a name", b";a b", "stands an extension"), ("quotes in a name", b';"a"', "stands an extension"), ("something behind the quotes", b';a="b"c', "begins with its size"),
    ):
        refused(t, rule, f"an extension that is none: {name}", chunked(t, b"5" + text + b"\r\nhello\r\n0\r\n\r\n"), 400, says)
    words = f"{SPARE} bytes more than its content needs"
    refused(t, rule, "an extension that is too long", chunked(t, b"5;a=" + b"b" * SPARE + b"\r\nhello\r\n0\r\n\r\n"), 400, words)
    # Each is short; it is their sum that nobody needs (RFC 9112 7.1.1).
    refused(t, rule, "extensions that are too long together", chunked(t, (b"1;a=" + b"b" * 100 + b"\r\nx\r\n") * 200 + b"0\r\n\r\n"), 400, words)


# ---- trailer fields (RFC 9112 7.1.2): passed over, and held to the grammar of fields ----

def trailers(t):
    rule, body = "body-chunks", b"5\r\nhello\r\n0\r\n"
    for name, lines in (
        ("one", b"Digest: x\r\n"), ("two", b"A: b\r\nC: d\r\n"), ("an empty value", b"A:\r\n"), ("tabs and bytes of 0x80 and more", b"A:\t\xc3\xa9\t\r\n"), ("300 fields", b"A: b\r\n" * 300),
        # Those that a trailer may not have mean nothing there (RFC 9110 6.5.1): they are passed over like the others.
        ("a length", b"Content-Length: 500\r\n"), ("a coding", b"Transfer-Encoding: gzip\r\n"), ("another host", b"Host: evil.example\r\n"), ("Connection: close", b"Connection: close\r\n"), ("an upgrade", b"Upgrade: websocket\r\nConnection: upgrade\r\n"),
        ("Expect", b"Expect: 100-continue\r\n"), ("a type that is none", b"Content-Type: multipart/form-data\r\n"),
    ):
        taken(t, rule, f"a trailer: {name}", chunked(t, body + lines + b"\r\n"))
    for name, lines, says in (
        ("no colon", b"A\r\n", "followed by a colon"), ("a space before the colon", b"A : b\r\n", "between the name and the colon"), ("no name", b": b\r\n", "name is empty"), ("a folded line", b"A: b\r\n c\r\n", "folded"),
        ("a folded line as the first", b" A: b\r\n", "folded"), ("a request", GET[:-2], "between the name and the colon"), ("a control byte", b"A: \x01\r\n", "control byte"), ("a NUL", b"A: \0\r\n", "control byte"), ("a bare LF inside", b"A: b\nC: d\r\n", "bare LF"),
        ("a bare CR inside", b"A: b\rC: d\r\n", "bare CR"), ("a NUL in a name", b"A\0: b\r\n", "letters, digits"), ("brackets in a name", b"A(): b\r\n", "letters, digits"), ("a bare LF for the end", b"\nX", "bare LF"), ("a bare CR for the end", b"\rX", "bare CR"),
        ("too long", b"A: " + b"b" * (SPARE + 10) + b"\r\n", f"{SPARE} bytes more"), ("too many", b"A: b\r\n" * (SPARE // 6 + 2), f"{SPARE} bytes more"),
    ):
        refused(t, rule, f"a trailer that is none: {name}", chunked(t, body + lines + b"\r\n"), 400, says)


# ---- what ends too early (RFC 9112 8): nothing is published, and nobody is told, as he has left ----

def cut_short(t):
    head, whole = sized(t, body=b""), chunked(t, b"")
    for name, request in (
        ("nothing", b""), ("in the request line", head[:12]), ("in a field", head[:-10]), ("before the empty line", head[:-2]), ("in the last CRLF", head[:-1]), ("before the body", sized(t)[:-5]), ("in the body", sized(t)[:-1]),
        ("before the first chunk", whole), ("in a size", whole + b"5"), ("behind a size", whole + b"5\r"), ("before the data", whole + b"5\r\n"), ("in the data", whole + b"5\r\nhell"), ("behind the data", whole + b"5\r\nhello"), ("in the CRLF behind the data", whole + b"5\r\nhello\r"),
        ("before the last chunk", whole + b"5\r\nhello\r\n"), ("in the last chunk's size", whole + b"5\r\nhello\r\n0"), ("in an extension", whole + b"5;a=b"), ("behind the last chunk's size", whole + b"5\r\nhello\r\n0\r\n"), ("in a trailer", whole + b"5\r\nhello\r\n0\r\nA: b"),
        ("behind a trailer", whole + b"5\r\nhello\r\n0\r\nA: b\r\n"), ("in the last CRLF of all", whole + b"5\r\nhello\r\n0\r\n\r"),
    ):
        if request:
            t.add("cut-short", name, request, [], after=CLOSES, published=[], foreign=False, slices=True, ends=True, must=False)
    t.add("cut-short", "behind a whole one", sized(t) + sized(t)[:-1], 200, '{"receivers":1}', {"connection": None}, after="ends", published=[(TEXT, b"hello")], foreign=False, slices=True, ends=True)
    t.add("cut-short", "not at all: the side that is done still gets its answer", sized(t), 200, '{"receivers":1}', after="ends", published=[(TEXT, b"hello")], foreign=False, slices=True, ends=True)
    t.add("cut-short", "not at all, chunked", chunked(t, b"5\r\nhello\r\n0\r\n\r\n"), 200, '{"receivers":1}', after="ends", published=[(TEXT, b"hello")], foreign=False, slices=True, ends=True)


# ---- Expect (RFC 9110 10.1.1) ----

def expectations(t):
    rule, ask = "expect", {"Expect": "100-continue"}
    taken(t, rule, "the body waits for 100", t.post(Content_Length="5", **ask), rest=b"hello", interim=[100])
    taken(t, rule, "chunks wait for 100", t.post(Transfer_Encoding="chunked", Expect="100-Continue"), rest=b"5\r\nhello\r\n0\r\n\r\n", interim=[100])
    taken(t, rule, "the body doesn't wait", sized(t, **ask), interim=[100])  # the 100 could be left out
    taken(t, rule, "there is no body", t.post(Content_Length="0", **ask), b"", interim=[100], must=False)  # likewise
    taken(t, rule, "HTTP/1.0 has no 100", sized(t, version="HTTP/1.0", **ask), after=CLOSES)
    # An expectation that isn't known may be refused with 417, or be ignored: wye ignores it.
    taken(t, rule, "an unknown expectation", sized(t, Expect="a-miracle"), must=False)
    taken(t, rule, "an unknown expectation beside a known one", sized(t, Expect="a-miracle=\"x, y\", 100-continue"), interim=[100], must=False)
    for what, request, status, says in (
        ("body-size", t.post(Content_Length="17000000", **ask), 413, "17000000"), ("body-length", t.post(**ask), 411, "neither"), ("body-type", t.post(Content_Length="5", Content_Type="multipart/form-data", **ask), 415, "multipart"),
        ("body-coding", t.post(Content_Length="5", Content_Encoding="gzip", **ask), 415, "gzip"), ("topic", t.post(Content_Length="5", topic="$wye/x", **ask), 403, "$wye"), ("path", t.post(Content_Length="5", topic="a//b", **ask), 400, "empty level"),
        ("host-named", t.post(Content_Length="5", Host="evil.example", **ask), 421, "evil.example"), ("origin", t.post(Content_Length="5", Origin="http://evil.example", **ask), 403, "evil.example"), ("framing", t.post(Content_Length="x", **ask), 400, "decimal"),
        ("method", t.post(method="PUT", Content_Length="5", **ask), 405, "'PUT'"),
    ):
        refused(t, what, "no 100 before a refusal of a POST", request, status, says)
    # Refused only when its body has come: a 100 went before.
    refused(t, "body-text", "behind a 100", t.post(Content_Length="2", Content_Type="text/plain", **ask), 400, "not UTF-8", rest=b"\xff\xfe", interim=[100])
    refused(t, "body-chunks", "behind a 100", t.post(Transfer_Encoding="chunked", **ask), 400, "begins with its size", rest=b"x\r\n", interim=[100])


# ---- media types (RFC 9110 8.3), UTF-8 ----

def kinds(t):
    euro, broken, coded = "\u20ac".encode(), b"a\xe2\x82", b"\xff\xfe"
    rule = "body-text"
    for name, value in (("text/plain", "text/plain"), ("JSON", "application/json"), ("+json", "application/problem+json"), ("a charset", 'Text/HTML; x=y; charset="UTF-8"'), ("none", None)):
        taken(t, rule, f"{name}: UTF-8 is text", sized(t, body=euro, Content_Type=value), euro)
    taken(t, rule, "none: what isn't UTF-8 is binary", sized(t, body=broken), broken, BINARY)
    taken(t, rule, "none: what isn't UTF-8 is binary, chunked", chunked(t, b"1\r\na\r\n2\r\n\xe2\x82\r\n0\r\n\r\n"), broken, BINARY)
    taken(t, rule, "none: UTF-8 that is cut by chunks is text", chunked(t, b"2\r\n\xe2\x82\r\n1\r\n\xac\r\n0\r\n\r\n"), euro)
    for name, value in (("octets", "application/octet-stream"), ("an image", "image/png")):
        taken(t, rule, f"{name}: UTF-8 is binary as well", sized(t, body=euro, Content_Type=value), euro, BINARY)
        taken(t, rule, f"{name}: anything", sized(t, body=coded, Content_Type=value), coded, BINARY)
    for name, payload in (("half a character", broken), ("bytes that are never UTF-8", coded), ("a surrogate", b"\xed\xa0\x80"), ("an overlong NUL", b"\xc0\x80")):
        refused(t, rule, f"text/plain: {name}", sized(t, body=payload, Content_Type="text/plain"), 400, "is not UTF-8")
    refused(t, rule, "JSON: half a character, chunked", chunked(t, b"3\r\na\xe2\x82\r\n0\r\n\r\n", Content_Type="application/json"), 400, "is not UTF-8")
    accepted = {"accept": "text/plain; charset=utf-8, application/json, application/octet-stream"}
    for name, value in (("a form with parts", "multipart/form-data; boundary=x"), ("another charset", "text/plain; charset=ISO-8859-1"), ("UTF-16", 'text/plain; charset="utf-16"'), ("two", ["text/plain", "application/json"])):
        refused(t, "body-type", name, sized(t, Content_Type=value), 415, "text in UTF-8", accepted)
    taken(t, "body-type", "empty", sized(t, Content_Type=""))
    taken(t, "body-type", "not known", sized(t, Content_Type="x"), kind=BINARY)


def content_codings(t):
    rule = "body-coding"
    for value in ("gzip", "deflate, gzip", "br", "x"):
        refused(t, rule, value, sized(t, Content_Encoding=value), 415, f"'{value}'", {"accept-encoding": "identity", "accept": None})
    refused(t, rule, "the second of two lines, in odd case", sized(t, "content-ENCODING: gzip", Content_Encoding="identity"), 415, "'gzip'")
    taken(t, rule, "identity", sized(t, Content_Encoding="Identity"))
    taken(t, rule, "empty", sized(t, Content_Encoding=""))


# ---- heads, methods, and how refusals are told ----

def heads(t):
    refused(t, "head-size", "a POST", sized(t, "Cookie: " + "c" * 16384), 431, "16384 bytes")
    refused(t, "head-size", "a POST of 101 fields", sized(t, *[f"X-{i}: y" for i in range(99)]), 431, "100 fields")
    refused(t, "target-length", "a POST", sized(t, topic="a" * 8000), 414, "8000 bytes")
    for method in ("PUT", "PATCH", "DELETE", "post"):
        refused(t, "method", f"{method} of a topic", sized(t, method=method), 405, f"'{method}'", {"allow": "GET, POST"})
    for method in ("POST", "PUT", "DELETE"):
        refused(t, "method", f"{method} of a plain resource, with a body", t.plain(method=method, Content_Length="5") + b"hello", 405, f"'{method}'", {"allow": "GET, HEAD"})
    t.add("plain", "GET with a body that looks like a request", t.plain(Content_Length=str(len(GET))) + GET + t.plain(), [200, 200], "serving", published=[], foreign=False, slices=True)
    t.add("plain", "GET with chunks: answered, and the connection ends", t.plain(Transfer_Encoding="chunked") + b"5\r\nhello\r\n0\r\n\r\n", 200, "serving", after=CLOSES, published=[], foreign=False, slices=True)
    refused(t, "framing", "GET with a length that is none", t.plain(Content_Length="+5") + b"hello", 400, "decimal")
    refused(t, "topic", "to a pattern", sized(t, topic="a/+"), 400, "Nobody publishes to")
    refused(t, "topic", "to the node's own", sized(t, topic="$wye/stats"), 403, "Nobody publishes to")
    json, ask = {"content-type": "application/problem+json"}, {"Accept": "application/problem+json"}
    refused(t, "body-size", "as problem details", t.post(Content_Length="17000000", **ask), 413, '"urn:wye:rule:body-size"', json)
    refused(t, "body-chunks", "as problem details", chunked(t, b"x\r\n", **ask), 400, ('"urn:wye:rule:body-chunks"', "begins with its size"), json)
    refused(t, "body-text", "as problem details", sized(t, body=b"\xff", Content_Type="text/plain", **ask), 400, '"urn:wye:rule:body-text"', json)


def pipelines(t):
    rule, one, two = "pipelining", sized(t), chunked(t, b"3\r\ntwo\r\n0\r\n\r\n")
    many = [(TEXT, b"hello"), (TEXT, b"two")]
    t.add(rule, "bodies of both kinds, twenty times", (one + two) * 20 + t.plain(), [200] * 41, "serving", published=many * 20, foreign=False, slices=True)
    for name, broken, status, says in (
        ("a length that is none", t.post(Content_Length="+5") + b"hello", 400, "decimal"), ("a coding that is unknown", t.post(Transfer_Encoding="gzip") + b"hello", 400, "last coding"),
        ("no length", t.post(), 411, "neither"), ("chunks that are none", chunked(t, b"5\nhello"), 400, "bare LF"), ("a trailer that is none", chunked(t, b"0\r\nA\r\n\r\n"), 400, "colon"), ("text that is none", sized(t, body=b"\xff", Content_Type="text/plain"), 400, "UTF-8"),
        ("a type that isn't taken", sized(t, Content_Type="multipart/x"), 415, "multipart"), ("too much", t.post(Content_Length="17000000"), 413, "17000000"),
    ):
        t.add(rule, f"{name} ends them", one + broken + one + GET, [200, status], says, published=[(TEXT, b"hello")], foreign=False, slices=True)
    t.add(rule, "Connection: close of a POST ends them", one + sized(t, Connection="close") + one, [200, 200], '{"receivers":1}', after=CLOSES, published=[(TEXT, b"hello")] * 2, foreign=False, slices=True)
    # An empty line behind a body is of old clients (RFC 9112 2.2).
    t.add(rule, "an empty line behind a body", one + b"\r\n" + one + GET, [200] * 3, "serving", published=[(TEXT, b"hello")] * 2, foreign=False, slices=True)
    t.add("smuggling", "a body longer than its length", t.post(Content_Length="5") + b"helloXX\r\n" + GET, [200, 400], "(request-line: ", published=[(TEXT, b"hello")], foreign=False, slices=True)


# ---- against nodes of their own ----

def sizes(table):
    """For a node with --max-message 1000."""
    for name, count in (("1000 bytes", 1000), ("999 bytes", 999)):
        taken(table, "body-size", f"accumulated: {name}", chunked(table, b"1\r\nx\r\n" * count + b"0\r\n\r\n"), b"x" * count)
        taken(table, "body-size", f"announced: {name}", sized(table, body=b"x" * count), b"x" * count)
    refused(table, "body-size", "accumulated: 1001 bytes", chunked(table, b"1\r\nx\r\n" * 1001 + b"0\r\n\r\n"), 413, "longer than the node takes")
    refused(table, "body-size", "accumulated: 500 and 501 bytes", chunked(table, b"1f4\r\n" + b"x" * 500 + b"\r\n1f5\r\n" + b"x" * 501 + b"\r\n0\r\n\r\n"), 413, "longer than the node takes")
    refused(table, "body-size", "announced: 1001 bytes", sized(table, body=b"x" * 1001), 413, "'1001'")
    refused(table, "body-size", "announced by a chunk: 1001 bytes", chunked(table, b"3e9\r\n"), 413, "longer than the node takes")


def late(table):
    """What stops coming: for Exchanges that wait for more than ten seconds."""
    for name, request in (("before the body", sized(table)[:-5]), ("in the body", sized(table)[:-1]), ("in a chunk", chunked(table, b"5\r\nhel")), ("in a trailer", chunked(table, b"0\r\nA: b\r\n"))):
        refused(table, "body-time", name, request, 408, "did not come within 10 seconds")
