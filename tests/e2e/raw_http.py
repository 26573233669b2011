"""Requests and responses: resources, refusals and what they say, the life of an HTTP connection. Run by raw.py."""
import json
import re
import select
import socket
import subprocess
import threading
import time

from checks import SLOW, test
from node import Node, until
from wire import KEY, TEXT, Peer, frame, request, stream_upgrade, upgrade

SMUGGLED = request("/healthz")


# ---- resources ----

@test
def plain_resources_are_kept_alive(node):
    with Peer(node) as peer:
        for path in ("/healthz", "/", "/page.css", "/chat.js", "/node.js", "/topics", "/metrics", "/healthz") * 3:
            response = peer.ask(path)
            assert response.status == 200 and "connection" not in response.fields, response.head
            assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", response.fields["date"]), response.head


@test
def a_target_may_be_a_whole_URL(node):
    with Peer(node) as peer:
        peer.send(request(f"http://127.0.0.1:{node.port}/healthz?x", host=f"127.0.0.1:{node.port}"))
        assert peer.response().body == "serving\n"
        peer.send(upgrade("ws://localhost/echo"))
        peer.expect_switch()
        peer.echo()


@test
def pipelined_requests_are_answered_in_order(node):
    with Peer(node) as peer:
        peer.send(*[request(path) for path in ("/healthz", "/page.css", "/nothing", "/topics", "/healthz")] * 20)
        for _ in range(20):
            answers = [peer.response() for _ in range(5)]
            assert [each.status for each in answers] == [200, 200, 404, 200, 200]
            assert answers[0].body == "serving\n" and "{" in answers[1].body and json.loads(answers[3].body)["topics"] is not None


@test
def a_websocket_may_follow_plain_requests_on_one_connection(node):
    with Peer(node) as peer:
        peer.send(request("/healthz"), request("/topics"), upgrade(), frame(TEXT, "third"))
        assert peer.response().status == 200
        assert peer.response().status == 200
        peer.expect_switch()
        peer.expect(TEXT, "third")
        peer.leave()


@test
def requests_sent_byte_by_byte_are_answered(node):
    with Peer(node) as peer:
        peer.send_slowly(request("/healthz") + request("/nothing"))
        assert peer.response().status == 200
        assert peer.response().status == 404


@test
def HEAD_answers_like_GET_without_a_body(node):
    with Peer(node) as peer:
        for path in ("/", "/page.css", "/chat.js", "/healthz", "/topics", "/nothing"):
            got, head = peer.ask(path), peer.ask(path, "HEAD")
            changing = ("date",)
            assert head.status == got.status, path
            assert {k: v for k, v in head.fields.items() if k not in changing} == {k: v for k, v in got.fields.items() if k not in changing}
        assert peer.ask("/metrics", "HEAD").status == 200
        assert peer.ask("/healthz").body == "serving\n"


@test
def an_unknown_Upgrade_on_a_plain_resource_is_ignored(node):
    with Peer(node) as peer:
        for token in ("h2c", "TLS/1.0", "wye-echo, foo/2"):
            response = peer.ask("/healthz", Upgrade=token, Connection="Upgrade")
            assert response.status == 200 and "upgrade" not in response.fields, response.head


@test
def a_body_is_skipped_and_never_read_as_a_request(node):
    with Peer(node) as peer:
        peer.send(request("/healthz", Content_Length=str(len(SMUGGLED))), SMUGGLED, request("/topics"))
        assert peer.response().body == "serving\n"
        assert "topics" in peer.response().body
        peer.expect_silence(0.1)
        peer.send(request("/healthz", Content_Length="300000"))
        assert peer.response().body == "serving\n"
        for _ in range(300):
            peer.send(b"GET / HTTP/1.1\r\n" * 62 + b"12345678")
        assert peer.ask("/healthz").status == 200


@test
def a_chunked_body_ends_the_connection_after_the_answer(node):
    with Peer(node) as peer:
        peer.send(request("/healthz", Transfer_Encoding="chunked"), b"5\r\nhello\r\n0\r\n\r\n", SMUGGLED)
        response = peer.response()
        assert response.status == 200 and response.fields["connection"] == "close"
        peer.expect_end()


