#!/usr/bin/python3
"""Upgrade: h2c. Peers that aren't ours: python's h2, curl, nghttp."""
import json
import re
import socket
import ssl
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True

import checks
from checks import SLOW, test
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (ConnectionTerminated, DataReceived, InformationalResponseReceived, ResponseReceived, SettingsAcknowledged,
                       StreamEnded, StreamReset)
from h2.settings import SettingCodes, Settings
from node import Node, until
from wire import BINARY, TEXT, Peer, frame, request

NO_WINDOW = {SettingCodes.INITIAL_WINDOW_SIZE: 0}
SETTINGS = "AAMAAABkAAQAAP__"  # of nghttp: 100 streams, a window of 65535


def h2c(path="/healthz", method="GET", settings=SETTINGS, **fields):
    """A request's head that asks to switch."""
    return request(path, method, **{"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2_Settings": settings, **fields})


class Stream:
    def __init__(self):
        self.fields, self.body, self.ended, self.reset, self.informed = {}, b"", False, None, []

    @property
    def status(self):
        return int(self.fields[":status"])


class Http2(Peer):
    """A client that switches, with its first request on stream 1."""

    def __init__(self, node, path="/healthz", settings=None, cut=None, **fields):
        super().__init__(node)
        self.h2 = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        if settings:
            self.h2.local_settings = Settings(client=True, initial_values=settings)
        self.streams, self.goaway, self.acknowledged = {1: Stream()}, None, False
        self.grants = not settings  # more of the window, for what was taken
        value = self.h2.initiate_upgrade_connection().decode()
        begin = h2c(path, settings=value, **fields) + self.h2.data_to_send()  # all at once: the preface is glued to the request
        if cut is None:
            self.send(begin)
        else:
            self.send_slowly(begin, cut)
        response = self.response()
        assert response.status == 101 and response.fields["upgrade"] == "h2c" and response.fields["connection"] == "Upgrade", response
        self.take(bytes(self.buffer))

    def ask(self, path, method="GET", body=None, end=True, **fields):
        """Sends a request; its stream's number. end: nothing follows what is given of its body."""
        number = self.h2.get_next_available_stream_id()
        head = [(":method", method), (":scheme", "http"), (":authority", "localhost"), (":path", path)]
        named = [(name.replace("_", "-").lower(), value) for name, value in fields.items()]
        self.h2.send_headers(number, head + named, end_stream=body is None and end)
        self.streams[number] = Stream()
        while body is not None:
            piece, body = body[:10000], body[10000:] or None
            self.h2.send_data(number, piece, end_stream=end and body is None)
        self.flush()
        return number

    def flush(self):
        self.send(self.h2.data_to_send())

    def take(self, data):
        self.buffer.clear()
        for event in self.h2.receive_data(data):
            stream = self.streams.get(getattr(event, "stream_id", None))
            if isinstance(event, InformationalResponseReceived):
                stream.informed.append(dict(event.headers))
            elif isinstance(event, ResponseReceived):
                assert len(dict(event.headers)) == len(event.headers), event.headers
                stream.fields = dict(event.headers)
            elif isinstance(event, DataReceived):
                stream.body += event.data
                if event.flow_controlled_length and self.grants:
                    self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, StreamEnded):
                stream.ended = True
            elif isinstance(event, StreamReset):
                stream.reset = event.error_code
            elif isinstance(event, ConnectionTerminated):
                self.goaway = event.error_code
            elif isinstance(event, SettingsAcknowledged):
                self.acknowledged = True
        waiting = self.h2.data_to_send()
        if waiting:
            self.send(waiting)

    def read_on(self):
        data = self.socket.recv(1 << 20)
        if not data:
            raise EOFError(f"the connection ended; GOAWAY: {self.goaway}")
        self.take(data)

    def answer(self, number=1):
        """The answer on a stream."""
        stream = self.streams[number]
        while not stream.ended and stream.reset is None:
            self.read_on()
        return stream

    def get(self, path, method="GET", body=None, **fields):
        return self.answer(self.ask(path, method, body, **fields))

    def leave(self):
        self.h2.close_connection()
        self.flush()
        self.expect_close(ErrorCodes.NO_ERROR)

    def expect_close(self, code):
        """GOAWAY with this code has come, or comes, and then the end."""
        try:
            while True:
                self.read_on()
        except EOFError:
            pass
        assert self.goaway in (code, None) if code == ErrorCodes.NO_ERROR else self.goaway == code, f"GOAWAY: {self.goaway!r}"


