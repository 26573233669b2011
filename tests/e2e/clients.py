#!/usr/bin/python3
"""Other people's clients against the node: python's websockets, node's ws, curl."""
import asyncio
import json
import os
import re
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True

import websockets

import checks
from checks import test
from node import Node, die_with_parent, until
from wire import random_bytes

MIB = 1 << 20


def connect(node, path="/echo", **how):
    """As both the older API (Debian 12) and the newer one (Debian 13) have it."""
    return websockets.connect(node.ws + path, max_size=32 * MIB, compression=how.pop("compression", None), ping_interval=None, **how)


async def receive(ws, seconds=10):
    return await asyncio.wait_for(ws.recv(), seconds)


def kernel_view(port):
    """What the kernel says of the connections of a port: states, queues, timers."""
    with open("/proc/net/tcp", encoding="ascii") as table:
        return "".join(line for line in table if f":{port:04X} " in line or "local" in line)


def going(story):
    """Runs a test that is a coroutine."""
    def run(node):
        asyncio.run(story(node))
    run.__name__ = story.__name__
    return run


# ---- python websockets ----

@test
@going
async def websockets_text_binary_and_empty_messages_are_echoed(node):
    async with connect(node) as ws:
        for data in ("hello", "grüß 水 😀", "", b"\0\xff\x80", b"", random_bytes(125), random_bytes(126), random_bytes(65535), random_bytes(65536)):
            await ws.send(data)
            assert await receive(ws) == data


@test
@going
async def websockets_messages_of_1_MiB_and_16_MiB_are_echoed(node):
    async with connect(node) as ws:
        for data in (random_bytes(MIB), "x" * MIB, random_bytes(16 * MIB)):
            await ws.send(data)
            assert await receive(ws) == data


@test
@going
async def websockets_fragments_are_put_together(node):
    async with connect(node) as ws:
        await ws.send(["one ", "two ", "", "three"])
        assert await receive(ws) == "one two three"
        data = random_bytes(MIB)
        await ws.send([data[at:at + 9973] for at in range(0, MIB, 9973)])
        assert await receive(ws) == data


@test
@going
async def websockets_pings_are_answered(node):
    async with connect(node) as ws:
        for _ in range(10):
            await asyncio.wait_for(await ws.ping(), 5)
        await asyncio.wait_for(await ws.ping(b"z" * 125), 5)


@test
@going
async def websockets_close_codes_are_echoed(node):
    for code in (1000, 1001, 1008, 1011, 3000, 4999):
        async with connect(node) as ws:
            await ws.close(code, "because")
            assert ws.close_code == code, ws.close_code


@test
@going
async def websockets_a_message_that_is_too_long_ends_with_1009(node):
    async with connect(node) as ws:
        try:
            await ws.send(bytes(16 * MIB + 1))
            await receive(ws)
            raise AssertionError("it was taken")
        except websockets.ConnectionClosed as closed:
            assert closed.rcvd and closed.rcvd.code == 1009 and closed.rcvd.reason, closed


@test
@going
async def websockets_a_burst_comes_back_in_order(node):
    async with connect(node, max_queue=None) as ws:
        async def send():
            for number in range(3000):
                await ws.send(str(number))
        sending = asyncio.create_task(send())
        for number in range(3000):
            assert await receive(ws) == str(number)
        await sending


@test
@going
async def websockets_offers_of_compression_and_subprotocols_do_no_harm(node):
    async with connect(node, compression="deflate", subprotocols=["chat", "superchat"]) as ws:
        assert ws.subprotocol is None
        await ws.send("compressible " * 1000)
        assert await receive(ws) == "compressible " * 1000


@test
def websockets_compressed_messages_are_echoed_and_fanned_out():
    async def story(node):
        words = ["node", "switch", "line", "grüß", "水", "101", "x" * 500]
        async with connect(node, compression="deflate") as ws:
            assert any("deflate" in type(each).__module__ for each in getattr(ws, "extensions", None) or ws.protocol.extensions)
            for number in range(200):
                data = " ".join(words[(number * step) % len(words)] for step in range(number))
                await ws.send(data if number % 3 else data.encode())
                assert await receive(ws) == (data if number % 3 else data.encode())
            data = random_bytes(MIB)
            await ws.send([data[:1000], data[1000:]])
            assert await receive(ws) == data
        async with connect(node, "/topic/z", compression="deflate") as one, connect(node, "/topic/z") as two, connect(node, "/topic/z?noecho", compression="deflate") as three:
            for number in range(50):
                await three.send("again and again " * number)
                assert await receive(one) == await receive(two) == "again and again " * number
    for mode in ("shared", "takeover"):
        with Node("--deflate", mode) as node:
            asyncio.run(story(node))