@test
def the_connection_ends_when_the_client_says_so(node):
    for how in (dict(Connection="close"), dict(version="HTTP/1.0"), dict(Connection="foo, Close")):
        with Peer(node) as peer:
            peer.send(request("/healthz", **how), SMUGGLED)
            response = peer.response()
            assert response.status == 200 and response.fields["connection"] == "close", response.head
            peer.expect_end()


@test
def HTTP_1_0_is_kept_alive_when_it_asks_for_it_or_ended(node):
    with Peer(node) as peer:
        peer.send(request("/healthz", version="HTTP/1.0", Connection="keep-alive"))
        assert peer.response().status == 200
        peer.send(request("/healthz", version="HTTP/1.0"))
        rest = peer.rest()
        assert rest.endswith(b"serving\n"), rest


@test
def a_client_that_stops_sending_gets_its_answers_first(node):
    with Peer(node) as peer:
        peer.send(*[request("/chat.js")] * 50)
        peer.socket.shutdown(socket.SHUT_WR)
        for _ in range(50):
            assert peer.response().status == 200
        peer.expect_end()


@test
def hundred_pipelined_pages_arrive_at_a_client_that_reads_late(node):
    with Peer(node) as peer:
        peer.send(*[request("/metrics")] * 100)
        time.sleep(0.3)
        for _ in range(100):
            assert peer.response().status == 200


# ---- what is not there ----

@test
def unknown_paths_get_a_404_that_says_what_there_is(node):
    with Peer(node) as peer:
        for path in ("/nothing", "/echo/", "/Echo", "/topic", "/topic/", "//", "/healthz/x"):
            response = peer.ask(path)
            assert response.status == 404 and "/healthz" in response.body and "(path: RFC 9110 15.5.5)" in response.body, response
        assert peer.ask("/healthz?with=query").status == 200


@test
def other_methods_get_a_405_that_says_which_are_allowed(node):
    with Peer(node) as peer:
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "BREW"):
            response = peer.ask("/healthz", method)
            assert response.status == 405 and response.fields["allow"] == "GET, HEAD", response.head
            assert f"this request says '{method}'" in response.body, response.body


# ---- refused upgrades ----

def refused(node, bytes_, status, *words, fields=None):
    """Asserts a refusal: its status, its words, Connection: close, and that what is glued behind is never answered."""
    with Peer(node) as peer:
        peer.send(bytes_, SMUGGLED, frame(TEXT, "nor this"))
        response = peer.response(to_head=bytes_.startswith(b"HEAD "))
        assert response.status == status, f"expected {status}, got {response.head}{response.body}"
        assert "close" in re.split(r",\s*", response.fields["connection"].lower()), response.head
        for each in words if not bytes_.startswith(b"HEAD ") else ():
            assert each in response.body, f"{each!r} is not in {response.body!r}"
        for name, value in (fields or {}).items():
            assert response.fields.get(name) == value, f"{name}: {value!r} expected in {response.head}"
        peer.expect_end()
        return response


FIELDS_426 = {"upgrade": "websocket", "connection": "upgrade, close"}


@test
def an_upgrade_without_its_fields_is_refused_with_all_the_reasons(node):
    response = refused(node, request("/echo"), 426, "(connection-upgrade: RFC 9110 7.8)", "no Upgrade field", "Sec-WebSocket-Key is missing",
                       "Sec-WebSocket-Version is missing", "proxy_set_header", fields=FIELDS_426)
    assert response.body.startswith("426 Upgrade Required\n")


PLAIN = "This path is for WebSocket clients"


