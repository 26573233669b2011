"""Servers that are wrong on purpose, in plain Python; and good ones. Run by probe.py."""
import base64
import hashlib
import os
import re
import shutil
import socket
import subprocess
import time

from checks import Skipped, test
from probe_proxies import expect, expect_fine
from probe_rig import SLOWER, Seen, folder, free_port, probe, program, running, serving

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
PEERS = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../bench/peers"))


def read_head(connection):
    head = b""
    while b"\r\n\r\n" not in head:
        more = connection.recv(65536)
        if not more:
            raise EOFError
        head += more
    return head


def key_of(head):
    return re.search(rb"(?i)sec-websocket-key: *(\S+)", head)[1]


def accept_of(key):
    return base64.b64encode(hashlib.sha1(key + GUID).digest())


def frame(opcode, payload=b"", first=0x80, mask=None):
    key = mask or b""
    data = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload)) if mask else payload
    return bytes([first | opcode, (0x80 if mask else 0) | len(payload)]) + key + data


def read_frame(connection):
    """(opcode, payload) of a client's frame; short ones only."""
    head = connection.recv(2)
    if len(head) < 2:
        raise EOFError
    key = connection.recv(4)
    count = head[1] & 127
    data = b""
    while len(data) < count:
        data += connection.recv(count - len(data))
    return head[0] & 15, bytes(byte ^ key[i % 4] for i, byte in enumerate(data))


def switch(connection, **changes):
    """Answers with a 101; a change of None leaves the field out, a list repeats it."""
    version = changes.pop("version", "HTTP/1.1")
    accept = accept_of(key_of(read_head(connection))).decode()
    fields = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": accept}
    fields.update({name.replace("_", "-"): value for name, value in changes.items()})
    lines = [f"{name}: {value}" for name, values in fields.items() if values is not None
             for value in (values if isinstance(values, list) else [values])]
    connection.sendall("\r\n".join([f"{version} 101 Switching Protocols", *lines, "", ""]).encode("latin-1"))


def well(connection):
    """Speaks as it should, up to the end."""
    while True:
        opcode, payload = read_frame(connection)
        if opcode == 9:
            connection.sendall(frame(10, payload))
        if opcode == 8:
            connection.sendall(frame(8, payload))
            return


def saying(answer):
    def behave(connection):
        read_head(connection)
        connection.sendall(answer)
    return behave


def switching(then=well, **changes):
    def behave(connection):
        switch(connection, **changes)
        then(connection)
    return behave


def on_ping(reply):
    def then(connection):
        opcode, payload = read_frame(connection)
        assert opcode == 9
        connection.sendall(reply(payload))
        time.sleep(0.2)
    return then


def on_close(act):
    def then(connection):
        while True:
            opcode, payload = read_frame(connection)
            if opcode == 9:
                connection.sendall(frame(10, payload))
            if opcode == 8:
                return act(connection)
    return then


def reset(connection):
    connection.setsockopt(1, 13, b"\1\0\0\0\0\0\0\0")  # SO_LINGER: the close sends a RST


def silent(connection):
    read_head(connection)
    connection.recv(1)


def html(title):
    body = b"<!DOCTYPE html><html><head><title>" + title + b"</title></head><body>x</body></html>"
    return b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def chunked(text):
    return b"HTTP/1.1 400 Bad Request\r\nTransfer-Encoding: chunked\r\n\r\n" + b"".join(b"1\r\n%c\r\n" % byte for byte in text) + b"0\r\n\r\n"


SETTINGS = b"\0\0\0\4\0\0\0\0\0"