@test
def websockets_with_every_option_of_its_compression():
    from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory as Factory
    windows = [{}, {"client_max_window_bits": True}, *({"server_max_window_bits": bits} for bits in range(8, 16)), *({"client_max_window_bits": bits} for bits in range(9, 16)),
               {"server_max_window_bits": 10, "client_max_window_bits": 9}]
    contexts = [{}, {"server_no_context_takeover": True}, {"client_no_context_takeover": True}, {"server_no_context_takeover": True, "client_no_context_takeover": True}]
    text = "It is a truth universally acknowledged, 水が流れる, grüß dich! " * 400

    async def story(node):
        for options in [{**window, **context} for window in windows for context in contexts]:
            async with connect(node, extensions=[Factory(**options)]) as ws:
                agreed = getattr(ws, "extensions", None) or getattr(getattr(ws, "protocol", None), "extensions", [])
                assert bool(agreed) == (options.get("server_max_window_bits") != 8), (options, agreed)  # zlib can't do 8
                for data in ("", "a", text[:100], text, text, text.encode(), random_bytes(5000)):
                    await ws.send(data)
                    assert await receive(ws) == data, options
                await ws.send([text[at:at + 77] for at in range(0, 4000, 77)])
                assert await receive(ws) == text[:4004], options
    for mode in ("shared", "takeover"):
        with Node("--deflate", mode) as node:
            asyncio.run(story(node))


@test
@going
async def websockets_a_refusal_is_an_exception_with_its_status(node):
    for path, status in (("/nothing", 404), ("/topic/a%2Fb", 400)):
        try:
            async with connect(node, path):
                raise AssertionError("it was let in")
        except websockets.InvalidHandshake as refusal:
            seen = getattr(refusal, "status_code", None) or refusal.response.status_code
            assert seen == status, refusal


# ---- topics ----

@test
@going
async def a_topic_reaches_all_its_subscribers_and_not_its_sender_with_noecho(node):
    async with connect(node, "/topic/py") as a, connect(node, "/topic/py?x=1&noecho") as b, connect(node, "/topic/py?noecho=") as c, connect(node, "/topic/py2") as d:
        await b.send("from b")
        assert await receive(a) == "from b" and await receive(c) == "from b"
        await a.send(b"\1from a")
        for ws in (a, b, c):
            assert await receive(ws) == b"\1from a"
        await d.send("last")
        assert await receive(d) == "last"


@test
@going
async def large_messages_reach_all_subscribers_unchanged(node):
    members = await asyncio.gather(*(connect(node, "/topic/large?noecho") for _ in range(8)))
    for size in (65536, MIB, 8 * MIB):
        data = random_bytes(size)
        await members[0].send(data)
        for answer in await asyncio.gather(*(receive(ws) for ws in members[1:])):
            assert answer == data
    await asyncio.gather(*(ws.close() for ws in members))


async def crowd(node, subscribers, publishers, messages, size):
    """Publishers that are subscribers, too, half of them with ?noecho; asserts what each hears, and in which order."""
    members = await asyncio.gather(*(connect(node, "/topic/crowd" + ("?noecho" if number % 2 else ""), max_queue=None) for number in range(subscribers)))

    async def publish(number):
        for count in range(messages):
            await members[number].send(f"{number} {count} ".ljust(size, "."))

    async def hear(number):
        heard = [0] * publishers
        due = messages * (publishers - (1 if number % 2 and number < publishers else 0))
        for _ in range(due):
            message = await receive(members[number], 20)
            who, count = map(int, message.split()[:2])
            assert len(message) == size and not (number % 2 and who == number), f"{number} heard {message!r}"
            assert count == heard[who], f"{number} heard message {count} of {who}, not {heard[who]}"
            heard[who] += 1
        return sum(heard)

    heard = (await asyncio.gather(*map(publish, range(publishers)), *map(hear, range(subscribers))))[publishers:]
    await asyncio.gather(*(ws.close() for ws in members))
    return sum(heard)


