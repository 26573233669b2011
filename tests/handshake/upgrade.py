"""Rules of the upgrade itself: path, method, Connection, Upgrade, key, version, Origin, subprotocols, extensions."""
from case import CLOSES, KEY

TO_UPGRADE = {"upgrade": "websocket", "connection": "upgrade, close"}


def rows(table):
    path_and_method(table)
    connection(table)
    token(table)
    key(table)
    version(table)
    origin(table)
    subprotocol(table)
    extensions(table)
    several(table)
    expect(table)


def path_and_method(t):
    t.wrong("path", "one that isn't there", t.ws(path="/nothing"), 404, ("'/nothing'", "/healthz"), foreign=False)
    t.wrong("path", "in another case", t.ws(path="/Echo"), 404, foreign=False)
    t.wrong("path", "with a slash behind", t.ws(path="/echo/"), 404, foreign=False)
    t.wrong("path", "what was seen is escaped and cut", t.ws(path="/%3Cscript%3E'" + "x" * 100), 404, ("\\x27", "..."), foreign=False)
    t.right("path", "a topic", t.ws(path="/topic/a/b"), foreign=False)
    t.right("path", "a topic of 16 levels", t.ws(path="/topic/" + "/".join("a" * 16)), foreign=False)
    t.right("path", "a topic with a percent-encoded name", t.ws(path="/topic/caf%C3%A9"), foreign=False)
    for name, path in (("17 levels", "/".join("a" * 17)), ("an empty level", "a//b"), ("an empty level at the end", "a/"), ("an encoded slash", "a%2Fb"),
                       ("an encoded slash in lower case", "a%2fb"), ("half a percent sign", "a%2"), ("no hexadecimal digits", "a%zz"), ("256 bytes", "a" * 256)):
        t.wrong("path", "a topic with " + name, t.ws(path="/topic/" + path), 400, foreign=False)
    t.wrong("path", "a topic without a name", t.ws(path="/topic/"), 404, foreign=False)
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW", "get", "GETT"):
        t.wrong("method", method, t.ws(method=method), 405, ("answers to GET", f"'{method}'"), {"allow": "GET"})
    t.add("method", "HEAD", t.ws(method="HEAD"), 405, (), {"allow": "GET"})
    t.wrong("method", "POST without any Upgrade", t.plain(t.path, method="POST", Content_Length="0"), 405, "answers to GET", {"allow": "GET"}, foreign=False)


def connection(t):
    rule = "connection-upgrade"
    for value in ("upgrade", "UPGRADE", "uPgRaDe", "keep-alive, Upgrade", "Upgrade, keep-alive", "keep-alive,Upgrade", "keep-alive ,\tupgrade ", ",, Upgrade,", "x, Upgrade, y"):
        t.right(rule, repr(value), t.ws(Connection=value))
    t.right(rule, "in the second of two lines", t.ws(Connection=["keep-alive", "Upgrade"]))
    t.right(rule, "in the first of two lines", t.ws(Connection=["Upgrade", "keep-alive"]))
    t.right(rule, "there twice", t.ws(Connection=["Upgrade", "Upgrade"]), must=False)
    t.right(rule, "in two lines of odd case, apart", t.ws("cONNECTION:upgrade", Connection="keep-alive"))
    t.wrong(rule, "missing", t.ws(Connection=None), 426, ("has no Connection field", "proxy_set_header"), TO_UPGRADE)
    for value in ("keep-alive", "close", "keep-alive, close", "upgraded", "upgrad", "up grade", '"Upgrade"', "Upgrade;x=1", "Upgrade/1", "websocket", "keep-alive; Upgrade"):
        t.wrong(rule, repr(value), t.ws(Connection=value), 426, ("must list 'upgrade'", "proxy_set_header"), TO_UPGRADE)
    t.wrong(rule, "empty", t.ws(Connection=""), 426, "must list 'upgrade'", TO_UPGRADE)
    t.wrong(rule, "two lines without it", t.ws(Connection=["keep-alive", "te"]), 426, "'keep-alive'", TO_UPGRADE)


