#!/usr/bin/python3
"""Limits, each to its edge: from several loopback addresses, and behind HAProxy with the PROXY protocol."""
import contextlib
import re
import socket
import ssl
import struct
import sys
import tempfile
import time

sys.dont_write_bytecode = True

import checks
from checks import test
from node import Node, until
from probe_rig import haproxy
from wire import BINARY, Peer, frame, request, upgrade

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


class From(Peer):
    """A client that connects from an address of its own."""

    def __init__(self, node, source="127.0.0.1", seconds=10):  # everything but the socket is a Peer's
        if isinstance(node.address, str):
            super().__init__(node, seconds)
            return
        self.socket = socket.create_connection(node.address, seconds, (source, 0))
        self.seconds, self.buffer, self.parts, self.pongs, self.deflates = seconds, bytearray(), [], [], False
        if hasattr(node, "peers"):
            node.peers.add(self)


def v1(source):
    return f"PROXY TCP{6 if ':' in source else 4} {source} {'::1' if ':' in source else '10.9.9.9'} 4444 80\r\n".encode()


def v2(source=None, extras=b"", command=1):
    if source is None:
        body, family = b"", 0
    elif ":" in source:
        body, family = socket.inet_pton(socket.AF_INET6, source) * 2 + struct.pack("!HH", 1, 2), 0x21
    else:
        body, family = socket.inet_pton(socket.AF_INET, source) * 2 + struct.pack("!HH", 1, 2), 0x11
    return SIGNATURE + bytes([0x20 | command, family]) + struct.pack("!H", len(body + extras)) + body + extras


def ask(node, head=b"", source="127.0.0.1", **fields):
    """Opens a WebSocket: (status, peer, response); the peer stays open."""
    peer = From(node, source)
    peer.send(head, upgrade(**fields))
    response = peer.response()
    return response.status, peer, response


def admitted(node, count, **how):
    """How many of `count` get in at once, and their peers."""
    peers = [ask(node, **how) for _ in range(count)]
    return [each[0] for each in peers], [each[1] for each in peers]


def leave(peers):
    for peer in peers:
        peer.socket.close()


# ---- connections of an address ----

@test
def exactly_so_many_of_each_address_get_in_and_a_place_is_free_again():
    with Node("--per-address", "5", "--threads", "2") as node:
        for source in ("127.0.0.1", "127.0.0.2", "127.0.0.3"):
            statuses, peers = admitted(node, 9, source=source)
            assert statuses.count(101) == 5 and statuses.count(429) == 4, (source, statuses)
            leave(peers[:4])  # the first that got in
            again = until(lambda: (found := admitted(node, 4, source=source))[0] == [101] * 4 and found or leave(found[1]))
            assert again, source
            leave(again[1] + peers[4:])
        # A fourth address: its own asking is counted as well, and stays below five.
        assert until(lambda: node.metrics()["wye_connections"] == 1)
        metrics = node.metrics()
        assert metrics["wye_address_refused_total"] >= 12, metrics
        assert metrics["wye_addresses"] == 1, metrics  # of all that were, only who asks is still counted


@test
def the_refusal_says_its_rule_and_when_to_come_again():
    with Node("--per-address", "1") as node:
        first = From(node, "127.0.0.2").open()
        peer = From(node, "127.0.0.2")
        response = peer.response()
        assert response.status == 429 and response.fields["retry-after"] == "1", response
        assert "connections-per-address" in response.body and "--trusted-proxy" in response.body, response.body
        first.echo()
        assert sum(count for name, count in node.samples() if name.startswith("wye_refusals_by_rule_total{") and 'rule="connections-per-address"' in name) >= 1


# ---- upgrades of an address ----

@test
def upgrades_are_let_in_again_when_Retry_After_says():
    with Node("--upgrade-rate", "3/6", "--threads", "2") as node:
        statuses, peers = admitted(node, 5, source="127.0.0.2")
        assert statuses == [101] * 3 + [429] * 2, statuses
        assert ask(node, source="127.0.0.3")[0] == 101
        status, _, response = ask(node, source="127.0.0.2")
        wait = int(response.fields["retry-after"])
        assert status == 429 and wait in (1, 2) and "upgrade-rate" in response.body, response
        time.sleep(wait)
        assert ask(node, source="127.0.0.2")[0] == 101
        assert ask(node, source="127.0.0.2")[0] == 429
        assert node.metrics()["wye_upgrade_rate_refused_total"] == 4
        leave(peers)


