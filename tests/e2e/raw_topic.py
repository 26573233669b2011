"""Topics as clients see them: patterns, several topics on a connection, and slow readers."""
import http.client
import json
import socket
import time

from checks import test
from node import Node, until
from wire import BINARY, PING, PONG, TEXT, Peer, frame, request, upgrade


@test
def patterns_hear_the_names_they_match_on_every_loop_and_once():
    with Node("--threads", "2") as node:
        # More connections than one loop gets by chance.
        listeners = [Peer(node).open("/topic/room/%2B?also=room/%23&also=room/1") for _ in range(12)]
        others = [Peer(node).open("/topic/hall/%2B") for _ in range(4)]
        speakers = [Peer(node).open("/topic/room/1?noecho") for _ in range(6)]
        for i, speaker in enumerate(speakers):
            speaker.send(frame(TEXT, f"hello {i}"))
            for each in listeners:
                each.expect(TEXT, f"hello {i}")
        for each in listeners[:2] + others[:2]:
            each.expect_silence(0.05)
        for each in listeners + others + speakers:
            each.reset()


@test
def a_connection_on_a_pattern_may_not_publish(node):
    with Peer(node).open("/topic/a/%23") as peer:
        peer.send(frame(TEXT, "to nobody in particular"))
        peer.expect_close(1008, "pattern", end=False)


@test
def a_hash_that_is_not_the_last_level_and_too_many_topics_are_refused(node):
    many = "&".join(f"also=t{i}" for i in range(64))
    for target, words in (("/topic/%23/a", "last one"), ("/topic/a?also=b/%23/c", "last one"), ("/topic/a?also=", "empty"), (f"/topic/a?{many}", "64"),
                          ("/chat?also=a//b", "empty level")):
        with Peer(node) as peer:
            peer.send(upgrade(target))
            response = peer.response()
            assert response.status == 400 and words in response.body, (target, response)


@test
def a_POST_publishes_its_body_and_counts_who_got_it_on_every_loop():
    with Node("--threads", "2") as node:
        peers = [Peer(node).open("/topic/news") for _ in range(8)] + [Peer(node).open("/topic/%23") for _ in range(4)]
        wire = http.client.HTTPConnection(*node.address, timeout=10)
        for i in range(30):  # one connection, kept alive
            wire.request("POST", "/topic/news", f"hello {i}", {"Content-Type": "text/plain"})
            answer = wire.getresponse()
            assert (answer.status, json.loads(answer.read())) == (200, {"receivers": 12})
        wire.request("POST", "/topic/none/of/them", bytes(range(256)) * 500, {"Content-Type": "application/octet-stream"})
        assert json.loads(wire.getresponse().read()) == {"receivers": 4}
        wire.close()
        for peer in peers:
            for i in range(30):
                peer.expect(TEXT, f"hello {i}")
        for peer in peers[8:]:
            assert peer.message() == (BINARY, bytes(range(256)) * 500)
        for peer in peers:
            peer.reset()


@test
def pipelined_POSTs_are_all_answered_in_order():
    with Node("--threads", "2") as node:
        peers = [Peer(node).open(f"/topic/t{i % 7}") for i in range(28)]
        with Peer(node) as wire:
            many = 2000
            wire.send(b"".join(request(f"/topic/t{i % 8}", "POST", content_length=5) + b"%05d" % i for i in range(many)))
            for i in range(many):
                response = wire.response()
                assert response.status == 200 and json.loads(response.body) == {"receivers": 4 if i % 8 < 7 else 0}, (i, response)
        for i, peer in enumerate(peers):
            for number in range(many):
                if number % 8 == i % 7 and number % 8 < 7:
                    peer.expect(TEXT, f"{number:05}")
            peer.reset()


def slow_reader(node, path):
    """A connection that has switched, takes little, and isn't read."""
    plain = socket.socket()
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    plain.connect(node.address)
    plain.sendall(upgrade(path))
    assert plain.recv(4096).startswith(b"HTTP/1.1 101 ")
    return plain


def flood(node, path, messages, size=30000):
    with Peer(node).open(path + "?noecho") as from_:
        for i in range(messages):
            from_.send(frame(BINARY, i.to_bytes(4, "big") + bytes(size - 4)))
        from_.send(frame(PING, b"all"))
        from_.expect(PONG, b"all")


def everything_of(plain, seconds=5):
    """All that comes until nothing does."""
    plain.settimeout(0.5)
    got = b""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            more = plain.recv(1 << 20)
        except TimeoutError:
            break
        if not more:
            break
        got += more
    return got


def numbers_of(got, size=30000):
    step = 4 + size
    assert got[:2] == b"\x82\x7e", got[:2]
    return [int.from_bytes(got[at + 4:at + 8], "big") for at in range(0, len(got) - step + 1, step)]


@test
def each_policy_for_slow_readers_does_what_it_says():
    """400 messages of 30,000 bytes are more than sockets and an outbox of 128 KiB hold."""
    with Node("--threads", "1", "--outbox", "128K", "--on-slow", "drop", "--on-slow", "now/+=latest", "--on-slow", "all=close") as node:
        dropped, latest, closed = (slow_reader(node, path) for path in ("/topic/some", "/topic/now/x", "/topic/all"))
        for path in ("/topic/some", "/topic/now/x", "/topic/all"):
            flood(node, path, 400)
        metrics = node.metrics()
        assert metrics["wye_slow_closed_total"] == 1 and metrics["wye_slow_dropped_total"] > 0 and metrics["wye_slow_replaced_total"] > 0, metrics
        got = everything_of(dropped)
        numbers = numbers_of(got)
        assert numbers[0] == 0 and len(numbers) < 400 and numbers == sorted(set(numbers)), numbers
        numbers = numbers_of(everything_of(latest))
        assert numbers[0] == 0 and numbers[-1] == 399 and len(numbers) < 400 and numbers == sorted(set(numbers)), numbers
        got = everything_of(closed)
        assert b"more slowly" in got[-127:] and got[got.rindex(b"\x88", 0, -60):][2:4] == (1013).to_bytes(2, "big"), got[-127:]
        for each in (dropped, latest, closed):
            each.close()
        with Peer(node).open("/topic/some") as peer:  # nobody else has noticed
            peer.send(frame(TEXT, "still here"))
            peer.expect(TEXT, "still here")


@test
def the_listing_tells_patterns_from_names(node):
    with Peer(node).open("/topic/listed/%2B"), Peer(node).open("/topic/listed/a"):
        body = until(lambda: (text := node.get("/topics")) if "listed/a" in (text := node.get("/topics")) else None)
        assert '{"name":"listed/+","subscribers":1,"messages":0,"pattern":true,"per_second":{"messages":0.000,"bytes":0.000}}' in body, body
        assert '{"name":"listed/a","subscribers":1,"messages":0,"per_second":{' in body and '"deliveries":0.000' in body, body