@test
def a_plain_GET_of_a_WebSocket_path_is_told_so_before_anything_else(node):
    """As curl or the address line of a browser ask; a proxy takes away only two of the fields."""
    done = subprocess.run(["curl", "-sS", "--max-time", "10", f"http://127.0.0.1:{node.port}/echo"], capture_output=True, text=True)
    first = done.stdout.split("\n\n")[1]
    assert PLAIN in first and first.index("curl") < first.index("nginx") and "wscat -c ws://" in first, done
    refused(node, request("/topic/x"), 426, "is published to by POST", fields=FIELDS_426)
    bare = refused(node, upgrade(Connection=None, Upgrade=None), 426, "proxy in between removed it", fields=FIELDS_426)
    assert PLAIN not in bare.body, bare.body


@test
def an_upgrade_whose_Connection_a_proxy_took_is_refused_with_426(node):
    refused(node, upgrade(Connection="keep-alive"), 426, "Connection must list 'upgrade'; this request says 'keep-alive'", fields=FIELDS_426)
    refused(node, upgrade(Connection=None), 426, "this request has no Connection field", fields=FIELDS_426)
    refused(node, upgrade(Connection="close"), 426, "says 'close'")


@test
def an_upgrade_to_something_else_is_refused_with_426(node):
    refused(node, upgrade(Upgrade="h2c"), 426, "Upgrade must list 'websocket'", "says 'h2c'", fields=FIELDS_426)
    refused(node, upgrade(Upgrade=None), 426, "this request has no Upgrade field")
    refused(node, upgrade("/stream"), 426, "Upgrade must list 'wye-echo'", fields={"upgrade": "wye-echo"})
    refused(node, stream_upgrade(Connection="keep-alive"), 426, "Connection must list 'upgrade'")


@test
def an_upgrade_over_HTTP_1_0_is_refused_with_426(node):
    refused(node, upgrade(version="HTTP/1.0"), 426, "An upgrade needs HTTP/1.1", "proxy_http_version 1.1")


@test
def a_wrong_key_is_refused_with_400(node):
    for key in ("", "short", KEY + "A", "!" + KEY[1:], KEY[:-2] + "A=", KEY[:-3] + "R==", KEY.replace("=", "A")):
        refused(node, upgrade(Sec_WebSocket_Key=key), 400, "Sec-WebSocket-Key must be 16 bytes in base64", "(key: RFC 6455 4.2.1)")
    refused(node, upgrade(Sec_WebSocket_Key=None), 400, "Sec-WebSocket-Key is missing")
    refused(node, upgrade(sec_websocket_KEY=KEY), 400, "more than once")


@test
def a_wrong_version_is_refused_with_426_and_the_right_one(node):
    for version in ("12", "8", "013", "13, 13", "", None):
        refused(node, upgrade(Sec_WebSocket_Version=version), 426, "13", fields={**FIELDS_426, "sec-websocket-version": "13"})


@test
def an_upgrade_by_another_method_or_with_a_body_is_refused(node):
    refused(node, upgrade(method="PUT"), 405, "this request says 'PUT'", fields={"allow": "GET"})
    refused(node, upgrade(method="HEAD"), 405)
    refused(node, upgrade(Content_Length="5"), 400, "no body")
    refused(node, upgrade(Transfer_Encoding="chunked"), 400, "no body")


@test
def an_upgrade_on_a_path_without_one_is_refused_or_ignored(node):
    refused(node, upgrade("/nothing"), 404, "There is nothing here")
    with Peer(node) as peer:
        peer.send(upgrade("/healthz"))
        assert peer.response().status == 200


@test
def wrong_subprotocols_and_extensions_are_refused_with_400_and_right_ones_are_not(node):
    refused(node, upgrade(Sec_WebSocket_Protocol="a, a"), 400, "Sec-WebSocket-Protocol")
    refused(node, upgrade(Sec_WebSocket_Protocol="a b"), 400, "Sec-WebSocket-Protocol")
    refused(node, upgrade(Sec_WebSocket_Extensions="foo; =bar"), 400, "Sec-WebSocket-Extensions")
    with Peer(node) as peer:
        peer.send(upgrade(Sec_WebSocket_Protocol="chat, superchat", Sec_WebSocket_Extensions="x-unknown; a=1"))
        response = peer.response()
        assert response.status == 101 and "sec-websocket-extensions" not in response.fields, response.head