# ---- topics, messages and bytes of a connection ----

@test
def so_many_topics_and_no_more():
    with Node("--topics-per-connection", "3") as node:
        Peer(node).open("/topic/a?also=b&also=c").leave()
        peer = Peer(node)
        peer.send(upgrade("/topic/a?also=b&also=c&also=d"))
        response = peer.response()
        assert response.status == 400 and "topics-per-connection" in response.body, response
        assert node.metrics()["wye_topics_refused_total"] == 1


@test
def a_connection_that_says_too_much_is_read_as_fast_as_it_may():
    with Node("--message-rate", "50:10") as node:
        peer = Peer(node, 20).open()
        begun = time.monotonic()
        peer.talk(b"".join(frame(BINARY, bytes([i])) for i in range(60)), 60)
        took = time.monotonic() - begun
        assert 0.97 < took < (2.5 if not checks.SANITIZED else 5), took  # 10 at once, 50 in a second
        assert node.metrics()["wye_rate_paused_total"] >= 1
        peer.leave()
    with Node("--byte-rate", "100K:50K") as node:
        peer = Peer(node, 20).open()
        begun = time.monotonic()
        for _ in range(10):
            peer.talk(frame(BINARY, bytes(20000)), 1)
        took = time.monotonic() - begun
        assert took > 1.2, took  # 200 KB, of which 50 at once and the last one on credit
        peer.leave()


@test
def or_it_is_closed_with_1008():
    with Node("--message-rate", "5", "--on-rate", "close") as node:
        peer = Peer(node).open()
        peer.send(frame(BINARY, b"x") * 6)  # at once: a fifth of a second later one more may come
        for _ in range(5):
            peer.expect(BINARY, b"x")
        peer.expect_close(1008, "--message-rate", end=False)
        posts = Peer(node)
        posts.send((request("/topic/t", "POST", Content_Length="2") + b"hi") * 6)
        statuses = [posts.response().status for _ in range(6)]
        assert statuses == [200] * 5 + [429], statuses
        assert node.metrics()["wye_rate_closed_total"] == 2
    with Node("--byte-rate", "10K", "--on-rate", "close") as node:
        peer = Peer(node).open()
        peer.send(frame(BINARY, bytes(11000)))
        peer.expect_close(1008, "--byte-rate", end=False)


@test
def a_body_is_read_as_fast_as_it_may_come():
    with Node("--byte-rate", "400K:50K") as node:
        reader, peer = Peer(node).open("/topic/t"), Peer(node, 20)
        body = bytes(range(256)) * 4800
        begun = time.monotonic()
        peer.exchange(request("/topic/t", "POST", Content_Length=str(len(body)), Content_Type="application/octet-stream") + body, 0)
        assert peer.response().status == 200
        took = time.monotonic() - begun
        assert took > 1.5, took  # 1.2 MB, of which 50 KB at once; and what a turn reads on credit
        assert reader.message() == (BINARY, body)
        assert node.metrics()["wye_rate_paused_total"] >= 2
        reader.leave()
        leave([peer])
    with Node("--byte-rate", "10K", "--on-rate", "close") as node:
        reader, peer = Peer(node).open("/topic/t"), Peer(node)
        peer.send(request("/topic/t", "POST", Content_Length="12000"), bytes(11900))  # not all of the body comes
        response = peer.response()
        assert response.status == 429 and "message-rate" in response.body and "--byte-rate" in response.body, response
        peer.expect_end()
        reader.expect_silence(0.1)
        assert node.metrics()["wye_rate_closed_total"] == 1
        reader.leave()
        leave([peer])


@test(seconds=40)
def a_body_that_is_paused_longer_than_its_time_has_not_stopped_coming():
    with Node("--byte-rate", "1K:1K", "--ping", "0") as node:
        reader, peer = Peer(node, 30).open("/topic/t"), Peer(node, 30)
        body = bytes(13000)
        begun = time.monotonic()
        peer.send(request("/topic/t", "POST", Content_Length=str(len(body)), Content_Type="application/octet-stream"), body[:12000])
        assert until(lambda: node.metrics()["wye_rate_paused_total"] >= 1)
        peer.send(body[12000:])
        yield
        assert peer.response().status == 200
        assert time.monotonic() - begun > 10.5
        assert reader.message() == (BINARY, body)
        reader.leave()
        leave([peer])