# (what is wrong, the server, faults, what is said, the probe's options)
WRONG = [
    ("a wrong accept value", switching(Sec_WebSocket_Accept="s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), ["accept-wrong"], ["s3pPLMBiTxaQ9kYGzzhZRbK+xOo="], []),
    ("no accept value", switching(Sec_WebSocket_Accept=None), ["accept-missing"], [], []),
    ("two accept values", switching(Sec_WebSocket_Accept=["a", "b"]), ["accept-doubled"], [], []),
    ("a 101 without Upgrade", switching(Upgrade=None), ["switch-upgrade-missing"], [], []),
    ("a 101 to another protocol", switching(Upgrade="h2c"), ["switch-upgrade-other"], ["h2c"], []),
    ("a 101 without Connection", switching(Connection=None), ["switch-connection"], [], []),
    ("a 101 that says close", switching(Connection="close"), ["switch-connection"], ["close"], []),
    ("a 101 of HTTP/1.0", switching(version="HTTP/1.0"), ["switch-version"], [], []),
    ("an extension that wasn't offered", switching(Sec_WebSocket_Extensions="x-zip"), ["extension-unasked"], ["x-zip"], []),
    ("a parameter that may not be", switching(Sec_WebSocket_Extensions="permessage-deflate; level=9"), ["extension-parameters"], ["level=9"], []),
    ("an extension twice", switching(Sec_WebSocket_Extensions="permessage-deflate, permessage-deflate"), ["extension-parameters"], [], []),
    ("a subprotocol that wasn't offered", switching(Sec_WebSocket_Protocol="mqtt"), ["subprotocol-unasked"], ["mqtt"], []),
    ("another subprotocol than offered", switching(Sec_WebSocket_Protocol="chat"), ["subprotocol-unasked"], ["chat"], ["--subprotocol", "mqtt"]),
    ("two subprotocols", switching(Sec_WebSocket_Protocol=["mqtt", "mqtt"]), ["subprotocol-doubled"], [], ["--subprotocol", "mqtt"]),
    ("a page", saying(html(b"Welcome to the hotel")), ["page"], ["Welcome to the hotel"], []),
    ("an upgrade that is ignored", saying(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"), ["upgrade-ignored"], ["hi"], []),
    ("a captive portal that says so", saying(b"HTTP/1.1 511 Network Authentication Required\r\nContent-Length: 0\r\n\r\n"), ["page"], ["511"], []),
    ("another version", saying(b"HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 8, 7\r\nContent-Length: 0\r\n\r\n"), ["websocket-version"], ["8, 7"], []),
    ("another token", saying(b"HTTP/1.1 426 Upgrade Required\r\nUpgrade: TLS/1.2\r\nContent-Length: 0\r\n\r\n"), ["other-token"], ["TLS/1.2"], []),
    ("a lost field, in other words", saying(chunked(b"Bad Request: 'upgrade' token not found in 'Connection' header")), ["proxy-fields-lost"], ["token not found"], []),
    ("an old HTTP, in other words", saying(b"HTTP/1.1 505 HTTP Version Not Supported\r\nContent-Length: 0\r\n\r\n"), ["proxy-http10"], ["505"], []),
    ("a broken request", saying(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 3\r\n\r\nno\n"), ["bad-request"], ["no"], []),
    ("an error", saying(b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"), ["server-error"], ["500 Oops"], []),
    ("a time-out of a gateway", saying(b"HTTP/1.1 504 Gateway Time-out\r\nContent-Length: 0\r\n\r\n"), ["backend-slow"], ["504"], []),
    ("too many", saying(b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n"), ["overloaded"], ["Retry-After: 7"], []),
    ("another method", saying(b"HTTP/1.1 405 Method Not Allowed\r\nAllow: POST\r\nContent-Length: 0\r\n\r\n"), ["method"], ["Allow: POST"], []),
    ("another host", saying(b"HTTP/1.1 421 Misdirected Request\r\nContent-Length: 0\r\n\r\n"), ["host-named"], ["421"], []),
    ("a forward proxy", saying(b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=corp\r\nContent-Length: 0\r\n\r\n"),
     ["proxy-authentication"], ["realm=corp"], []),
    ("a masked frame", switching(on_ping(lambda payload: frame(10, payload, mask=b"abcd"))), ["frame-masked"], ["must not mask"], []),
    ("a reserved bit", switching(on_ping(lambda payload: frame(10, payload, first=0xA0))), ["frame-broken"], ["reserved bit"], []),
    ("an unknown opcode", switching(on_ping(lambda payload: frame(11, payload))), ["frame-broken"], ["opcode"], []),
    ("HTTP behind a 101", switching(on_ping(lambda payload: b"HTTP/1.1 400 Bad Request\r\n\r\n")), ["frame-broken"], [], []),
    ("an end right after the 101", switching(lambda connection: None), ["cut-early"], [], []),
    ("a reset after the 101", switching(reset), ["cut-early"], [], []),
    ("a close right after the 101", switching(on_ping(lambda payload: frame(8, b"\x03\xf0who are you?"))), ["closed-by-server"], ["1008", "who are you?"], []),
    ("a close without a code", switching(on_ping(lambda payload: frame(8))), ["closed-by-server"], ["no code"], []),
    ("a code that may not be", switching(on_ping(lambda payload: frame(8, b"\x03\xed"))), ["frame-broken"], ["may not be sent"], []),
    ("a ping without an answer", switching(lambda connection: connection.recv(99) and on_close(lambda _: connection.sendall(frame(8)))(connection)),
     ["ping-unanswered"], [], ["--timeout", "0.5"]),
    ("a close without an answer", switching(on_close(lambda connection: time.sleep(1.5))), ["close-unanswered"], [], ["--timeout", "0.5"]),
    ("an end instead of a close frame", switching(on_close(lambda connection: None)), ["close-cut"], ["ended"], []),
    ("a reset instead of a close frame", switching(on_close(reset)), ["close-cut"], ["reset"], []),
    ("a server that never answers", silent, ["answer-silent"], ["0.5 s"], ["--timeout", "0.5"]),
    ("half a head", saying(b"HTTP/1.1 101 Switching Pro"), ["answer-cut"], ["26 bytes"], []),
    ("an end", saying(b""), ["answer-cut"], ["0 bytes"], ["--timeout", "0.5"]),
    ("garbage", saying(bytes(range(128, 228))), ["answer-not-http"], ["\\x80"], []),
    ("SSH", saying(b"SSH-2.0-OpenSSH_9.2\r\n"), ["answer-not-http"], ["looks like SSH"], []),
    ("a mail server", lambda connection: connection.sendall(b"220 mail.example ESMTP\r\n") or connection.recv(9999), ["answer-not-http"], ["SMTP"], []),
    ("a bare LF", saying(b"HTTP/1.1 200 OK\nServer: x\n\n"), ["answer-broken"], [], []),
    ("a field without a colon", saying(b"HTTP/1.1 200 OK\r\nwhat is this\r\n\r\n"), ["answer-broken"], ["what is this"], []),
    ("a head without an end", saying(b"HTTP/1.1 200 OK\r\n" + b"X-Filler: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n" * 2000), ["answer-broken"], ["too large"], []),
    ("interim heads without an end", saying(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 4000), ["answer-broken"], ["too large"], []),
    ("an alert of TLS", saying(b"\x15\x03\x01\x00\x02\x02\x46"), ["plain-to-tls"], ["TLS alert"], []),
    ("HTTP/2", saying(SETTINGS), ["http2-plain"], ["SETTINGS"], []),
    ("a 101 to h2c that says nothing", lambda connection: read_head(connection) and connection.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"), ["settings-missing"], [], ["--protocol", "h2c"]),
]


@test(seconds=60)
def each_wrong_server_is_named():
    for what, behave, faults, says, options in WRONG:
        with serving(behave) as port:
            seen = probe(*options, f"ws://127.0.0.1:{port}/chat?a=b")
        try:
            expect(seen, *faults, says=says)
            assert seen.json["findings"][0]["mend"], seen
        except AssertionError as trouble:
            raise AssertionError(f"{what}: {trouble}") from None


@test
def notes_are_no_faults():
    def lingering(connection):
        connection.sendall(frame(8))
        time.sleep(3)
    with serving(switching(on_close(lingering))) as port:
        assert expect(probe("--timeout", "0.5", f"ws://127.0.0.1:{port}/"), status=0).findings == ["close-lingers"]
    with serving(switching()) as port:
        seen = expect(probe("--subprotocol", "mqtt", "--subprotocol", "chat", f"ws://127.0.0.1:{port}/"), status=0)
        assert seen.findings == ["subprotocol-none"] and "mqtt, chat" in seen.finding("subprotocol-none")["evidence"], seen


@test
def right_but_awkward_servers_pass():
    def hints(connection):
        connection.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")
        switch(connection)
        well(connection)

    def chatty(connection):
        """Messages, fragments, pings and compressed ones come glued to the 101 and before the pong."""
        key = accept_of(key_of(read_head(connection)))
        message = frame(1, b"hello") + frame(2, b"frag", first=0) + frame(9, b"are you there?") + frame(0, b"ment") + frame(1, b"\xf2\0", first=0xC0)
        connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: WebSocket\r\nCONNECTION: keep-alive, Upgrade\r\nSec-WebSocket-Accept: " + key +
                           b"\r\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=12\r\n\r\n" + message + b"\x82\x7f" +
                           (200_000).to_bytes(8, "big") + b"x" * 200_000)
        pongs = 0
        while True:
            opcode, payload = read_frame(connection)
            pongs += opcode == 10 and payload == b"are you there?"
            if opcode == 9:
                assert pongs <= 1
                connection.sendall(frame(10, b"not yours") + frame(10, payload))
            if opcode == 8:
                assert pongs == 1
                for byte in frame(8, payload + b"bye"):
                    connection.sendall(bytes([byte]))
                return

    def slowly(connection):
        key = accept_of(key_of(read_head(connection))).decode()
        for byte in f"HTTP/1.1 101 \r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {key}\r\n\r\n".encode():
            connection.sendall(bytes([byte]))
        well(connection)

    for behave in (hints, chatty, slowly):
        with serving(behave) as port:
            expect_fine(probe(f"ws://127.0.0.1:{port}/"))


@test
def an_upgrade_to_h2c_is_followed_by_its_SETTINGS():
    answered = []

    def behave(connection):
        head = read_head(connection)
        assert b"Connection: Upgrade, HTTP2-Settings\r\n" in head and b"HTTP2-Settings: AAIAAAAA\r\n" in head, head
        connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n" + SETTINGS)
        received = b""
        while more := connection.recv(4096):
            received += more
        answered.append(received)
    with serving(behave) as port:
        seen = expect(probe("--protocol", "h2c", f"http://127.0.0.1:{port}/"), status=0)
    assert seen.marks()["settings"] == "ok" and "ping" not in seen.marks(), seen
    end = time.monotonic() + 2
    while not answered and time.monotonic() < end:
        time.sleep(0.01)
    assert answered == [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + SETTINGS + b"\0\0\0\4\1\0\0\0\0" + b"\0\0\x08\x07\0\0\0\0\0" + bytes(8)], answered


@test
def an_origin_that_is_refused_is_proved_by_a_request_without_it():
    requests = []

    def behave(connection):
        head = read_head(connection)
        requests.append(head)
        if b"\r\nOrigin: " in head:
            connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
            return
        connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: " + accept_of(key_of(head)) + b"\r\n\r\n")
    with serving(behave) as port:
        expect(probe("--origin", "https://example.com", f"ws://127.0.0.1:{port}/"), "origin", says=["without Origin, on a second connection, was let in"], mends=["ProxyPreserveHost"])
    assert len(requests) == 2, requests
    with serving(saying(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")) as port:
        expect(probe("--origin", "https://example.com", f"ws://127.0.0.1:{port}/"), "forbidden")


@test
def nothing_from_the_other_side_reaches_the_terminal_unescaped():
    evil = b"\x1b]0;owned\x07\x1b[2J\xc2\x9b31m\x85\x00"
    hostile = [
        saying(b"HTTP/1.1 400 Bad" + evil.replace(b"\x1b", b"").replace(b"\x07", b"").replace(b"\0", b"") + b"\r\nServer: \xc2\x9b2J\r\nContent-Length: 99\r\n\r\n" + evil * 4),
        saying(html(evil)),
        saying(evil),
        saying(b"HTTP/1.1 302 x\r\nLocation: https://\x9b\xff\r\nContent-Length: 0\r\n\r\n"),
        switching(on_ping(lambda payload: frame(8, b"\x03\xf0" + evil))),
        switching(Sec_WebSocket_Protocol="\x9b31m"),
        saying(b"HTTP/1.1 200 OK\r\n\r\nwye-probe mirror: this is what arrived\nHost: " + evil + b"\n" * 500),
    ]
    for number, behave in enumerate(hostile):
        with serving(behave) as port:
            done = subprocess.run([program(), "--timeout", "2", f"ws://127.0.0.1:{port}/"], capture_output=True, timeout=30)
            assert done.returncode == 1 and not re.search(rb"[^\x20-\x7e\n]", done.stdout), (number, done.stdout)
            assert done.stdout.count(b"\n") < 250 and len(done.stdout) < 20_000, (number, done.stdout)
        with serving(behave) as port:
            seen = probe("--timeout", "2", f"ws://127.0.0.1:{port}/")
            assert not re.search(r"[^\x20-\x7e\n]", seen.output), (number, seen.output)


@test
def what_never_ends_is_not_waited_for():
    def endless(connection):
        read_head(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
        while True:
            connection.sendall(b"a" * 65536)

    def dripping(connection):
        read_head(connection)
        for _ in range(200):
            connection.sendall(b"H"[:1] if not _ else b"T")
            time.sleep(0.05)

    with serving(endless) as port:
        seen = expect(probe(f"ws://127.0.0.1:{port}/"), "upgrade-ignored")
        assert seen.seconds < 3 * SLOWER and seen.json["answer"]["body_cut"], seen.seconds
    with serving(dripping) as port:
        assert probe("--timeout", "1", f"ws://127.0.0.1:{port}/").seconds < 3 * SLOWER


# ---- good servers ----

@test(seconds=30)
def good_servers_pass_every_check(node):
    expect_fine(probe(f"ws://127.0.0.1:{node.port}/echo"))
    expect_fine(probe(f"ws://localhost:{node.port}/chat"))
    for what in ([["/usr/bin/python3", f"{PEERS}/python_websockets.py", None, "deflate"]], [["/usr/bin/python3", f"{PEERS}/python_websockets.py", None]]):
        port = free_port()
        with running([word or str(port) for word in what[0]], [port]):
            expect_fine(probe(f"ws://127.0.0.1:{port}/echo"))
    runtime = shutil.which("node") or shutil.which("nodejs")
    if not runtime:
        raise Skipped("node isn't installed")
    for how in ([], ["deflate"]):
        port = free_port()
        with running(["env", "NODE_PATH=/usr/share/nodejs:/usr/lib/nodejs", runtime, f"{PEERS}/ws.js", str(port), *how], [port]):
            expect_fine(probe(f"ws://127.0.0.1:{port}/echo"))
            expect(probe(f"ws://127.0.0.1:{port}/elsewhere"), "bad-request")


@test(seconds=30)
def libwebsockets_passes_every_check():
    if not os.path.exists("/usr/include/libwebsockets.h") or not shutil.which("cc"):
        raise Skipped("libwebsockets-dev or a compiler isn't installed")
    with folder() as path:
        subprocess.run(["cc", "-O1", f"{PEERS}/libwebsockets.c", "-o", f"{path}/libwebsockets", "-lwebsockets"], check=True, capture_output=True, timeout=60)
        port = free_port()
        with running([f"{path}/libwebsockets", str(port)], [port]):
            expect_fine(probe(f"ws://127.0.0.1:{port}/echo"))


@test
def other_protocols_of_a_node_can_be_asked_for(node):
    url = f"ws://127.0.0.1:{node.port}"
    seen = expect(probe("--protocol", "wye-echo", f"{url}/stream"), status=0)
    assert seen.marks() == dict.fromkeys(["name", "tcp", "sent", "status", "upgrade", "connection"], "ok"), seen
    expect(probe(f"{url}/stream"), "other-token", says=["Upgrade must list 'wye-echo'"], mends=["--protocol TOKEN"])
    expect(probe("--protocol", "nonsense", f"{url}/stream"), "other-token")
    expect(probe("--origin", "https://elsewhere.example", f"{url}/echo"), "origin", says=["Pages from 'https://elsewhere.example' may not connect here"])
    expect(probe(f"{url}/nothing"), "path", says=["There is nothing here by the path of '/nothing'"])
    expect(probe("--hold", "0.5", f"{url}/topic/a"), status=0)


# ---- the program ----

@test
def the_token_in_a_url_is_not_shown(node):
    secret = "c2VjcmV0"
    for url in (f"ws://127.0.0.1:{node.port}/echo?token={secret}", f"ws://127.0.0.1:{node.port}/nothing?a=b&token={secret}", f"ws://127.0.0.1:1/?token={secret}"):
        for text in (False, True):
            seen = probe(url, text=text)
            shown = seen.output if text else seen.json["url"]  # "request" is what was sent, to the last byte
            assert secret not in shown and "token=***" in shown, seen
    done = subprocess.run([program(), f"ws://x:0/?token={secret}"], capture_output=True, text=True, timeout=20)
    assert done.returncode == 64 and "token=***" in done.stderr and secret not in done.stderr, done


@test
def what_cannot_be_reached_is_no_connection():
    expect(probe(f"ws://127.0.0.1:{free_port()}/"), "tcp-refused", status=2)
    seen = probe("--timeout", "3", "ws://no-such-name.invalid/")  # without a network it is only unresolved
    assert seen.status == 2 and seen.faults in (["name-unknown"], ["name-unresolved"]), seen
    with serving(lambda connection: connection.recv(99999) and connection.recv(1)) as port:
        seen = probe("--timeout", "0.5", f"wss://127.0.0.1:{port}/")
        if seen.faults != ["tls-left-out"]:
            expect(seen, "tls-silent", status=2)


def with_files(files, *args):
    """Runs the probe where /etc/NAME says something else: in a mount namespace, which takes root."""
    with folder() as path:
        mounts = ""
        for name, text in files.items():
            with open(f"{path}/{name}", "w") as file:
                file.write(text)
            mounts += f"mount --bind {path}/{name} /etc/{name} && "
        command = ["unshare", "--mount", "sh", "-c", mounts + 'exec "$@"', "sh"]
        if subprocess.run([*command, "true"], capture_output=True, timeout=20).returncode != 0:
            raise Skipped("no mount namespaces here")
        done = subprocess.run([*command, program(), "--json", *args], capture_output=True, text=True, timeout=30 * SLOWER)
        return Seen(["--json", *args], done.returncode, done.stdout, done.stderr, 0)


@test
def names_are_resolved_in_time_and_all_their_addresses_tried():
    # 127.0.0.1 comes first, whatever the order of the lines (RFC 6724).
    with serving(switching(), "127.0.0.2") as port:
        seen = expect(with_files({"hosts": "127.0.0.2 two.test\n127.0.0.1 two.test\n"}, f"ws://two.test:{port}/"), status=0)
        assert seen.findings == ["address-passed-by"] and seen.marks()["tcp"] == "note", seen
        assert f"127.0.0.1:{port}: Connection refused" in seen.finding("address-passed-by")["evidence"], seen
    try:
        silent_resolver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        silent_resolver.bind(("127.9.9.9", 53))
    except OSError as trouble:
        raise Skipped(f"no port 53 to be silent at: {trouble}") from None
    with silent_resolver:
        files = {"resolv.conf": "nameserver 127.9.9.9\n", "nsswitch.conf": "hosts: files dns\n"}
        begun = time.monotonic()
        seen = expect(with_files(files, "--timeout", "0.5", "ws://silent.test/"), "name-unresolved", status=2, says=["no answer within 0.5 s"])
        assert time.monotonic() - begun < 3 * SLOWER, seen


@test
def options_that_make_no_sense_end_with_64():
    for args in ([], ["ftp://x/"], ["ws://"], ["ws://x:0/"], ["ws://x:70000/"], ["ws://a@b/"], ["ws://x/ y"], ["ws://x/\x7f"], ["--nonsense"], ["ws://a/", "ws://b/"],
                 ["--timeout", "0", "ws://x/"], ["--timeout", "abc", "ws://x/"], ["--hold", "-1", "ws://x/"], ["--header", "no colon", "ws://x/"],
                 ["--header", "Upgrade: x", "ws://x/"], ["--header", "A: b\r\nC: d", "ws://x/"], ["--subprotocol", "a b", "ws://x/"],
                 ["--protocol", "", "ws://x/"], ["--protocol", "h2c", "--subprotocol", "a", "ws://x/"], ["--ca", "/nonexistent", "ws://x/"],
                 ["--serve", "nowhere"], ["--serve", "127.0.0.1:0", "ws://x/"], ["--origin", "", "ws://x/"], ["ws://[::1/"]):
        done = subprocess.run([program(), *args], capture_output=True, text=True, timeout=20)
        assert done.returncode == 64 and done.stderr.startswith("wye-probe: ") or args == ["--nonsense"], (args, done)
        assert done.stdout == "", (args, done)


@test
def its_words_about_itself():
    done = subprocess.run([program(), "--help"], capture_output=True, text=True, timeout=20)
    assert done.returncode == 0 and done.stdout.startswith("usage: wye-probe ") and all(len(line) <= 120 for line in done.stdout.splitlines()), done
    assert subprocess.run([program(), "--version"], capture_output=True, text=True, timeout=20).stdout.startswith("wye-probe ")
    rules = subprocess.run([program(), "--rules"], capture_output=True, text=True, timeout=20).stdout
    table = subprocess.run([os.environ["WYE"], "--rules"], capture_output=True, text=True, timeout=20).stdout
    assert table in rules, "the node's table isn't in it"
    for words in ("### `proxy-fields-lost`", "proxy_set_header Upgrade $http_upgrade;", "timeout tunnel 1h", "### `certificate-expired`", "ProxyPreserveHost On"):
        assert words in rules, words


@test
def the_mirror_answers_whatever_comes():
    port = free_port()
    with running([program(), "--serve", f"127.0.0.1:{port}"], [port]) as mirror:
        def ask(data, end=False):
            with socket.create_connection(("127.0.0.1", port), 10) as connection:
                connection.sendall(data)
                if end:
                    connection.shutdown(socket.SHUT_WR)
                answer = b""
                while more := connection.recv(65536):
                    answer += more
                return answer
        answer = ask(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n") and b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n" in answer, answer
        head, _, body = answer.partition(b"\r\n\r\n")
        assert int(re.search(rb"Content-Length: (\d+)", head)[1]) == len(body) and b"(method: " in body and b"abc" not in body, answer
        assert ask(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n").endswith(b"\r\n\r\n")
        assert b"nonsense" in ask(b"nonsense\r\n\r\n") and b"(request-line: " in ask(b"nonsense\r\n\r\n")
        assert b"The head isn't whole" in ask(b"GET / HTTP/1.1\r\nHost: a\r\n", end=True)
        assert b"(head-size: " in ask(b"GET / HTTP/1.1\r\n" + b"A: " + b"b" * 17000 + b"\r\n\r\n" + b"x" * 5000)
        # More guests than there are places: those that say nothing hold nobody up for good.
        idle = [socket.create_connection(("127.0.0.1", port), 10) for _ in range(60)]
        assert b"GET /y HTTP/1.1" in ask(b"GET /y HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: my-own\r\n\r\n")
        assert b"As an upgrade to my-own this is right." in ask(b"GET /y HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: my-own\r\n\r\n")
        for each in idle:
            each.close()
        mirror.terminate()
        assert mirror.wait(5) == 0
