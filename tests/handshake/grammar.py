"""Rules of every request head: its first line, its fields, its size, its version, Host and framing."""
from case import STAYS


def rows(table):
    request_line(table)
    targets(table)
    field_grammar(table)
    sizes(table)
    version(table)
    host(table)
    framing(table)


def request_line(t):
    rule, path = "request-line", t.path
    t.right(rule, "as it should be", t.ws())
    t.right(rule, "an empty line before it", b"\r\n" + t.ws())
    t.right(rule, "two empty lines before it", b"\r\n\r\n" + t.ws(), must=False)
    t.right(rule, "with a query", t.ws(path=path + "?a=1&b=%20"))
    t.right(rule, "with an empty query", t.ws(path=path + "?"))
    for name, line, says, must in (
        ("two spaces before the target", f"GET  {path} HTTP/1.1", (), False),
        ("two spaces before the version", f"GET {path}  HTTP/1.1", "Behind the target", False),
        ("a space in front", f" GET {path} HTTP/1.1", (), True),
        ("a space at the end", f"GET {path} HTTP/1.1 ", "Behind the target", False),
        ("a tab for a space", f"GET\t{path} HTTP/1.1", (), False),
        ("no version", f"GET {path}", "HTTP/0.9", True),
        ("no target", "GET HTTP/1.1", (), True),
        ("a version in lower case", f"GET {path} http/1.1", "Behind the target", True),
        ("a version with a comma", f"GET {path} HTTP/1,1", "Behind the target", True),
        ("a version without its minor", f"GET {path} HTTP/1", "Behind the target", True),
        ("a version of two digits", f"GET {path} HTTP/11.1", "Behind the target", True),
        ("another protocol's version", f"GET {path} RTSP/1.0", "Behind the target", True),
        ("a method with a colon", f"GE:T {path} HTTP/1.1", (), True),
        ("a method with a byte of 0x80 and more", f"G\xc9T {path} HTTP/1.1", (), True),
        ("no method", f" {path} HTTP/1.1", (), True),
        ("a bare CR in the target", f"GET {path}\rx HTTP/1.1", (), True),
        ("a NUL in the target", f"GET {path}\0 HTTP/1.1", "printable ASCII", True),
        ("a tab in the target", f"GET {path}\tx HTTP/1.1", "printable ASCII", True),
        ("UTF-8 in the target", f"GET {path}?\xc3\xa9 HTTP/1.1", "printable ASCII", False),
        ("a fragment", f"GET {path}#there HTTP/1.1", "'#'", True),
    ):
        t.wrong(rule, name, t.ws(line=line), 400, says, must=must)
    t.wrong(rule, "lines ended by LF", t.ws().replace(b"\r\n", b"\n"), 400, "bare LF", must=False)
    t.wrong(rule, "a bare CR before it", b"\r" + t.ws(), 400, "bare CR", must=False)
    t.wrong(rule, "a bare LF before it", b"\n" + t.ws(), 400, "bare LF", must=False)
    t.wrong(rule, "five empty lines before it", b"\r\n" * 5 + t.ws(), 400, "too many empty lines", must=False)
    t.wrong(rule, "bytes of TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x55" * 40, 400, "look like the first bytes of TLS")
    t.wrong(rule, "not HTTP at all", b"hello\r\n\r\n", 400)
    t.wrong(rule, "a WebSocket frame", b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", 400)


def targets(t):
    rule, path = "request-line", t.path
    for scheme in ("http", "HTTP", "ws"):
        t.right(rule, f"a target in absolute form ({scheme})", t.ws(path=f"{scheme}://{t.authority}{path}"), must=scheme != "ws")
    t.right(rule, "an absolute form beside another Host", t.ws(path=f"http://{t.authority}{path}", Host="elsewhere.example"))
    t.wrong("host-named", "an absolute form that names another host", t.ws(path=f"http://elsewhere.example{path}"), 421, "'elsewhere.example'", foreign=False)
    t.wrong("host", "an absolute form with user information", t.ws(path=f"http://me@{t.authority}{path}"), 400, "'me@", must=False)
    t.wrong("host", "an absolute form without a host", t.ws(path=f"http://{path}"), 400)
    t.wrong(rule, "an absolute form of another scheme", t.ws(path=f"ftp://{t.authority}{path}"), 400, "begins with '/'")
    t.wrong(rule, "'*' with GET", t.ws(path="*"), 400, "OPTIONS")
    t.wrong(rule, "a target without its slash", t.ws(path=path[1:]), 400, "begins with '/'")
    t.wrong(rule, "CONNECT", t.plain(t.authority, method="CONNECT"), 400, "CONNECT")


def field_grammar(t):
    rule = "field-grammar"
    t.right(rule, "names in lower case", lower(t.ws()))
    t.right(rule, "names in upper case", upper(t.ws()))
    t.right(rule, "no space behind the colon", t.ws().replace(b": ", b":"))
    t.right(rule, "spaces and tabs around values", t.ws().replace(b": ", b": \t ").replace(b"\r\nConn", b" \t\r\nConn"))
    t.right(rule, "a tab inside a value", t.ws("X-A: a\tb"))
    t.right(rule, "an empty value", t.ws("X-A:", "X-B: "))
    t.right(rule, "bytes of 0x80 and more in a value", t.ws(b"X-A: caf\xc3\xa9 \xff"))
    t.right(rule, "every kind of character in a name", t.ws("!#$%&'*+-.^_`|~aZ9: a"))
    t.right(rule, "a colon in a value", t.ws("X-A: b: c:"))
    t.right(rule, "an unknown field twice", t.ws("X-A: a", "X-A: b"))
    for name, line, says, must in (
        ("no colon", "X-A", "Name: value", True),
        ("a space before the colon", "X-A : a", "between the name and the colon", True),
        ("a tab before the colon", "X-A\t: a", "between the name and the colon", True),
        ("no name", ": a", "name is empty", True),
        ("a folded line", "X-A: a\r\n b", "folded", False),
        ("a line folded with a tab", "X-A: a\r\n\tb", "folded", False),
        ("a bare LF in it", "X-A: a\nX-B: b", "bare LF", False),
        ("a bare LF that makes a field", f"X-A: a\nContent-Length: 5", "bare LF", False),
        ("a bare CR in it", "X-A: a\rb", "bare CR", False),
        ("a CR at its end", "X-A: a\r", "bare CR", False),
        ("a NUL in it", "X-A: a\0b", "control byte", False),
        ("a control byte in it", "X-A: a\x01b", "control byte", False),
        ("an escape in it", "X-A: \x1b[31m", "control byte", False),
        ("a DEL in it", "X-A: a\x7f", "control byte", False),
        ("a space in the name", "X A: a", (), True),
        ("brackets in the name", "X(A): a", "letters, digits", True),
        ("an at-sign in the name", "X@A: a", "letters, digits", True),
        ("quotes in the name", '"X": a', "letters, digits", True),
        ("a byte of 0x80 and more in the name", "X\xe9: a", "letters, digits", True),
        ("a NUL in the name", "X\0A: a", (), True),
    ):
        t.wrong(rule, name, t.ws(line_of(line)), 400, says, must=must)
    first = t.ws().replace(b" HTTP/1.1\r\n", b" HTTP/1.1\r\n folded: yes\r\n", 1)
    t.wrong(rule, "a folded line as the first", first, 400, "folded", must=False)
    t.wrong(rule, "Sec-WebSocket-Key with a space before its colon", t.ws().replace(b"-Key: ", b"-Key : "), 400, "between the name and the colon")
    t.wrong(rule, "a folded Sec-WebSocket-Key", t.ws().replace(b"-Key: ", b"-Key:\r\n "), 400, "folded", must=False)


def sizes(t):
    # The longest that are taken; what others take is their choice.
    t.right("target-length", "8000 bytes", t.ws(path=t.path + "?" + "a" * (8000 - len(t.path) - 1)), must=False)
    t.wrong("target-length", "8001 bytes", t.ws(path=t.path + "?" + "a" * (8001 - len(t.path) - 1)), 414, "8000 bytes", must=False)
    t.wrong("target-length", "15,000 bytes", t.ws(path=t.path + "?" + "a" * 15000), 414, "8000 bytes", must=False)
    t.wrong("target-length", "8001 bytes and nothing else", b"GET /" + b"a" * 8000, 414, must=False)
    empty = len(t.ws("Cookie: "))
    t.right("head-size", "16,384 bytes", t.ws("Cookie: " + "c" * (16384 - empty)), must=False)
    t.wrong("head-size", "16,385 bytes", t.ws("Cookie: " + "c" * (16385 - empty)), 431, "16384 bytes", must=False)
    t.wrong("head-size", "40,000 bytes", t.ws("Cookie: " + "c" * 40000), 431, "16384 bytes", must=False)
    t.right("head-size", "100 fields", t.ws(*[f"X-{i}: {i}" for i in range(95)]), must=False)
    t.wrong("head-size", "101 fields", t.ws(*[f"X-{i}: {i}" for i in range(96)]), 431, ("100 fields", "'X-95'"), must=False)


def version(t):
    rule = "version"
    t.right(rule, "1.2 is read as 1.1", t.ws(version="HTTP/1.2"), must=False)
    t.right(rule, "1.9 is read as 1.1", t.ws(version="HTTP/1.9"), must=False)
    for major in ("0.9", "2.0", "3.0", "9.9"):
        t.wrong(rule, f"HTTP/{major}", t.ws(version=f"HTTP/{major}"), 505, f"'HTTP/{major}'", must=major == "0.9")
    t.wrong(rule, "HTTP/2 with prior knowledge", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9), 505, "prior knowledge", must=False)
    t.wrong("upgrade-version", "HTTP/1.0", t.ws(version="HTTP/1.0"), 426, ("needs HTTP/1.1", "proxy_http_version"), {"upgrade": "websocket", "connection": "upgrade, close"})
    t.wrong("upgrade-version", "HTTP/1.0 with keep-alive", t.ws(version="HTTP/1.0", Connection="keep-alive, Upgrade"), 426, "needs HTTP/1.1", {"upgrade": "websocket"})
    t.wrong("upgrade-version", "HTTP/1.0 without any Upgrade", t.plain(t.path, version="HTTP/1.0"), 426, "needs HTTP/1.1", {"upgrade": "websocket"}, must=False)
    t.wrong("upgrade-version", "HTTP/1.0 without Host", t.ws(version="HTTP/1.0", Host=None), 426, "needs HTTP/1.1")