# ---- proxies ----

@test(seconds=40)
def a_PROXY_header_gives_the_address_however_it_is_cut():
    with Node("--per-address", "2", "--trusted-proxy", "127.0.0.1") as node:
        for number, head in enumerate((v1("192.0.2.7"), v2("192.0.2.7"), v1("::ffff:192.0.2.7"), v2("::ffff:192.0.2.7", b"\x04\0\1x"))):
            statuses, peers = admitted(node, 3, head=head)
            assert statuses == [101, 101, 429], (head, statuses)
            assert ask(node, head=v2("192.0.2.8"))[0] == 101
            leave(peers)
            assert until(lambda: node.metrics()["wye_addresses"] == 0), number
        for head in (v1("192.0.2.9"), v2("2001:db8::1", b"\x05\0\2ab")):
            for cut in range(1, len(head) + 1):
                peer = Peer(node)
                peer.send(head[:cut])
                time.sleep(0.002)
                peer.send(head[cut:], upgrade())
                peer.expect_switch()
                peer.socket.close()
                assert until(lambda: node.metrics()["wye_addresses"] == 0)


@test
def an_IPv6_address_is_counted_by_its_64_and_LOCAL_and_UNKNOWN_are_the_proxy_itself():
    with Node("--per-address", "2", "--trusted-proxy", "127.0.0.0/8") as node:
        statuses = [ask(node, head=v2(f"2001:db8:0:1::{i}"))[0] for i in range(1, 4)]
        kept = [ask(node, head=v2("2001:db8:0:2::1"))]
        assert statuses[0] == 101 and kept[0][0] == 101
        peers = [ask(node, head=head) for head in (v2(None, command=0), b"PROXY UNKNOWN\r\n", v2(None), b"") * 2]
        assert [each[0] for each in peers] == [101] * 8
        held = [ask(node, head=v2(f"2001:db8:0:3::{i}")) for i in range(1, 4)]
        assert [each[0] for each in held] == [101, 101, 429]


@test
def who_is_not_trusted_sends_no_PROXY_header():
    with Node() as plain, Node("--trusted-proxy", "10.0.0.0/8", "--per-address", "9") as other:
        for node in (plain, other):
            for head in (v1("192.0.2.7"), v2("192.0.2.7")):
                peer = Peer(node)
                peer.send(head)
                response = peer.response()
                assert response.status == 400 and "--trusted-proxy" in response.body and "proxy-trust" in response.body, response


@test
def a_broken_PROXY_header_is_refused_and_says_why():
    with Node("--trusted-proxy", "127.0.0.1") as node:
        for head, words in ((b"PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n", "two ports"), (b"PROXY TCP4 1.2.3.4 ::1 1 2\r\n", "family"), (b"PROXY " + b"x" * 120, "107"),
                            (SIGNATURE + b"\x31\x11\0\x0c" + bytes(12), "version"), (SIGNATURE + b"\x21\x11\0\x04" + bytes(4), "too short")):
            peer = Peer(node)
            peer.send(head)
            response = peer.response()
            assert response.status == 400 and "proxy-header" in response.body and words in response.body, (head, response)


@test
def a_PROXY_header_may_come_byte_by_byte():
    with Node("--per-address", "1", "--trusted-proxy", "127.0.0.1") as node:
        for head in (v1("192.0.2.7"), v2("192.0.2.8"), v2("2001:db8::9", b"\x04\0\3abc")):
            with Peer(node) as first, Peer(node) as second:
                first.send_slowly(head + upgrade())
                first.expect_switch()
                second.send_slowly(head)
                assert second.response().status == 429, head
        assert node.metrics()["wye_proxied_total"] == 6