def token(t):
    rule = "upgrade-token"
    for value in ("WebSocket", "WEBSOCKET", "foo, websocket", "websocket, foo", "h2c,websocket", ",websocket ,"):
        t.right(rule, repr(value), t.ws(Upgrade=value), must="," not in value)
    t.right(rule, "in the second of two lines", t.ws(Upgrade=["foo/2", "websocket"]), must=False)
    t.right(rule, "there twice", t.ws(Upgrade=["websocket", "websocket"]), must=False)
    t.right(rule, "spaces and tabs around it, in odd case", t.ws("uPGRADE:\t WebSocket \t", Upgrade=None))
    t.right(rule, "with a version", t.ws(Upgrade="websocket/13"), must=False)
    t.wrong(rule, "two lines without it", t.ws(Upgrade=["foo", "h2c"]), 426, "'foo'", TO_UPGRADE)
    t.wrong(rule, "missing", t.ws(Upgrade=None), 426, "has no Upgrade field", TO_UPGRADE)
    for value in ("h2c", "websockets", "websocke", "web socket", '"websocket"', "websocket;x", "foo", "TLS/1.2, HTTP/1.1"):
        t.wrong(rule, repr(value), t.ws(Upgrade=value), 426, "must list 'websocket'", TO_UPGRADE)
    t.wrong(rule, "empty", t.ws(Upgrade=""), 426, "must list 'websocket'", TO_UPGRADE)
    t.wrong(rule, "websocket where another protocol is spoken", t.ws(path="/stream"), 426, "must list 'wye-echo'", {"upgrade": "wye-echo"}, foreign=False)
    t.add(rule, "another protocol where it is spoken", t.plain("/stream", Upgrade="Wye-Echo", Connection="upgrade"), 101, fields={"upgrade": "wye-echo", "sec-websocket-accept": None}, foreign=False)
    t.wrong("connection-upgrade", "missing, for another protocol", t.plain("/stream", Upgrade="wye-echo"), 426, "must list 'upgrade'", {"upgrade": "wye-echo", "connection": "upgrade, close"}, foreign=False)


def key(t):
    rule = "key"
    t.right(rule, "odd case of its name", t.ws("sEC-wEBsOCKET-kEY: " + KEY, Sec_WebSocket_Key=None))
    t.right(rule, "no space before it", t.ws("Sec-WebSocket-Key:" + KEY, Sec_WebSocket_Key=None))
    t.right(rule, "spaces and tabs around it", t.ws(Sec_WebSocket_Key=" \t" + KEY + " \t "))
    t.wrong(rule, "missing", t.ws(Sec_WebSocket_Key=None), 400, "is missing")
    t.wrong(rule, "there twice", t.ws(Sec_WebSocket_Key=[KEY, KEY]), 400, "more than once")
    t.wrong(rule, "there twice, in odd case and apart", t.ws("SEC-websocket-KEY: " + KEY), 400, "more than once")
    t.wrong(rule, "there twice, once wrong", t.ws(Sec_WebSocket_Key=[KEY, "x"]), 400, "more than once")
    for name, value, says, must in (
        ("empty", "", "empty", True),
        ("a word", "key", "24 characters", True),
        ("23 characters", KEY[1:], "24 characters", True),
        ("25 characters", "A" + KEY, "24 characters", True),
        ("without its padding", KEY[:-2], "24 characters", True),
        ("15 bytes", "dGhlIHNhbXBsZSBub25j", "24 characters", True),
        ("17 bytes", "dGhlIHNhbXBsZSBub25jZSE=", "base64 of 16 bytes", True),
        ("18 bytes", "dGhlIHNhbXBsZSBub25jZSEh", "base64 of 16 bytes", True),
        ("24 letters", "a" * 24, "base64 of 16 bytes", True),
        ("24 spaces and stars", "*" * 24, "base64 of 16 bytes", True),
        ("a space inside", KEY[:8] + " " + KEY[9:], "base64 of 16 bytes", True),
        ("the URL-safe alphabet", "_-" + KEY[2:], "base64 of 16 bytes", True),
        ("an equals sign inside", KEY[:8] + "=" + KEY[9:], "base64 of 16 bytes", True),
        ("an exclamation mark inside", KEY[:21] + "!==", "base64 of 16 bytes", True),
        ("a byte of 0x80 and more", "\xe9" + KEY[1:], "base64 of 16 bytes", True),
        ("quoted", '"' + KEY + '"', "24 characters", True),
        ("two in a list", KEY + ", " + KEY, "24 characters", True),
        ("not canonical: its last digit says more than 16 bytes", KEY[:21] + "R==", "canonical", False),
        ("not canonical: all bits of its last digit", KEY[:21] + "/==", "canonical", False),
    ):
        t.wrong(rule, name, t.ws(Sec_WebSocket_Key=value), 400, (says, "16 bytes"), must=must)