@test
def refusals_speak_problem_json_to_those_who_accept_it(node):
    with Peer(node) as peer:
        peer.send(upgrade(Connection="keep-alive", Accept="application/problem+json"))
        response = peer.response()
        problem = json.loads(response.body)
        assert response.fields["content-type"] == "application/problem+json" and problem["status"] == 426
        assert problem["type"] == "urn:wye:rule:connection-upgrade" and problem["rules"][0]["source"] == "RFC 9110 7.8"


@test
def refusals_are_counted_by_rule(node):
    def count():
        return sum(value for name, value in node.samples() if name.startswith("wye_refusals_by_rule_total{") and 'rule="websocket-version"' in name)
    before = count()
    refused(node, upgrade(Sec_WebSocket_Version="7"), 426)
    assert until(lambda: count() == before + 1), (before, count())


@test
def the_names_of_fields_and_tokens_are_matched_in_any_case(node):
    with Peer(node) as peer:
        peer.send(f"GET /echo HTTP/1.1\r\nhOST: localhost\r\nUPGRADE: foo/1, WebSocket\r\ncoNNection: keep-alive ,  UPGRADE\r\nsec-websocket-key:{KEY}\r\n"
                  "SEC-WEBSOCKET-VERSION:  13 \r\n\r\n".encode())
        peer.expect_switch()
        peer.echo()


# ---- broken requests ----

@test
def what_is_not_HTTP_is_refused_with_400_and_a_reason(node):
    refused(node, b"hello\r\n\r\n", 400, "(request-line: ")
    refused(node, b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400, "request-line")
    refused(node, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, "TLS")
    refused(node, b"GET / HTTP/1.1\nHost: localhost\n\n", 400, "LF")
    refused(node, b"GET / HTTP/2.0\r\nHost: localhost\r\n\r\n", 505, "HTTP/1.1")
    refused(node, b"GET / HTTP/1.1\r\nHost: localhost\r\nno colon\r\n\r\n", 400, "field-grammar")
    refused(node, b"GET / HTTP/1.1\r\nHost : localhost\r\n\r\n", 400, "field-grammar")
    refused(node, b"GET / HTTP/1.1\r\nHost: localhost\r\n folded\r\n\r\n", 400, "fold")
    refused(node, b"GET / HTTP/1.1\r\nHost: localhost\r\nX: a\x00b\r\n\r\n", 400, "control byte")


@test
def a_request_without_one_Host_is_refused_with_400(node):
    refused(node, request("/healthz", host=None), 400, "this request has none")
    refused(node, request("/healthz", HOST="localhost"), 400, "more than once")
    refused(node, upgrade(host=None), 400, "Host must name one host")


@test
def a_body_whose_length_is_said_twice_is_refused_with_400(node):
    refused(node, request("/healthz", Content_Length="4", Transfer_Encoding="chunked"), 400, "framing")
    refused(node, request("/healthz", Content_Length="4", content_LENGTH="5"), 400, "framing")
    refused(node, request("/healthz", Content_Length="+4"), 400, "framing")
    refused(node, request("/healthz", Transfer_Encoding="gzip"), 400, "framing")


@test
def heads_that_are_too_large_are_refused(node):
    refused(node, request("/" + "a" * 8100), 414, "8000 bytes")
    refused(node, request("/healthz", X="y" * 17000), 431, "16384 bytes")
    refused(node, request("/healthz", **{f"X{i}": "y" for i in range(101)}), 431, "100 fields")
    with Peer(node) as peer:
        assert peer.ask("/healthz", X="y" * 15000).status == 200
        assert peer.ask("/healthz", **{f"X{i}": "y" for i in range(98)}).status == 200


# ---- Host and Origin ----