@test
def a_PROXY_header_that_does_not_end_has_the_time_of_a_head():
    with Node("--trusted-proxy", "127.0.0.1") as node:
        begun, peers = time.monotonic(), []
        for part in (b"PROXY TCP4 192.0.2.7 10.9.9.9 4444", v2("192.0.2.7")[:15], SIGNATURE[:1], b""):
            peers.append(Peer(node, 15))
            peers[-1].send(part)
        yield
        for peer in peers[:-1]:
            response = peer.response()
            assert response.status == 408 and "head-time" in response.body and "PROXY header that is only begun" in response.body, response
            peer.expect_end()
        peers[-1].expect_end()  # nothing came: there is nothing to be said about it
        assert time.monotonic() - begun > 9
        assert until(lambda: sum(value for name, value in node.samples() if name.startswith("wye_closes_total{") and 'reason="408' in name) == 4), node.get("/metrics")


@test
def who_comes_over_a_Unix_socket_is_trusted_when_unix_is():
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/socket"
        with Node("--listen", f"unix:{path}", "--listen", "127.0.0.1:0", "--per-address", "2", "--trusted-proxy", "unix") as node:
            for how in ({"head": v1("192.0.2.7")}, {"head": v2("2001:db8::1")}, {"X_Forwarded_For": "198.51.100.1, 192.0.2.9"}):
                statuses, peers = admitted(node, 3, **how)
                assert statuses == [101, 101, 429], (how, statuses)
                leave(peers)
            statuses, peers = admitted(node, 5)  # the proxy's own have no address, and aren't counted
            assert statuses == [101] * 5, statuses
            leave(peers)
            with Peer(("127.0.0.1", int(re.search(r":(\d+)/$", node.urls[1])[1]))) as peer:
                peer.send(v1("192.0.2.7"))
                assert "proxy-trust" in peer.response().body
        with Node("--listen", f"unix:{path}", "--per-address", "2", "--trusted-proxy", "127.0.0.1") as node:
            with Peer(node) as peer:
                peer.send(v1("192.0.2.7"))
                response = peer.response()
            assert response.status == 400 and "proxy-trust" in response.body, response
            statuses, peers = admitted(node, 3, X_Forwarded_For="198.51.100.1")  # nobody's word
            assert statuses == [101] * 3, statuses
            leave(peers)


@test
def X_Forwarded_For_counts_from_the_right():
    with Node("--per-address", "2", "--trusted-proxy", "127.0.0.1", "--trusted-proxy", "10.0.0.0/8") as node:
        for value in ("198.51.100.1", "6.6.6.6, 198.51.100.1, 10.1.1.1", "garbage, 198.51.100.1:99 ,, 10.0.0.1"):
            got = [ask(node, X_Forwarded_For=value) for _ in range(3)]
            assert [each[0] for each in got] == [101, 101, 429], (value, [each[0] for each in got])
            leave([each[1] for each in got])
            assert until(lambda: node.metrics()["wye_addresses"] == 0)
        status, _, response = ask(node, X_Forwarded_For="198.51.100.1, unknown")
        assert status == 400 and "forwarded-for" in response.body, response
        # From others it is nobody's word.
        got = [ask(node, source="127.0.0.2", X_Forwarded_For=f"198.51.100.{i}")[0:2] for i in range(3)]
        assert [each[0] for each in got] == [101, 101, 429]


@test(seconds=40)
def behind_HAProxy_exactly_so_many_of_each_address_get_in():
    for send in ("send-proxy", "send-proxy-v2"):
        with Node("--per-address", "4", "--threads", "2", "--trusted-proxy", "127.0.0.1") as node:
            config = f"defaults\n mode tcp\n timeout connect 2s\n timeout client 30s\n timeout server 30s\nlisten l\n bind 127.0.0.1:PORT\n server s 127.0.0.1:{node.port} {send}\n"
            with haproxy(config) as port:
                class Proxy:
                    address = ("127.0.0.1", port)
                for source in ("127.0.0.4", "127.0.0.5", "127.0.0.6"):
                    statuses, peers = admitted(Proxy, 7, source=source)
                    assert statuses.count(101) == 4 and statuses.count(429) == 3, (send, source, statuses)
                    leave(peers)
            assert node.metrics()["wye_proxied_total"] >= 21