def host(t):
    rule = "host"
    name, _, port = t.authority.rpartition(":")
    t.right(rule, "odd case of its name", t.ws(Host=None, hOsT=t.authority))
    t.right(rule, "spaces around it", t.ws(Host="  " + t.authority + "\t "))
    t.right(rule, "last of the fields", t.ws(f"Host: {t.authority}", Host=None))
    t.right(rule, "without a port", t.ws(Host=name), foreign=False)
    t.right(rule, "with an empty port", t.ws(Host=name + ":"), foreign=False)
    t.right(rule, "an IPv6 address", t.ws(Host=f"[::1]:{port}"), foreign=False)
    t.wrong(rule, "missing", t.ws(Host=None), 400, "this request has none")
    t.wrong(rule, "there twice", t.ws(Host=[t.authority, t.authority]), 400, "more than once")
    t.wrong(rule, "there twice, in odd case and apart", t.ws(f"HOST: {t.authority}"), 400, "more than once")
    t.wrong(rule, "two that differ", t.ws(Host=[t.authority, "evil.example"]), 400, "more than once")
    t.wrong(rule, "there twice beside an absolute form", t.ws(path=f"http://{t.authority}{t.path}", Host=["a.example", "b.example"]), 400, "more than once")
    for words, value, says in (
        ("empty", "", "empty"), ("a list", f"{t.authority}, evil.example", "not a host name"), ("with user information", f"me@{t.authority}", "not a host name"),
        ("with a path", t.authority + "/x", "not a host name"), ("a URL", "http://" + t.authority, "not a host name"), ("a space in it", name + " x", "not a host name"),
        ("a port that isn't a number", name + ":8o", "not a host name"), ("a port above 65535", name + ":65536", "not a host name"), ("a port below 0", name + ":-1", "not a host name"),
        ("two ports", name + ":80:80", "not a host name"), ("only a port", ":80", "not a host name"), ("an open bracket", "[::1", "not a host name"),
        ("brackets around a name", "[localhost]", "not a host name"), ("bytes of 0x80 and more", "caf\xe9.example", "not a host name"), ("half a percent sign", "a%2.example", "not a host name"),
    ):
        t.wrong(rule, words, t.ws(Host=value), 400, says, must=words in ("empty", "a list", "with a path", "a URL", "a space in it"))
    t.wrong("host", "missing, on a plain resource", t.plain(Host=None), 400, "this request has none", foreign=False)