def curl(node, path, *options):
    return subprocess.run(["curl", "-sS", "--http2", "--max-time", str(10 * SLOW), *options, f"http://127.0.0.1:{node.port}{path}"],
                          check=True, capture_output=True).stdout.decode()


# ---- clients as they are ----

@test
def curl_gets_by_HTTP_2_what_it_gets_by_HTTP_1():
    with Node("--h2c") as node, Peer(node) as peer:
        for path in ("/", "/page.css", "/chat.js", "/node.js", "/healthz", "/nothing"):
            plain = peer.ask(path)
            seen = curl(node, path, "-i").split("\r\n\r\n", 2)
            assert seen[0].startswith("HTTP/1.1 101 "), seen[0]
            lines = seen[1].split("\r\n")
            assert lines[0] == f"HTTP/2 {plain.status} ", lines
            fields = dict(line.split(": ", 1) for line in lines[1:])
            assert fields.pop("date") and all(name == name.lower() for name in fields), fields
            plain.fields.pop("date")
            assert fields == plain.fields and seen[2] == plain.body, (path, fields, plain.fields)
        assert "wye_requests_total" in curl(node, "/metrics") and json.loads(curl(node, "/topics"))["topics"] == []
        assert curl(node, "/healthz", "-I").split("\r\n")[0].startswith("HTTP/1.1 200"), "only a GET switches"


@test
def curl_publishes_over_the_connection_that_it_switched():
    with Node("--h2c") as node, Peer(node) as reader:
        reader.open("/topic/a")
        seen = subprocess.run(["curl", "-sS", "--http2", f"http://127.0.0.1:{node.port}/healthz", "--next", "-sS", "--http2", "-d", "hello",
                               "-w", "%{http_version} %{num_connects}", f"http://127.0.0.1:{node.port}/topic/a"], check=True,
                              capture_output=True, text=True).stdout
        assert seen == 'serving\n{"receivers":1}\n2 0', seen
        reader.expect(TEXT, "hello")