def over_TLS(node):
    """Its port with TLS, and a context that believes it."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return int(re.search(r":(\d+)/$", next(url for url in node.urls if url.startswith("https:")))[1]), context


@test
def a_PROXY_header_stands_before_TLS():
    with Node("--dev-cert", "--tls-listen", "127.0.0.1:0", "--per-address", "2", "--trusted-proxy", "127.0.0.1") as node:
        port, context = over_TLS(node)
        statuses, kept = [], []
        for split in (False, True, False):
            # Coalesced with the ClientHello, or before it.
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            tls = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
            raw = socket.create_connection(("127.0.0.1", port), 10)
            kept.append(raw)
            pending = v2("192.0.2.33")
            if split:
                raw.sendall(pending)
                pending = b""
                time.sleep(0.05)

            def drive(call, pending):
                while True:
                    try:
                        result = call()
                        raw.sendall(pending + outgoing.read())
                        return result
                    except ssl.SSLWantReadError:
                        raw.sendall(pending + outgoing.read())
                        pending = b""
                        data = raw.recv(65536)
                        assert data, "it ended"
                        incoming.write(data)
            drive(tls.do_handshake, pending)
            with contextlib.suppress(ssl.SSLError, OSError):
                drive(lambda: tls.write(upgrade()), b"")
            statuses.append(int(drive(lambda: tls.read(4096), b"").split(b" ")[1]))
        assert statuses == [101, 101, 429], statuses
        for each in kept:
            each.close()


@test
def a_full_node_says_503_over_TLS_behind_a_PROXY_header():
    with Node("--dev-cert", "--tls-listen", "127.0.0.1:0", "--max-connections", "1", "--trusted-proxy", "127.0.0.1") as node:
        port, context = over_TLS(node)
        kept = []
        for status in (200, 503):
            raw = socket.create_connection(("127.0.0.1", port), 10)
            raw.sendall(v2("192.0.2.33"))
            tls = context.wrap_socket(raw, server_hostname="localhost")
            kept.append(tls)
            if status == 200:
                tls.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            answer = tls.recv(4096)
            assert answer.startswith(b"HTTP/1.1 %d " % status), answer
        for each in kept:
            each.close()


# ---- memory ----

@test(seconds=40)
def near_the_memory_limit_publishers_wait_and_lose_nothing():
    with Node("--memory", "4M", "--threads", "1") as node:
        reader, sender = Peer(node).open("/topic/t"), Peer(node).open("/topic/t?noecho")
        # Messages that are announced and don't come whole hold memory: three quarters of it, and no more.
        holders = [Peer(node).open() for _ in range(12)]
        for holder in holders:
            holder.send(frame(BINARY, bytes(250_000))[:5000])
        assert until(lambda: node.metrics()["wye_chunk_bytes"] > 3_000_000)
        late = Peer(node).open()
        late.send(frame(BINARY, bytes(250_000))[:5000])
        late.expect_close(1013, "--memory", end=False)
        assert node.metrics()["wye_memory_refused_total"] == 1
        sender.send(frame(BINARY, b"nobody"), frame(BINARY, b"waits"))
        reader.expect(BINARY, b"nobody")
        reader.expect(BINARY, b"waits")
        assert node.metrics()["wye_memory_paused_total"] == 0
        # What one doesn't read takes more: publishers leave an eighth of it all.
        slow, other = Peer(node, 20).open("/topic/s"), Peer(node, 20).open("/topic/s?noecho")

        def waits():
            other.send(frame(BINARY, bytes(20000)))
            return node.metrics()["wye_memory_paused_total"]

        assert until(waits, step=0)
        sender.send(frame(BINARY, b"one"), frame(BINARY, b"two"))
        reader.expect(BINARY, b"one")
        reader.expect_silence(0.5)
        assert node.metrics()["wye_memory_paused_total"] == 2
        slow.socket.close()
        reader.expect(BINARY, b"two")
        leave(holders)
        sender.leave()


@test(seconds=40)
def those_who_do_not_read_never_hold_so_much_that_publishers_wait_for_ever():
    with Node("--memory", "4M", "--outbox", "16M", "--threads", "1", "--ping", "0") as node:
        slow, sender = Peer(node).open("/topic/t"), Peer(node, 20).open("/topic/t?noecho")
        most = 0
        for _ in range(100):
            sender.send(frame(BINARY, bytes(20000)) * 20)
            most = max(most, node.metrics()["wye_chunk_bytes"])
        assert most <= 4.5 * 2**20, most
        assert node.metrics()["wye_slow_closed_total"] == 1
        slow.socket.close()
        sender.leave()


if __name__ == "__main__":
    sys.exit(checks.main(__doc__))