@test
def a_node_on_loopback_answers_only_to_its_own_names(node):
    for host in ("localhost", "127.0.0.1", "localhost:1", "[::1]:80", "LocalHost.", "10.1.2.3"):
        with Peer(node) as peer:
            peer.send(upgrade(host=host))
            peer.expect_switch()
    for host in ("evil.example", "localhost.evil.example", "127.0.0.1.evil.example"):
        refused(node, upgrade(host=host), 421, f"by the name of '{host}'", "DNS rebinding")
        with Peer(node) as peer:
            peer.send(request("/healthz", host=host))
            assert peer.response().status == 421


@test
def a_name_given_by_host_is_answered_to():
    with Node("--host", "node.example") as node, Peer(node) as peer:
        peer.send(upgrade(host="Node.Example:8080"))
        peer.expect_switch()
        peer.echo()
        refused(node, upgrade(host="other.example"), 421)


@test
def browsers_are_welcome_from_this_host_alone(node):
    port = node.port
    for origin in (f"http://localhost:{port}", f"https://LOCALHOST:{port}"):
        with Peer(node) as peer:
            peer.send(upgrade(host=f"localhost:{port}", Origin=origin))
            peer.expect_switch()
    for origin in ("http://evil.example", f"http://localhost:{port + 1}", "null", "http://localhost.evil.example", "file://", ""):
        refused(node, upgrade(host=f"localhost:{port}", Origin=origin), 403, "(origin: RFC 6455 10.2)", "--origin")
    with Peer(node) as peer:
        peer.send(upgrade(host="localhost", Origin="https://localhost"))
        peer.expect_switch()
    refused(node, stream_upgrade(Origin="http://evil.example"), 403)


@test
def origins_given_by_origin_are_welcome():
    with Node("--origin", "https://*.example.com", "--origin", "http://exact.example:8080") as node:
        for origin in ("https://a.example.com", "https://a.b.example.com", "http://exact.example:8080", "https://A.EXAMPLE.com:443"):
            with Peer(node) as peer:
                peer.send(upgrade(Origin=origin))
                peer.expect_switch()
        for origin in ("https://example.com", "http://a.example.com", "https://aexample.com", "https://a.example.com:444", "http://exact.example", "null"):
            refused(node, upgrade(Origin=origin), 403, "origin")
    with Node("--origin", "*") as node, Peer(node) as peer:
        peer.send(upgrade(Origin="https://anywhere.example"))
        peer.expect_switch()


# ---- time ----

class Trickle(threading.Thread):
    """Sends a byte now and then on some connections, and notes when each of all has something to be read."""

    def __init__(self, trickling, peers, seconds):
        super().__init__(daemon=True)
        self.trickling, self.peers, self.until = trickling, peers, time.monotonic() + seconds
        self.heard = {}

    def run(self):
        while time.monotonic() < self.until and len(self.heard) < len(self.peers):
            waiting = {peer.socket: peer for peer in self.peers if peer not in self.heard}
            for ready in select.select(list(waiting), [], [], 0.2)[0]:
                self.heard[waiting[ready]] = time.monotonic()
            for peer in self.trickling:
                if peer not in self.heard:
                    peer.send(b"x")


@test(slow=True, seconds=15)
def a_head_that_is_not_finished_in_10_s_gets_a_408_even_if_it_trickles(node):
    begun = time.monotonic()
    with Peer(node) as slow, Peer(node) as trickling, Peer(node) as silent, Peer(node) as second:
        slow.send(upgrade()[:-2])
        trickling.send(b"GET /hea")
        second.send(request("/healthz"), b"GET /again HTTP/1.1\r\nHost: ")
        assert second.response().status == 200
        watch = Trickle([trickling], [slow, trickling, silent, second], 18)
        watch.start()
        yield
        watch.join()
        assert len(watch.heard) == 4, "somebody has heard nothing"
        for peer in (slow, trickling, second):
            response = peer.response()
            assert response.status == 408 and response.fields["connection"] == "close" and "(head-time: RFC 9110 15.5.9)" in response.body, response
            peer.expect_end()
        silent.expect_end()
        took = [at - begun for at in watch.heard.values()]
        assert min(took) > 9.9 and max(took) < 10 + 1.5 * SLOW, took
