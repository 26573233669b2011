"""Plain resources, smuggling, and the ways in which a refusal is written."""
from case import CLOSES, STAYS


def rows(table):
    resources(table)
    pipelining(table)
    closing(table)
    smuggling(table)
    problem(table)


def resources(t):
    rule = "plain"
    for path in ("/", "/healthz", "/metrics", "/topics", "/chat.js", "/page.css"):
        t.add(rule, path, t.plain(path), 200, foreign=False)
        t.add(rule, f"HEAD {path}", t.plain(path, method="HEAD"), 200, foreign=False)
    t.add(rule, "with a query", t.plain("/healthz?x=1"), 200, "serving", foreign=False)
    t.add(rule, "in absolute form", t.plain(f"http://{t.authority}/healthz"), 200, "serving", foreign=False)
    t.add(rule, "an absolute form without a path", t.plain(f"http://{t.authority}"), 200, foreign=False)
    t.add(rule, "an unknown Upgrade is ignored", t.plain(Upgrade="foo", Connection="Upgrade"), 200, "serving", {"upgrade": None}, foreign=False)
    t.add(rule, "an offer of h2c is ignored", t.plain(Upgrade="h2c", Connection="Upgrade, HTTP2-Settings", HTTP2_Settings="AAMAAABkAAQAAP__"), 200, "serving", foreign=False)
    t.add(rule, "OPTIONS *", t.plain("*", method="OPTIONS"), 204, fields={"allow": "GET, HEAD", "content-length": None}, foreign=False)
    t.add("path", "a plain one that isn't there", t.plain("/nothing"), 404, "'/nothing'", after=STAYS, foreign=False)
    t.add("path", "one that isn't there, with HEAD", t.plain("/nothing", method="HEAD"), 404, after=STAYS, foreign=False)
    for method in ("POST", "PUT", "OPTIONS", "BREW", "get"):
        t.add("method", f"{method} of a plain resource", t.plain(method=method), 405, f"'{method}'", {"allow": "GET, HEAD"}, after=STAYS, foreign=False)


def pipelining(t):
    rule = "pipelining"
    one = t.plain()
    t.add(rule, "three at once", one * 3, [200] * 3, foreign=False)
    t.add(rule, "thirty at once", one * 30, [200] * 30, foreign=False)
    t.add(rule, "an unknown path among them", one + t.plain("/nothing") + one, [200, 404, 200], foreign=False)
    t.add(rule, "a HEAD among them", t.plain(method="HEAD") + one, [200, 200], "serving", foreign=False)
    t.add(rule, "bodies among them", (t.plain(Content_Length="3") + b"GET") * 3, [200] * 3, foreign=False)
    t.add(rule, "a body that looks like a request", t.plain(Content_Length=str(len(one))) + one + t.plain("/nothing"), [200, 404], after=STAYS, foreign=False)
    t.add(rule, "an upgrade as the last", one + one + t.ws(), [200, 200, 101], foreign=False)
    t.add(rule, "a refused upgrade ends them", one + t.ws(Sec_WebSocket_Version="8") + one, [200, 426], foreign=False)
    t.add(rule, "a broken head ends them", one + b"x\r\n\r\n" + one, [200, 400], foreign=False)
    t.add(rule, "empty lines between them", one + b"\r\n" + one, [200, 200], foreign=False)
    t.add(rule, "Connection: close ends them", t.plain(Connection="close") + one, 200, "serving", {"connection": "close"}, after=CLOSES, foreign=False)
    t.add(rule, "Connection: CLOSE in a list ends them", t.plain(Connection="x, CLOSE") + one, 200, after=CLOSES, foreign=False)
    t.add(rule, "HTTP/1.0 ends them", t.plain(version="HTTP/1.0") + one, 200, "serving", after=CLOSES, foreign=False)
    t.add(rule, "HTTP/1.0 with keep-alive", t.plain(version="HTTP/1.0", Connection="Keep-Alive") * 2, [200, 200], fields={"connection": "keep-alive"}, foreign=False)
    t.add(rule, "HTTP/1.1 needs not be told", one, 200, fields={"connection": None}, foreign=False)
    t.add(rule, "HTTP/1.0 needs no Host", t.plain(version="HTTP/1.0", Host=None), 200, "serving", after=CLOSES, foreign=False)