def framing(t):
    rule = "framing"
    t.right("upgrade-body", "Content-Length: 0", t.ws(Content_Length="0"))
    t.right("upgrade-body", "Content-Length: 000", t.ws(Content_Length="000"), must=False)
    t.wrong("upgrade-body", "Content-Length: 5", t.ws(Content_Length="5") + b"hello", 400, ("must have no body", "'5'"), must=False)
    t.wrong("upgrade-body", "Content-Length: 5 before the body", t.ws(Content_Length="5"), 400, "must have no body", must=False)
    t.wrong("upgrade-body", "chunked", t.ws(Transfer_Encoding="chunked") + b"5\r\nhello\r\n0\r\n\r\n", 400, ("must have no body", "'chunked'"), must=False)
    t.wrong("upgrade-body", "chunked, in odd case", t.ws("transfer-ENCODING:  cHunked "), 400, "must have no body", must=False)
    # RFC 9112 6.3 lets a server mend these instead; wye refuses them.
    may = ("both lengths", "two lengths that agree", "a list of lengths", "chunked twice", "chunked in two lines", "an empty coding", "chunked with a parameter")
    for name, fields, says in (
        ("both lengths", {"Content_Length": "5", "Transfer_Encoding": "chunked"}, "Content-Length as well"),
        ("two lengths that agree", {"Content_Length": ["0", "0"]}, "more than once"),
        ("two lengths that differ", {"Content_Length": ["0", "5"]}, "more than once"),
        ("a list of lengths", {"Content_Length": "0, 0"}, "not a decimal number"),
        ("a length with a plus", {"Content_Length": "+0"}, "not a decimal number"),
        ("a length below 0", {"Content_Length": "-1"}, "not a decimal number"),
        ("a hexadecimal length", {"Content_Length": "0x5"}, "not a decimal number"),
        ("a length with a space", {"Content_Length": "1 0"}, "not a decimal number"),
        ("a length with a point", {"Content_Length": "0.0"}, "not a decimal number"),
        ("an empty length", {"Content_Length": ""}, "not a decimal number"),
        ("a length of 2^64", {"Content_Length": "18446744073709551616"}, "not a decimal number"),
        ("chunked twice", {"Transfer_Encoding": "chunked, chunked"}, "last coding"),
        ("chunked in two lines", {"Transfer_Encoding": ["chunked", "chunked"]}, "last coding"),
        ("chunked not last", {"Transfer_Encoding": "chunked, gzip"}, "last coding"),
        ("no chunked", {"Transfer_Encoding": "gzip"}, "last coding"),
        ("identity", {"Transfer_Encoding": "identity"}, "last coding"),
        ("an empty coding", {"Transfer_Encoding": ""}, "last coding"),
        ("chunked with a parameter", {"Transfer_Encoding": "chunked;x"}, "last coding"),
    ):
        t.wrong(rule, name, t.ws(**fields), 400, says, must=name not in may)
        t.wrong(rule, name + ", on a plain resource", t.plain(**fields), 400, says, foreign=False)
    t.wrong(rule, "another coding before chunked", t.ws(Transfer_Encoding="gzip, chunked"), 501, "No coding but chunked", must=False)
    t.wrong(rule, "a coding with HTTP/1.0", t.plain(version="HTTP/1.0", Transfer_Encoding="chunked"), 400, "HTTP/1.0", foreign=False)
    t.add(rule, "a length of 2^64 - 1 may be announced", t.plain(Content_Length="18446744073709551615"), 200, after="closes", foreign=False)
    t.add(rule, "a body is read over", t.plain(Content_Length="5") + b"hello" + t.plain(), [200, 200], after=STAYS, foreign=False)


# ---- rewriting ----

def line_of(line):
    return line.encode("latin-1")


def renamed(request, change):
    """The request with the names of its fields changed."""
    lines = request.split(b"\r\n")
    for at in range(1, len(lines)):
        name, colon, value = lines[at].partition(b":")
        lines[at] = change(name) + colon + value if colon else lines[at]
    return b"\r\n".join(lines)


def lower(request):
    return renamed(request, bytes.lower)


def upper(request):
    return renamed(request, bytes.upper)