@test(seconds=40)
def each_publishers_order_is_kept_for_all_subscribers_across_two_loops():
    with Node("--threads", "2") as node:
        heard = asyncio.run(crowd(node, 40, 16, 60, 100))
        assert heard == 60 * (16 * 40 - 8), heard
        assert all(count >= 5 for count in node.by_loop("wye_upgrades_total").values()), node.by_loop("wye_upgrades_total")
        assert all(count > 0 for count in node.by_loop("wye_letters_total").values()), node.by_loop("wye_letters_total")
        assert node.metrics()["wye_deliveries_total"] >= heard


@test(slow=True, seconds=40)
def order_is_kept_across_two_loops_for_large_messages():
    with Node("--threads", "2") as node:
        asyncio.run(crowd(node, 12, 4, 20, 100_000))


@test
def a_subscriber_that_does_not_read_is_closed_with_1013_and_the_others_miss_nothing():
    async def story(node):
        lazy = await asyncio.open_connection("127.0.0.1", node.port, limit=1)
        lazy[1].write(b"GET /topic/slow HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                      b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
        lazy[1].transport.pause_reading()
        async with connect(node, "/topic/slow") as reader, connect(node, "/topic/slow?noecho") as publisher:
            await asyncio.sleep(0.1)
            data = random_bytes(250_000)

            async def publish(count):
                for _ in range(count):
                    await publisher.send(data)
                    assert await receive(reader) == data
            published = 0
            while (await asyncio.to_thread(node.metrics))["wye_slow_closed_total"] == 0:
                assert published < 400, "the kernel holds 100 MB for one who doesn't read"
                await publish(5)
                published += 5
            # It hears why (1013) behind what it had been sent before; the frame that was being sent is cut by nothing. Now: the node
            # waits for one who takes nothing no longer than for a closing handshake.
            lazy[1].transport.resume_reading()
            tail, total = b"", 0
            try:
                while more := await asyncio.wait_for(lazy[0].read(1 << 20), 10):
                    tail, total = (tail + more)[-200:], total + len(more)
            except asyncio.TimeoutError:
                raise AssertionError(f"after {total} bytes nothing came for 10 s:\n" + kernel_view(node.port)) from None
            assert b"\x03\xf5this subscriber reads more slowly" in tail, (total, tail)
            await publish(5)
        lazy[1].close()
    with Node("--outbox", "2M") as node:
        asyncio.run(story(node))
        assert node.metrics()["wye_slow_closed_total"] == 1


# ---- node's ws ----

def node_ws(node, *words):
    program = "/usr/bin/node" if os.path.exists("/usr/bin/node") else shutil.which("node") or shutil.which("nodejs")
    assert program, "install nodejs and node-ws"
    here = os.path.dirname(os.path.abspath(__file__))
    done = subprocess.run([program, os.path.join(here, "node_ws.js"), node.ws, *words], capture_output=True, text=True, timeout=50, preexec_fn=die_with_parent,
                          env={**os.environ, "NODE_PATH": "/usr/share/nodejs:/usr/lib/nodejs"})
    for result in re.split(r"^(?=ok   |FAIL )", done.stdout, flags=re.M)[1:]:
        name, _, detail = result[5:].partition("\n")
        checks.note(name, (detail or "failed") if result.startswith("FAIL") else None)
    assert done.stdout.count("\nok ") >= 5 and done.returncode == 0, f"exit status {done.returncode}\n{done.stderr[-2000:]}"


@test(seconds=55)
def all_that_node_ws_does_works(node):
    node_ws(node, "shared")


@test(seconds=55)
def node_ws_compresses_with_contexts_that_are_kept():
    with Node("--deflate", "takeover") as node:
        node_ws(node, "takeover", "compress")


# ---- curl ----

def curl(node, path, *options):
    done = subprocess.run(["curl", "-sS", "--noproxy", "*", "--max-time", "10", *options, node.url.rstrip("/") + path], capture_output=True, timeout=15)
    assert done.returncode == 0, f"curl: {done.returncode}: {done.stderr.decode()}"
    return done.stdout.decode()


@test
def curl_gets_the_page_and_its_parts_with_their_types_and_policies(node):
    for path, kind, words in (("/", "text/html", "<title>wye"), ("/page.css", "text/css", "{"), ("/chat.js", "text/javascript", "WebSocket"), ("/node.js", "text/javascript", "stats")):
        answer = curl(node, path, "-i")
        head, _, body = answer.replace("\r\n", "\n").partition("\n\n")
        fields = dict(re.findall(r"^([\w-]+): (.*)$", head.lower(), re.M))
        assert head.startswith("HTTP/1.1 200 OK") and fields["content-type"].startswith(kind), head
        assert "default-src 'none'" in fields["content-security-policy"] and fields["x-content-type-options"] == "nosniff", head
        assert words in body, body[:200]
    page = curl(node, "/")
    for link in re.findall(r'(?:src|href)="([\w.]+)"', page):
        curl(node, "/" + link, "--fail")


def parse_metrics(text):
    """Parses the Prometheus text format strictly, as promtool check metrics does. {name: (type, {labels: value})}"""
    families, current, ended = {}, None, set()
    assert text.endswith("\n") and "\r" not in text
    for line in text.splitlines():
        if match := re.fullmatch(r"# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) (\S.*)", line):
            assert match[1] not in families, f"{match[1]} comes twice"
            current = match[1]
            families[current] = [None, {}]
        elif match := re.fullmatch(r"# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (counter|gauge|histogram|summary|untyped)", line):
            assert match[1] == current and families[current][0] is None and not families[current][1], f"TYPE stands in the wrong place: {line}"
            families[current][0] = match[2]
        else:
            match = re.fullmatch(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(\{[a-zA-Z_]\w*="(?:[^"\\\n]|\\["\\n])*"(?:,[a-zA-Z_]\w*="(?:[^"\\\n]|\\["\\n])*")*\})? (\d+(?:\.\d+)?(?:e[+-]?\d+)?)', line)
            assert match, f"not a sample: {line!r}"
            base = re.sub(r"_(bucket|sum|count)$", "", match[1]) if families.get(re.sub(r"_(bucket|sum|count)$", "", match[1]), ["?"])[0] in ("histogram", "summary") else match[1]
            assert base == current and families[current][0], f"a sample outside of its family, or before its TYPE: {line}"
            assert (match[1], match[2]) not in families[current][1], f"twice: {line}"
            families[current][1][match[1], match[2]] = float(match[3])
            ended.add(base)
    return families


@test
def the_metrics_are_what_Prometheus_reads(node):
    text = curl(node, "/metrics")
    families = parse_metrics(text)
    assert len(families) > 20
    for name, (kind, samples) in families.items():
        assert name.startswith("wye_") and kind, name
        assert (kind == "counter") == name.endswith("_total"), f"{name} is a {kind}"
        assert samples or name == "wye_closes_total", f"{name} has no samples"
    later = parse_metrics(curl(node, "/metrics"))
    for name, (kind, samples) in families.items():
        if kind == "counter":
            assert all(later[name][1][sample] >= value for sample, value in samples.items()), name
    assert "text/plain; version=0.0.4" in curl(node, "/metrics", "-i")


@test
@going
async def the_metrics_count_what_happens(node):
    before = node.metrics()
    async with connect(node) as ws:
        for _ in range(50):
            await ws.send("x" * 1000)
            await receive(ws)
        after = node.metrics()
    grown = {name: after[name] - before[name] for name in after}
    assert grown["wye_messages_in_total"] == 50 and grown["wye_messages_out_total"] == 50 and grown["wye_upgrades_total"] == 1, grown
    assert grown["wye_bytes_in_total"] >= 50 * 1000 and grown["wye_bytes_out_total"] >= 50 * 1000 and after["wye_connections"] >= 2, grown


@test
@going
async def the_topics_are_listed_with_their_subscribers_and_messages(node):
    name = 'quo"te\\ and \t tab'
    path = "/topic/quo%22te%5C%20and%20%09%20tab"
    async with connect(node, path) as a, connect(node, path):
        for _ in range(3):
            await a.send("x")
            await receive(a)
        listed = json.loads(curl(node, "/topics"))
        (mine,) = [each for each in listed["topics"] if each["name"] == name]
        assert mine["subscribers"] == 2 and mine["messages"] == 3 and listed["topics_total"] >= 1, mine
    assert until(lambda: name not in [each["name"] for each in json.loads(curl(node, "/topics"))["topics"]])


@test
def curl_gets_health_and_is_told_why_things_do_not_work(node):
    assert curl(node, "/healthz") == "serving\n"
    assert "There is nothing here by the path of '/nothing'" in curl(node, "/nothing")
    assert curl(node, "/healthz", "-I").startswith("HTTP/1.1 200 OK")
    assert "proxy_http_version" in curl(node, "/echo", "--http1.0")
    assert "Sec-WebSocket-Key" in curl(node, "/chat")
    assert curl(node, "/healthz", "--http2") == "serving\n"  # it asks for h2c by an Upgrade, and is content without


if __name__ == "__main__":
    sys.exit(checks.main(__doc__))