def version(t):
    rule = "websocket-version"
    fields = {**TO_UPGRADE, "sec-websocket-version": "13"}
    t.right(rule, "odd case of its name", t.ws("SEC-WEBSOCKET-version: 13", Sec_WebSocket_Version=None))
    t.right(rule, "spaces and tabs around it", t.ws(Sec_WebSocket_Version="\t 13 \t"))
    t.wrong(rule, "missing", t.ws(Sec_WebSocket_Version=None), 426, "is missing", fields)
    t.wrong(rule, "there twice", t.ws(Sec_WebSocket_Version=["13", "13"]), 426, "more than once", fields)
    t.wrong(rule, "there twice, in odd case and apart", t.ws("sec-websocket-version: 8"), 426, "more than once", fields)
    for value in ("0", "7", "8", "12", "14", "255", "13, 8", "8, 13", "013", "+13", "13.0", "1 3", "13;", "thirteen", "0xd", '"13"'):
        t.wrong(rule, repr(value), t.ws(Sec_WebSocket_Version=value), 426, "must be 13", fields, must=value not in ("013",))
    t.wrong(rule, "empty", t.ws(Sec_WebSocket_Version=""), 426, "must be 13", fields)


def origin(t):
    rule = "origin"
    name, _, port = t.authority.rpartition(":")
    t.right(rule, "this host", t.ws(Origin=f"http://{t.authority}"))
    t.right(rule, "this host, by https", t.ws(Origin=f"https://{t.authority}"), foreign=False)
    t.right(rule, "in odd case", t.ws(Host=f"localhost:{port}", Origin=f"HTTP://LocalHost:{port}"), foreign=False)
    t.right(rule, "default ports are equal", t.ws(Host="localhost", Origin="http://localhost:80"), foreign=False)
    t.right(rule, "behind a proxy with TLS", t.ws(Host="localhost:80", Origin="https://localhost"), foreign=False)
    for words, value, says in (
        ("another host", "http://evil.example", "'http://evil.example'"), ("null", "null", "sandboxed"), ("NULL", "NULL", ()), ("empty", "", ()),
        ("another port", f"http://{name}:{int(port) ^ 1}", ()), ("this host as the start of another", f"http://{name}.evil.example:{port}", ()),
        ("this host as the end of another", f"http://evil{name}:{port}", ()), ("this host as user information", f"http://{t.authority}@evil.example", ()),
        ("a file", "file://", ()), ("an extension's", "chrome-extension://abcdefgh", ()), ("without its scheme", t.authority, ()),
        ("with a path", f"http://{t.authority}/", ()), ("two in one", f"http://{t.authority} http://evil.example", ()),
    ):
        t.wrong(rule, words, t.ws(Origin=value), 403, says, foreign=False)
    t.wrong(rule, "there twice", t.ws(Origin=[f"http://{t.authority}"] * 2), 403, "more than once", foreign=False)
    t.wrong(rule, "there twice, the second another host", t.ws("ORIGIN: http://evil.example", Origin=f"http://{t.authority}"), 403, "more than once", foreign=False)
    t.wrong(rule, "another host, for another protocol", t.plain("/stream", Upgrade="wye-echo", Connection="upgrade", Origin="http://evil.example"), 403, foreign=False)
    for host in ("evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "wye"):
        t.wrong("host-named", host, t.ws(Host=host), 421, (f"'{host}'", "DNS rebinding"), foreign=False)
    for host in ("localhost", "LOCALHOST.", "127.0.0.1", "10.1.2.3:99", "[::1]", "[fe80::1]:80"):
        t.right("host-named", host, t.ws(Host=host), foreign=False)
    t.add("host-named", "a plain resource", t.plain(Host="evil.example"), 421, "DNS rebinding", after="stays", foreign=False)


def subprotocol(t):
    rule, none = "subprotocol", {"sec-websocket-protocol": None}
    # None of these is spoken: wye switches without one, others may refuse.
    for value in ("chat", "chat, superchat", "chat,superchat ,\tx", "a.b/c".replace("/", "-"), ",chat,"):
        t.right(rule, repr(value), t.ws(Sec_WebSocket_Protocol=value), fields=none, must=False)
    t.right(rule, "two lines", t.ws(Sec_WebSocket_Protocol=["chat", "superchat"]), fields=none, must=False)
    t.right(rule, "two lines of odd case", t.ws("SEC-WEBSOCKET-protocol: b", "sec-websocket-Protocol:c"), fields=none, must=False)
    t.right(rule, "names that differ in case", t.ws(Sec_WebSocket_Protocol="chat, CHAT"), fields=none, must=False)
    for name, value, says in (("empty", "", "empty"), ("nothing but commas", ", ,", "empty"), ("a name twice", "chat, chat", "twice"), ("a space in a name", "chat room", "malformed"),
                              ("a slash in a name", "chat/1", "malformed"), ("a quoted name", '"chat"', "malformed"), ("a semicolon", "chat;q=1", "malformed"),
                              ("65 names", ", ".join(f"p{i}" for i in range(65)), "64 elements")):
        t.wrong(rule, name, t.ws(Sec_WebSocket_Protocol=value), 400, says, must=name not in ("65 names",))
    t.wrong(rule, "a name twice, in two lines", t.ws(Sec_WebSocket_Protocol=["chat", "x, chat"]), 400, "twice")


def extensions(t):
    rule, none = "extensions", {"sec-websocket-extensions": None}
    for value in ("x-unknown", "x-unknown; a; b=1, x-other", 'x-unknown; a="b"', "x-a;b=c;d", ", x-a ,", "x-a ; b = c"):
        t.right(rule, repr(value), t.ws(Sec_WebSocket_Extensions=value), fields=none, must=" = " not in value)
    t.right(rule, "permessage-deflate as browsers offer it", t.ws(Sec_WebSocket_Extensions="permessage-deflate; client_max_window_bits"))
    t.right(rule, "two lines", t.ws(Sec_WebSocket_Extensions=["x-a", "x-b; c"]), fields=none)
    for value in (";", "x-a;", "; a=1", "x-a; =1", "x-a; b=", "x-a;; b", "=x", "x-a b", 'x-a; b="', 'x-a; b="c', 'x-a; b="c d"', 'x-a; b=""', "x-a; b=c d", "(x)", "x-a; b=c=d"):
        t.wrong(rule, repr(value), t.ws(Sec_WebSocket_Extensions=value), 400, "must list extensions")
    t.wrong(rule, "empty", t.ws(Sec_WebSocket_Extensions=""), 400, "empty")
    t.wrong(rule, "the second of two lines", t.ws(Sec_WebSocket_Extensions=["x-a", "x-b;"]), 400)


def several(t):
    """What is wrong in several ways: the first rule gives the status, all are named."""
    short = t.plain("/chat", Upgrade="websocket", Connection="Upgrade")
    t.wrong("key", "the classic abbreviated example", short, 400, ("Sec-WebSocket-Key is missing", "Sec-WebSocket-Version is missing", "(websocket-version: "), {"sec-websocket-version": "13"}, foreign=False)
    t.wrong("key", "an old client is told the version, though its key is worse", t.ws(Sec_WebSocket_Version="8", Sec_WebSocket_Key="x"), 400, "24 characters", {"sec-websocket-version": "13"})
    t.wrong("connection-upgrade", "nothing but Host", t.plain(t.path), 426,
            ("no Connection field", "no Upgrade field", "Sec-WebSocket-Key is missing", "Sec-WebSocket-Version is missing"), {**TO_UPGRADE, "sec-websocket-version": "13"})
    t.wrong("method", "everything at once", t.ws(method="PUT", Connection="x", Upgrade="y", Sec_WebSocket_Key="z", Sec_WebSocket_Version="1", Origin="null",
                                                Sec_WebSocket_Protocol="a b", Sec_WebSocket_Extensions=";", Content_Length="3"), 405,
            ("(upgrade-body: ", "(connection-upgrade: ", "(upgrade-token: ", "(key: ", "(websocket-version: ", "(origin: ", "(subprotocol: ", "(extensions: "), {"allow": "GET"}, foreign=False)
    t.wrong("framing", "grammar comes before the upgrade", t.ws(Connection="x", Content_Length="z"), 400, "not a decimal number", foreign=False)
    t.wrong("path", "the path comes before the upgrade", t.ws(path="/nothing", Connection="x"), 404, foreign=False)
    t.wrong("host-named", "Host comes before the path", t.ws(path="/nothing", Host="evil.example"), 421, foreign=False)


def expect(t):
    """Expect: 100-continue (RFC 9110 7.8 and 10.1.1): 100 comes before the 101, and not before a refusal."""
    t.add("expect", "100 comes before the 101", t.ws(Expect="100-continue"), [100, 101])
    t.add("expect", "in the second of two lines", t.ws(Expect=["x", "100-continue"]), [100, 101], must=False, foreign=False)
    t.add("expect", "in odd case", t.ws("eXPECT:100-Continue "), [100, 101])
    t.add("expect", "another expectation is ignored", t.ws(Expect="a-miracle"), 101, must=False, foreign=False)
    t.wrong("key", "no 100 before a refusal", t.ws(Expect="100-continue", Sec_WebSocket_Key="x"), 400, "24 characters", foreign=False)
    t.wrong("upgrade-version", "no 100 with HTTP/1.0", t.ws(version="HTTP/1.0", Expect="100-continue"), 426, foreign=False)
    t.add("expect", "for another protocol", t.plain("/stream", Upgrade="wye-echo", Connection="upgrade", Expect="100-continue"), [100, 101], fields={"upgrade": "wye-echo", "sec-websocket-accept": None}, foreign=False)
    t.add("expect", "a body that may not come: answered, and the connection ends", t.plain(Expect="100-continue", Content_Length="5"), 200, after=CLOSES, foreign=False)