def closing(t):
    rule = "closing"
    one = t.plain()
    t.add(rule, "a plain resource asked for with Sec-WebSocket fields", t.ws(path="/healthz") + one, 200, "serving", {"connection": "close"}, after=CLOSES, foreign=False)
    t.add(rule, "one Sec-WebSocket field is enough", t.plain(Sec_WebSocket_Version="13") + one, 200, after=CLOSES, foreign=False)
    t.add(rule, "an unknown Sec-WebSocket field, in odd case", t.plain("/healthz", "sEC-wEBSOCKET-x: y") + one, 200, after=CLOSES, foreign=False)
    t.add("path", "not there, with one Sec-WebSocket field", t.plain("/nothing", "Sec-WebSocket-X: y") + one, 404, after=CLOSES, foreign=False)
    t.add("method", "PUT of a plain resource with one Sec-WebSocket field", t.plain("/healthz", "Sec-WebSocket-X: y", method="PUT") + one, 405, after=CLOSES, foreign=False)
    t.add("host-named", "with one Sec-WebSocket field", t.plain("/healthz", "Sec-WebSocket-X: y", Host="evil.example") + one, 421, after=CLOSES, foreign=False)
    t.add("connection-upgrade", "a WebSocket path without any such field", t.plain(t.path) + one, 426, after=CLOSES, foreign=False)
    t.add("host-named", "a WebSocket path without any such field", t.plain(t.path, Host="evil.example") + one, 421, after=CLOSES, foreign=False)
    t.add("connection-upgrade", "another protocol's path", t.plain("/stream") + one, 426, after=CLOSES, foreign=False)
    t.add("path", "a topic by a name that cannot be one", t.plain("/topic/a//b") + one, 400, after=CLOSES, foreign=False)
    t.add("method", "OPTIONS of a WebSocket path", t.plain(t.path, method="OPTIONS") + one, 405, fields={"allow": "GET"}, after=CLOSES, foreign=False)
    t.add(rule, "OPTIONS * with one Sec-WebSocket field", t.plain("*", "Sec-WebSocket-X: y", method="OPTIONS") + one, 204, after=CLOSES, foreign=False)
    t.add(rule, "a chunked body isn't read over", t.plain(Transfer_Encoding="chunked") + b"0\r\n\r\n" + one, 200, after=CLOSES, foreign=False)
    t.add("method", "a refused body isn't read as a request", t.plain(method="PUT", Content_Length=str(len(one))) + one, 405, after=CLOSES, foreign=False)
    t.add("path", "a refused body that is longer than announced", t.plain("/nothing", method="PUT", Content_Length="1") + one, 404, after=CLOSES, foreign=False)