@test
def nghttp_gets_many_at_once():
    with Node("--h2c") as node:
        paths = ["/", "/page.css", "/chat.js", "/node.js", "/metrics", "/healthz"] * 10
        done = subprocess.run(["nghttp", "-nvu", *[f"http://127.0.0.1:{node.port}{path}" for path in paths]], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        streams = set(re.findall(r"recv \(stream_id=(\d+)\) :status: 200", done.stdout))
        assert len(streams) == 6, streams  # it asks for each but once


@test
def without_h2c_it_is_ignored_and_with_TLS_too(node):
    with Peer(node) as peer:
        peer.send(h2c())
        assert peer.response().body == "serving\n"
        assert peer.ask("/healthz").status == 200
    with Node("--h2c", "--tls-listen", "127.0.0.1:0", "--dev-cert") as secure:
        context = ssl._create_unverified_context()
        port = int(secure.urls[1].rsplit(":", 1)[1].strip("/"))
        with context.wrap_socket(socket.create_connection(("127.0.0.1", port))) as client:
            client.sendall(h2c())
            assert client.recv(4096).startswith(b"HTTP/1.1 200 OK\r\n")


# ---- the switch ----

@test
def no_byte_is_lost_at_the_switch_however_it_is_cut():
    with Node("--h2c") as node:
        for cut in (None, 0, 0.001):
            with Http2(node, cut=cut) as client:
                assert client.answer().body == b"serving\n" and client.answer().status == 200
                assert client.get("/page.css").status == 200
                assert client.acknowledged
                client.leave()
        # Requests that are glued behind the preface, too, which the server has not even answered yet.
        with Peer(node) as peer:
            h2 = H2Connection(H2Configuration(client_side=True))
            head = h2c(settings=h2.initiate_upgrade_connection().decode())
            for number in range(3, 63, 2):
                h2.send_headers(number, [(":method", "GET"), (":scheme", "http"), (":authority", "localhost"), (":path", "/healthz")], end_stream=True)
            peer.send(head, h2.data_to_send())
            assert peer.response().status == 101
            ended = set()
            while len(ended) < 31:
                if not peer.buffer:
                    peer._take(peer.socket.recv(65536))
                ended |= {event.stream_id for event in h2.receive_data(peer._cut(len(peer.buffer))) if isinstance(event, StreamEnded)}


@test
def what_is_wrong_with_HTTP2_Settings_is_told():
    wrong = {
        "has none": h2c(HTTP2_Settings=None),
        "more than once": h2c().replace(b"HTTP2-Settings: ", b"HTTP2-Settings: AAMAAABk\r\nHTTP2-Settings: "),
        "'AAMAAABk='": h2c(settings="AAMAAABk="),
        "'AAMAAAB+'": h2c(settings="AAMAAAB+"),
        "base64url": h2c(settings="AAMAAAA"),  # five bytes
        "in its range": h2c(settings="AAQ_____" + "AAMAAABk" + "AAT_____"),  # a window of more than 2^31 - 1
        "'AAIAAAAC'": h2c(settings="AAIAAAAC"),  # ENABLE_PUSH 2
        "'AAUAAAAB'": h2c(settings="AAUAAAAB"),  # MAX_FRAME_SIZE 1
        "Connection doesn't list it": h2c(Connection="Upgrade"),
    }
    with Node("--h2c") as node:
        for words, head in wrong.items():
            with Peer(node) as peer:
                peer.send(head, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
                response = peer.response()
                assert response.status == 400 and "(http2-settings: RFC 7540 3.2.1)" in response.body and words in response.body, (words, response)
                peer.expect_end()
        for fine in ("", "AAMAAABk", "AAQAAAAA", "AAUA____", "EjQAAAAA"):  # empty; a window of 0; an entry that nobody knows
            with Peer(node) as peer:
                assert peer.send(h2c(settings=fine)).response().status == 101, fine
        assert len(re.findall(r'rule="http2-settings",status="400"} [1-9]', curl(node, "/metrics"))) > 0


@test
def only_a_GET_without_a_body_switches_and_paths_of_WebSockets_do_not():
    with Node("--h2c") as node, Peer(node) as peer:
        peer.send(h2c(method="HEAD"))
        assert peer.response(to_head=True).status == 200
        peer.send(h2c(Content_Length="2"), b"ab")
        assert peer.response().status == 200
        peer.send(h2c(Connection="HTTP2-Settings"))
        assert peer.response().status == 200
        peer.send(h2c("/echo"))
        response = peer.response()
        assert response.status == 426 and "'websocket'" in response.body, response
    with Node("--h2c") as node, Http2(node, "/nothing") as client:
        assert client.answer().status == 404 and b"There is nothing here" in client.answer().body
        assert client.get("/healthz").status == 200


# ---- requests ----

@test
def requests_go_by_the_rules_of_HTTP_1():
    with Node("--h2c", "--origin", "https://good.example") as node, Http2(node) as client:
        def told(status, rule, **how):
            seen = client.get(*how.pop("args"), **how)
            assert seen.status == status and rule.encode() in seen.body, (status, rule, seen.fields, seen.body)
            assert not {"connection", "upgrade", "keep-alive"} & set(seen.fields), seen.fields
            return seen
        told(404, "(path:", args=("/nothing",))
        told(405, "(method:", args=("/healthz", "PUT"))
        told(505, "(upgrade-version:", args=("/echo",))
        told(505, "on a connection of HTTP/1.1", args=("/topic/a",))
        told(400, "(query:", args=("/topics?limit=0",))
        told(431, "(head-size:", args=("/healthz",), x_long="a" * 16400)
        problem = client.get("/nothing", accept="application/problem+json")
        assert problem.fields["content-type"] == "application/problem+json" and json.loads(problem.body)["status"] == 404
        head = client.get("/page.css", "HEAD")
        assert head.status == 200 and head.body == b"" and int(head.fields["content-length"]) > 1000
        assert client.get("*", "OPTIONS").status == 204
        preflight = client.get("/topic/a", "OPTIONS", origin="https://good.example", access_control_request_method="POST")
        assert preflight.status == 204 and preflight.fields["access-control-allow-origin"] == "https://good.example"
        told(403, "(origin:", args=("/topic/a", "OPTIONS"), origin="https://bad.example")
        client.h2.send_headers(99, [(":method", "GET"), (":scheme", "http"), (":authority", "elsewhere.example"), (":path", "/healthz")], end_stream=True)
        client.streams[99] = Stream()
        client.flush()
        assert client.answer(99).status == 421 and b"elsewhere.example" in client.answer(99).body
        assert client.get("/healthz", host="localhost").status == 200
        assert client.get("/topic/a", "POST").body == b'{"receivers":0}\n'  # an empty body
        assert client.get("/healthz").body == b"serving\n"
        client.leave()


@test
def many_streams_are_answered_at_once_and_each_whole():
    with Node("--h2c") as node, Http2(node) as client:
        client.answer()
        paths = ["/", "/page.css", "/chat.js", "/node.js"]
        for _ in range(5):
            numbers = [client.ask(paths[i % 4]) for i in range(100)]
            bodies = [client.answer(number).body for number in numbers]
            assert all(body == bodies[i % 4] and len(body) > 1000 for i, body in enumerate(bodies))
        client.leave()


@test
def a_body_waits_for_the_window():
    with Node("--h2c") as node, Http2(node, "/page.css", settings=NO_WINDOW) as client:
        while not client.streams[1].fields:
            client.read_on()
        client.socket.settimeout(0.3)
        try:
            while True:
                client.read_on()
        except TimeoutError:
            pass
        assert client.streams[1].body == b"" and not client.streams[1].ended
        client.socket.settimeout(client.seconds)
        whole, stream = int(client.streams[1].fields["content-length"]), client.streams[1]
        while not stream.ended:
            before = len(stream.body)
            client.h2.increment_flow_control_window(min(1000, whole - before), 1)
            client.flush()
            while len(stream.body) == before and not stream.ended:
                client.read_on()
            assert len(stream.body) - before <= 1000
        assert len(stream.body) == whole


# ---- publishing ----

@test
def what_is_posted_is_published_with_and_without_a_length():
    with Node("--h2c", "--threads", "2") as node, Peer(node) as reader, Peer(node) as other, Http2(node) as client:
        reader.open("/topic/a")
        other.open("/topic/a")
        for body, kind in ((b"hello", TEXT), (b"", TEXT), (b"\xff\0", BINARY), (bytes(range(256)) * 100, BINARY)):
            for fields in ({}, {"content_length": str(len(body))}):
                seen = client.get("/topic/a", "POST", body, **fields)
                assert seen.status == 200 and seen.body == b'{"receivers":2}\n', (seen.fields, seen.body)
                for each in (reader, other):
                    got = each.message()
                    assert got == (kind, body), (got[0], len(got[1]), kind, len(body))
        # In pieces, two bodies in turns, and longer than the window.
        first = client.ask("/topic/a", "POST", end=False, content_type="text/plain")
        second = client.ask("/topic/a", "POST", end=False, content_length="300000")
        for i in range(30):
            client.h2.send_data(first, b"abc")
            while client.h2.local_flow_control_window(second) < 10000:
                client.read_on()
            client.h2.send_data(second, b"%04d" % i * 2500, end_stream=i == 29)
            client.flush()
        assert client.answer(second).body == b'{"receivers":2}\n'
        client.h2.end_stream(first)
        client.flush()
        assert client.answer(first).body == b'{"receivers":2}\n'
        assert reader.message() == (TEXT, b"".join(b"%04d" % i * 2500 for i in range(30)))
        assert reader.message() == (TEXT, b"abc" * 30)
        client.leave()


@test
def bodies_that_are_refused_are_told_why_and_the_connection_goes_on():
    with Node("--h2c", "--max-message", "100000") as node, Http2(node) as client:
        def refused(status, rule, body, **fields):
            number = client.ask("/topic/a", "POST", body, **fields)
            seen = client.answer(number)
            assert seen.status == status and rule.encode() in seen.body, (status, rule, seen.fields, seen.body)
        refused(413, "(body-size:", b"x", end=False, content_length="100001")
        refused(415, "(body-type:", b"x", content_type="multipart/form-data")
        refused(415, "(body-coding:", b"x", content_encoding="gzip")
        refused(400, "(body-text:", b"\xff", content_type="text/plain")
        seen = client.get("/topic/$wye/x", "POST", b"x")
        assert seen.status == 403, seen.fields
        assert client.get("/topic//", "POST", b"x").status == 400
        assert client.get("/healthz", "POST", b"x").status == 405
        # One that is too long before its end: the rest isn't wanted any more.
        number = client.ask("/topic/a", "POST", end=False)
        stream = client.streams[number]
        for _ in range(20):
            while client.h2.local_flow_control_window(number) < 10000 and not stream.ended and stream.reset is None:
                client.read_on()
            if stream.ended or stream.reset is not None:
                break
            client.h2.send_data(number, b"x" * 10000)
            client.flush()
        while stream.reset is None:
            client.read_on()
        assert stream.status == 413 and stream.ended and stream.reset == ErrorCodes.NO_ERROR, (stream.fields, stream.reset)
        assert client.get("/healthz").body == b"serving\n"
        client.leave()


@test
def who_waits_for_a_100_gets_one():
    with Node("--h2c") as node, Http2(node) as client:
        number = client.ask("/topic/a", "POST", end=False, expect="100-continue", content_length="2")
        stream = client.streams[number]
        while not stream.informed:
            client.read_on()
        assert stream.informed == [{":status": "100"}] and not stream.fields
        client.h2.send_data(number, b"ab", end_stream=True)
        client.flush()
        assert client.answer(number).body == b'{"receivers":0}\n'


@test
def streams_that_are_reset_leave_nothing_behind():
    with Node("--h2c", "--threads", "2") as node, Http2(node) as client:
        client.answer()
        for _ in range(20):
            number = client.ask("/topic/a", "POST", b"x" * 1000, end=False, content_length="2000")
            client.h2.reset_stream(number, ErrorCodes.CANCEL)
            whole = client.ask("/topic/a", "POST", b"y")
            client.h2.reset_stream(whole, ErrorCodes.CANCEL)  # perhaps while its receipt is under way
            client.flush()
        assert client.get("/healthz").body == b"serving\n"
        numbers = [client.ask("/topic/a", "POST", b"y") for _ in range(50)]
        client.reset()  # all of it, with answers owed
        assert numbers and curl(node, "/healthz") == "serving\n"
        assert until(lambda: node.metrics()["wye_connections"] <= 2, 5 * SLOW), node.metrics()["wye_connections"]


@test
def rates_and_tokens_hold_for_streams(node):
    with Node("--h2c", "--message-rate", "1:3", "--on-rate", "close") as limited, Http2(limited) as client:
        seen = [client.get("/topic/a", "POST", b"x").status for _ in range(5)]
        assert seen[:3] == [200] * 3 and 429 in seen[3:], seen
    with Node("--h2c", "--message-rate", "1:3", "--on-rate", "close") as limited, Http2(limited) as client:
        numbers = [client.ask("/topic/a", "POST", end=False) for _ in range(20)]  # each begins before one is whole
        for number in numbers:
            if not client.streams[number].fields:
                client.h2.end_stream(number)
        client.flush()
        seen = [client.answer(number).status for number in numbers]
        assert 3 <= seen.count(200) <= 5 and set(seen) == {200, 429}, seen
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"a secret that is long enough and never varies")
        file.flush()
        made = subprocess.run([checks.nodes.program(), "--token-key", file.name, "--make-token", "--subscribe", "#", "--publish", "a", "--subscribe", "$wye/#"],
                              check=True, capture_output=True, text=True).stdout.strip()
        with Node("--h2c", "--token-key", file.name) as node, Http2(node, "/metrics") as client:
            assert client.answer().status == 401, client.answer().fields
            assert client.get("/metrics", authorization=f"Bearer {made}").status == 200
            assert client.get("/topic/a", "POST", b"x").status == 401
            assert client.get("/topic/a", "POST", b"x", authorization=f"Bearer {made}").body == b'{"receivers":0}\n'
            assert client.get("/topic/b", "POST", b"x", authorization=f"Bearer {made}").status == 403


# ---- errors and ends ----

@test
def what_is_no_HTTP_2_ends_the_connection():
    broken = {
        "no preface": (b"GET / HTTP/1.1\r\n\r\n" * 3, None),
        "a frame that is too long": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0" + b"\xff\xff\xff\0\0\0\0\0\3", 6),
        "DATA on no stream": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0" + b"\0\0\1\0\0\0\0\0\0x", 1),
        "a header block that can't be decoded": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0" + b"\0\0\1\1\5\0\0\0\3\xff", 9),
    }
    with Node("--h2c") as node:
        for name, (data, code) in broken.items():
            with Peer(node) as peer:
                peer.send(h2c(), data)
                assert peer.response().status == 101
                frames, rest = [], peer.rest()
                while rest:
                    count = int.from_bytes(rest[:3], "big")
                    frames.append((rest[3], rest[9:9 + count]))
                    rest = rest[9 + count:]
                goaways = [int.from_bytes(payload[4:8], "big") for kind, payload in frames if kind == 7]
                assert len(goaways) == 1 and (code is None or goaways[0] == code), (name, frames)
        assert curl(node, "/healthz") == "serving\n"


@test
def fields_that_HTTP_2_forbids_reset_their_stream_alone():
    with Node("--h2c") as node, Http2(node) as client:
        client.h2.config.validate_outbound_headers = client.h2.config.normalize_outbound_headers = False
        for fields in ({"connection": "close"}, {"transfer_encoding": "chunked"}, {"te": "gzip"}, {"x": "a\r\nb: c"}, {"x": "a\nb"}, {"x": "a\0b"},
                       {"origin": "https://evil.example\1"}, {"authorization": "Bearer \x7f"}):
            seen = client.get("/healthz", **fields)
            assert seen.reset == ErrorCodes.PROTOCOL_ERROR, (fields, seen.fields)
        for path in ("/healthz HTTP/1.1\r\nx: y", "/a\rb", "/a\nb", "/a b", "relative"):
            assert client.get(path).reset == ErrorCodes.PROTOCOL_ERROR, path
        assert b"(host:" in client.get("/healthz", host="other.example").body  # that is two of them
        assert client.get("/healthz", "GET /nothing HTTP/1.1\r\n\r\n").reset == ErrorCodes.PROTOCOL_ERROR
        number = client.h2.get_next_available_stream_id()
        client.streams[number] = Stream()
        client.h2.send_headers(number, [(":method", "GET"), (":scheme", "http"), (":authority", "a\r\nx: y"), (":path", "/")], end_stream=True)
        client.flush()
        assert client.answer(number).reset == ErrorCodes.PROTOCOL_ERROR
        assert client.get("/healthz").status == 200


@test
def a_node_that_stops_says_goodbye_and_finishes_what_has_begun():
    node = Node("--h2c").start()
    with Http2(node) as idle, Http2(node, "/page.css", settings=NO_WINDOW) as busy:
        idle.answer()
        while not busy.streams[1].fields:
            busy.read_on()
        node.signal(15)
        idle.expect_close(ErrorCodes.NO_ERROR)
        assert idle.goaway == ErrorCodes.NO_ERROR
        while busy.goaway is None:
            busy.read_on()
        # A GOAWAY ends h2's own state: the window is opened by hand.
        busy.send(b"\0\0\4\x08\0\0\0\0\1" + (1 << 20).to_bytes(4, "big"))
        body = b""
        while not body.endswith(b"\0\0\0\0\1") and (more := busy.socket.recv(65536)):
            body += more
        assert len(body) > 5000, len(body)
    assert node.wait() == 0


@test
def a_flood_of_resets_ends_or_is_borne_and_nobody_else_notices():
    with Node("--h2c") as node, Http2(node) as client, Http2(node) as other:
        client.answer()
        try:
            for _ in range(100):
                for _ in range(50):
                    number = client.ask("/metrics")
                    client.h2.reset_stream(number, ErrorCodes.CANCEL)
                client.flush()
                client.socket.settimeout(0.01)
                try:
                    while True:
                        client.read_on()
                except TimeoutError:
                    client.socket.settimeout(client.seconds)
        except (EOFError, ConnectionError, Exception) as ended:
            assert client.goaway is not None or isinstance(ended, (EOFError, ConnectionError)), ended
        begun = time.monotonic()
        assert other.get("/healthz").body == b"serving\n" and time.monotonic() - begun < 2 * SLOW


if __name__ == "__main__":
    sys.exit(checks.main(__doc__))