def smuggling(t):
    """
    What stands behind a refused upgrade is never answered: a proxy that believed in the switch would hand it on as if it
    were inside the tunnel.
    """
    rule = "smuggling"
    inner = t.plain(t.path)
    for name, request, status in (
        ("behind a refused version", t.ws(Sec_WebSocket_Version="777"), 426),
        ("behind a missing key", t.ws(Sec_WebSocket_Key=None), 400),
        ("behind a missing Connection", t.ws(Connection=None), 426),
        ("behind another Upgrade", t.ws(Upgrade="h2c"), 426),
        ("behind a refused upgrade with a length", t.ws(Sec_WebSocket_Version="777", Content_Length="0"), 426),
        ("behind a POST", t.ws(method="POST", Content_Length="0"), 405),
        ("behind an unknown path", t.ws(path="/nothing-here"), 404),
        ("behind HTTP/1.0 with keep-alive", t.ws(version="HTTP/1.0", Connection="keep-alive, Upgrade"), 426),
    ):
        t.add(rule, name, request + inner, status, after=CLOSES, must=False)
        t.add(rule, name + ", twenty times", request + inner * 20, status, after=CLOSES, foreign=False)
    for name, field, before, after in (
        ("a coding with a space before its colon", "field-grammar", b"Transfer-Encoding : chunked", b""),
        ("a folded coding", "field-grammar", b"Transfer-Encoding:\r\n chunked", b""),
        ("a coding behind a vertical tab", "field-grammar", b"Transfer-Encoding: \x0bchunked", b""),
        ("a coding behind a bare LF", "field-grammar", b"X: y\nTransfer-Encoding: chunked", b""),
        ("a coding behind a bare CR", "field-grammar", b"X: y\rTransfer-Encoding: chunked", b""),
        ("a NUL behind a coding", "field-grammar", b"Transfer-Encoding: chunked\0", b""),
        ("a coding in quotes", "framing", b'Transfer-Encoding: "chunked"', b""),
        ("two codings of which the last is identity", "framing", b"Transfer-Encoding: chunked, identity", b""),
        ("two lengths in odd case", "framing", b"CONTENT-length: 0\r\ncontent-LENGTH: 50", b""),
        ("a length with an underscore beside a length", "upgrade-body", b"Content_Length: 0\r\nContent-Length: 3", b"abc"),
    ):
        t.add(rule, name, t.ws(before) + after + b"0\r\n\r\n" + inner, 400, f"({field}: ", after=CLOSES, foreign=False)
    t.add(rule, "a length and chunks", t.ws(Content_Length=str(len(inner)), Transfer_Encoding="chunked") + b"0\r\n\r\n" + inner, 400, after=CLOSES, must=False)
    t.add(rule, "a megabyte behind a refusal", t.ws(Sec_WebSocket_Key="x") + inner * (1000000 // len(inner)), 400, "24 characters", after=CLOSES, foreign=False, split=False)


def problem(t):
    json = {"content-type": "application/problem+json", "vary": "Accept"}
    text = {"content-type": "text/plain; charset=utf-8", "vary": "Accept"}
    rule = "key"
    wrong = {"Sec_WebSocket_Key": "x"}
    for value in ("application/problem+json", "text/html, application/problem+json", "Application/PROBLEM+json", "application/problem+json;q=0.9", "application/problem+json ; q=1, */*;q=0.1"):
        t.wrong(rule, f"problem details for Accept: {value}", t.ws(Accept=value, **wrong), 400, ('"type":"urn:wye:rule:key"', '"status":400', "RFC 6455 4.2.1"), json, foreign=False)
    for value in ("*/*", "text/html", "application/json", "application/problem+xml", "application/problem+json;q=0", "application/problem+json; q=0.000"):
        t.wrong(rule, f"plain text for Accept: {value}", t.ws(Accept=value, **wrong), 400, "24 characters", text, foreign=False)
    t.add("path", "problem details on a plain path", t.plain("/nothing", Accept="application/problem+json"), 404, '"title":', json, after=STAYS, foreign=False)
    t.wrong("key", "problem details name every rule", t.plain(t.path, Upgrade="websocket", Connection="Upgrade", Accept="application/problem+json"), 400, ('"id":"key"', '"id":"websocket-version"', "is missing"), json, foreign=False)
    t.add("method", "HEAD has no problem details, but their length", t.ws(method="HEAD", Accept="application/problem+json"), 405, (), json, foreign=False)
    problem = {"Accept": "application/problem+json"}
    t.add("host", "problem details without a Host", t.plain(Host=None, **problem), 400, '"id":"host"', json, foreign=False)
    t.add("framing", "problem details with two lengths", t.plain("/healthz", "Content-Length: 2", Content_Length="3", **problem), 400, '"id":"framing"', json, foreign=False)
    for name, request in (("Host is no host", t.plain(Host="a b", method="HEAD")), ("the framing is broken", t.plain(method="HEAD", Content_Length="x")),
                          ("a field is", t.plain("/healthz", "a b: c", method="HEAD")), ("the head is too large", t.plain("/healthz", "a: " + "x" * 20000, method="HEAD"))):
        t.add("plain", f"HEAD has no content when {name}", request, 431 if "large" in name else 400, foreign=False)
    t.wrong(rule, "what was seen is escaped in problem details", t.ws(Accept="application/problem+json", Sec_WebSocket_Key='"\\\xff</script>'), 400, "\\\\xFF", json, foreign=False)
