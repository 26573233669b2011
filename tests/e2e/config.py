#!/usr/bin/python3
"""The configuration file, and what a SIGHUP makes of another one while the node is busy."""
import os
import re
import shutil
import signal
import socket
import ssl
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True

import checks
import node as nodes
from authority import Authority
from checks import SANITIZED, Skipped, test
from node import Node, run, until
from wire import BINARY, PING, PONG, TEXT, Peer, frame, random_bytes, upgrade

_folder = tempfile.TemporaryDirectory()


def write(text, name="wye.ini"):
    """A file with this text, put in place at once; its path."""
    path = os.path.join(_folder.name, name)
    with open(path + ".new", "w") as file:
        file.write(text)
    os.rename(path + ".new", path)
    return path


def wants_tls():
    if "no TLS" in run("--dev-cert", "--check-config")[2]:
        raise Skipped("this build has no TLS")


class FileNode(Node):
    """A node that is started by a file; every option of its own stands before that."""

    def __init__(self, text, *options, listeners=1, **how):
        super().__init__("--listen", **how)
        self.path = write(text)
        self.options = [*options, "--config", self.path]
        self.listeners = listeners

    def _await_ready(self, _, until_):
        super()._await_ready(self.listeners, until_)

    def reload(self, text, words="has been read again"):
        """Writes another file, sends SIGHUP, and waits until the log says so. What was logged since."""
        write(text)
        before = self.log()
        self.signal(signal.SIGHUP)
        assert until(lambda: re.search(rf"SIGHUP: .*{re.escape(words)}", self.log()[len(before):])), self.log()[len(before):]
        return self.log()[len(before):]


LISTEN = "[listener here]\nlisten = 127.0.0.1:0\n[node]\n"


class Traffic:
    """Echoes, and a numbered stream to subscribers on every loop, without end; whatever goes wrong is kept."""

    def __init__(self, node, echoes=4, subscribers=4):
        self.node, self.failure, self.stopping, self.rounds = node, None, False, 0
        self.echoes = [Peer(node).open() for _ in range(echoes)]
        self.subscribers = [Peer(node).open("/topic/stream/numbers") for _ in range(subscribers)]
        self.publisher = Peer(node).open("/topic/stream/numbers?noecho")
        self.received = [0] * subscribers
        self.published = 0
        talkers = [self.publish, *(lambda peer=peer: self.echo(peer) for peer in self.echoes)]
        self.talkers = [self.thread(loop, lambda: self.stopping) for loop in talkers]
        self.listeners = [self.thread(lambda number=number: self.listen(number), lambda: False) for number in range(subscribers)]

    def thread(self, loop, is_over):
        def keep():
            try:
                while not is_over() and self.failure is None:
                    loop()
            except StopIteration:
                pass
            except Exception as failure:
                self.failure = self.failure or failure
        thread = threading.Thread(target=keep)
        thread.start()
        return thread

    def message(self, peer):
        while (got := peer.frame()).opcode == PING:
            peer.send(frame(PONG, got.payload))
        return got

    def echo(self, peer):
        data = random_bytes(100 + self.rounds % 900)
        peer.send(frame(BINARY, data))
        got = self.message(peer)
        assert got.opcode == BINARY and got.payload == data, got
        self.rounds += 1
        time.sleep(0.0005)

    def listen(self, number):
        got = self.message(self.subscribers[number])
        if got.payload == b"end":
            raise StopIteration
        assert got.opcode == TEXT and got.payload == b"%d" % self.received[number], (got, self.received[number])
        self.received[number] += 1

    def publish(self):
        self.publisher.send(frame(TEXT, b"%d" % self.published))
        self.published += 1
        time.sleep(0.001)

    def moves_on(self):
        """It goes on, with nothing lost."""
        rounds, published = self.rounds, self.published
        assert until(lambda: self.failure or (self.rounds > rounds + 40 and min(self.received) > published + 10)), "it stands still"
        assert self.failure is None, repr(self.failure)

    def stop(self):
        self.stopping = True
        for thread in self.talkers:
            thread.join(20)
        self.publisher.send(frame(TEXT, "end"))
        for thread in self.listeners:
            thread.join(20)
        assert self.failure is None, repr(self.failure)
        assert set(self.received) == {self.published}, (self.received, self.published)
        for peer in [*self.echoes, *self.subscribers, self.publisher]:
            peer.socket.close()


# ---- starting ----

@test
def a_file_with_everything_starts_a_node():
    wants_tls()
    text = f"""# everything
threads = 2
log = debug
[listener plain]
listen = 127.0.0.1:0
listen = unix:{_folder.name}/socket
[listener tls]
tls-listen = 127.0.0.1:0
[node]
dev-cert = yes
tls-min = 1.3
open = no
max-connections = 200
max-message = 100K
memory = 64M
deflate = takeover
outbox = 64K
shared-memory = 8M
idle-timeout = 100
ping = 50
origin = https://app.example.com
origin = https://*.example.org
host = wye.example.com
on-slow = drop   ; unless said otherwise
[topic prices/#]
on-slow = latest
[topic orders]
on-slow = close
"""
    with FileNode(text, listeners=3) as node:
        assert [url.partition(":")[0] for url in node.urls] == ["http", "http+unix", "https"], node.urls
        assert set(node.by_loop("wye_turns_total")) == {0, 1}
        assert "at most 200 connections" in node.log()
        with Peer(node).open(host="wye.example.com", Origin="https://app.example.com") as peer:
            peer.echo(b"x" * 100_000)
        with Peer(node) as peer:
            peer.send(upgrade(host="other.example.com"))
            assert peer.response().status >= 400
        with Peer(node).open(Sec_WebSocket_Extensions="permessage-deflate") as peer:
            peer.deflates = True
    done = run("--config", node.path, "--check-config")
    assert done[0] == 0 and done[1] == "the options are fine\n" and not done[2], done
    assert run("--config", write(text + "[node]\nevery = thing\n"), "--check-config")[0] == 64


@test
def the_command_line_counts_more_than_the_file():
    with FileNode("threads = 2\nmax-connections = 7\n" + LISTEN, "--threads", "1", "--listen", "127.0.0.2:0", listeners=2) as node:
        assert [re.match(r"http://(.*):", url)[1] for url in node.urls] == ["127.0.0.1", "127.0.0.2"]
        assert "1 loop," in node.log() and "at most 7 connections" in node.log()
        log = node.reload("threads = 2\nmax-connections = 9\nping = 3\n" + LISTEN)
        assert "threads" not in log and '"max-connections" from 7 to 9' in log, log


@test
def what_is_wrong_in_a_file_is_said_with_its_line_and_exits_with_64():
    for text, words in (
            ("ping = 5\noutbx = 3\n", ":2: outbx = 3: no such option"), ("[toppic a]\n", ":1: [toppic a]: expected [node]"),
            ("\noutbox = 3\n", ":2: outbox = 3: expected a number from 1024 to"), ("ping = 5\nping = 6\n", ":2: ping = 6: line 1 says it already"),
            ("host = " + "x" * 300 + "\n", ":1: too long: a line has at most 198 bytes"), ("ping\n", ":1: expected KEY = VALUE"),
            ("listen = 0.0.0.0:0\n", ":1: listen = 0.0.0.0:0: other machines can reach this address")):
        path = write(text)
        status, out, err = run("--config", path)
        assert status == 64 and not out and err.startswith(f"wye: {path}{words}") and err.count("\n") == 1, (status, out, err)
    status, out, err = run("--config", _folder.name + "/missing")
    assert status == 2 and not out and err == f"wye: --config {_folder.name}/missing: No such file or directory\n", (status, err)


@test
def what_print_config_prints_starts_the_same_node():
    options = ["--threads", "1", "--listen", "127.0.0.1:0", "--on-slow", "drop", "--on-slow", "a/+=latest", "--max-connections", "11"]
    status, out, err = run(*options, "--print-config")
    assert status == 0 and not err and "\nthreads = 1\n" in out and "\n#ping = 25\n" in out, (status, out, err)
    with FileNode(out) as node, Peer(node).open() as peer:
        peer.echo()
        assert "1 loop," in node.log() and "at most 11 connections" in node.log()
    assert run("--config", node.path, "--print-config") == (0, out, "")


# ---- SIGHUP ----

def is_slow_at(node, topic, what):
    """Publishes to a subscriber that doesn't read until it is closed, or messages are dropped, or replaced, as `what` says: which of these it was."""
    def counts():
        metrics = node.metrics()
        return {each: metrics[f"wye_slow_{each}_total"] for each in ("closed", "dropped", "replaced")}

    def connections():
        return node.metrics()["wye_connections"]
    before, there = counts(), connections()
    with Peer(node) as slow, Peer(node).open(f"/topic/{topic}?noecho") as publisher:
        slow.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.open(f"/topic/{topic}")
        for _ in range(60):
            publisher.send(frame(BINARY, random_bytes(100_000)))
        assert until(lambda: counts()[what] > before[what]), f"it was never too slow: {before}, {counts()}"
        after = counts()
    # What the publisher sent may still be on its way: the next one shall not count it.
    assert until(lambda: connections() <= there), "the publisher is still there"
    return {each for each in after if after[each] > before[each]}


@test(seconds=90)
def each_class_of_change_is_applied_under_traffic_and_loses_nobody():
    base = "threads = 2\nmax-connections = 300\noutbox = 256K\nping = 0\n" + LISTEN
    with FileNode(base) as node:
        traffic = Traffic(node)

        def change(text):
            log = node.reload(base + text)
            traffic.moves_on()
            return log

        def status(**fields):
            with Peer(node) as peer:
                peer.send(upgrade(**fields))
                return peer.response().status

        assert status(Origin="https://app.example.com") == 403
        log = change("origin = https://app.example.com\n")
        assert 'SIGHUP: "origin" from the node\'s own host to https://app.example.com' in log, log
        assert status(Origin="https://app.example.com") == 101
        assert status(host="wye.example.com") != 101
        change("host = wye.example.com\n")
        assert status(host="wye.example.com") == 101 and status(Origin="https://app.example.com") == 403

        change("max-message = 2K\n")
        with Peer(node).open() as peer:
            peer.send(frame(BINARY, b"x" * 2049))
            peer.expect_close(1009, end=False)
        change("max-message = 3K\n")
        with Peer(node).open() as peer:
            peer.echo(b"x" * 3000)

        change("")
        assert is_slow_at(node, "stream/slow", "closed") == {"closed"}
        change("on-slow = drop\n[topic late/+]\non-slow = latest\n")
        assert is_slow_at(node, "stream/slow", "dropped") == {"dropped"}
        assert "closed" not in is_slow_at(node, "late/x", "replaced")  # and what doesn't fit even so is dropped
        change("on-slow = drop\n[topic stream/slow]\non-slow = close\n")
        assert is_slow_at(node, "stream/slow", "closed") == {"closed"}

        log = change("shared-memory = 1M\nmemory = 32M\n")
        assert '"memory" from RAM / 4 to 32M' in log and '"shared-memory" from 256M to 1M' in log, log

        with Peer(node).open() as idle, Peer(node).open() as silent:
            change("idle-timeout = 600\n")
            log = node.reload(base.replace("ping = 0", "ping = 1"))
            assert '"ping" from 0 to 1' in log and '"idle-timeout" from 600 to 0' in log, log
            assert idle.frame().opcode == PING
            idle.send(frame(PONG))
            assert until(lambda: node.metrics()["wye_pings_unanswered_total"] >= 1), "the silent one is still there"
            silent.socket.close()
            traffic.moves_on()
            node.reload(base + "idle-timeout = 2\n")
            while (got := idle.frame()).opcode == PING:
                pass
            assert got.payload[:2] == b"\x03\xe9", got
        change("")

        there = len(traffic.echoes) + len(traffic.subscribers) + 1
        log = node.reload(base.replace("max-connections = 300", f"max-connections = {there - 2}"))
        assert f'"max-connections" from 300 to {there - 2}' in log, log
        assert status() == 503
        change("")
        assert until(lambda: status() == 101)

        quiet = node.reload(base + "log = debug\n")
        assert '"log" from info to debug' in quiet, quiet
        traffic.moves_on()
        traffic.stop()


@test(seconds=60)
def what_only_a_restart_changes_is_said_once_a_key_and_stays():
    with FileNode("threads = 1\n" + LISTEN) as node:
        port = node.port
        log = node.reload("threads = 2\ndeflate = off\nping = 7\nlisten = 127.0.0.1:0\nlisten = 127.0.0.1:1\n")
        for words in ('restart to change "threads" from 1 to 2', 'restart to change "deflate" from shared to off',
                      'restart to change "listen" from 127.0.0.1:0 to 127.0.0.1:0, 127.0.0.1:1', '"ping" from 25 to 7'):
            assert log.count(words) == 1, (words, log)
        assert log.count("restart to change") == 3, log
        with Peer(("127.0.0.1", port)) as peer:
            peer.send(upgrade(Sec_WebSocket_Extensions="permessage-deflate"))
            assert "permessage-deflate" in peer.expect_switch().fields.get("sec-websocket-extensions", ""), "deflate is off already"
        assert set(node.by_loop("wye_turns_total")) == {0}
        log = node.reload("threads = 1\nping = 7\n" + LISTEN)
        assert "restart" not in log and "from" not in log, log


@test(seconds=60)
def a_broken_file_leaves_everything_as_it_was_and_says_so_with_its_line():
    good = "threads = 2\nmax-message = 1K\norigin = https://a.example\n" + LISTEN
    with FileNode(good) as node:
        traffic = Traffic(node)
        for text, words in (("max-message = 2K\nnonsense = 3\n", ":2: nonsense = 3: no such option"), ("max-message = none\n", ":1: max-message = none: expected"),
                            ("max-message = 2K\n[topic a//b]\n", ":2: [topic a//b]: "), ("max-message = 2K\nlisten = 0.0.0.0:0\n", ":2: listen = 0.0.0.0:0: other machines")):
            log = node.reload(text, "everything stays as it was")
            assert f"error SIGHUP: {node.path}{words}" in log and '" from ' not in log, log
        os.unlink(node.path)
        node.signal(signal.SIGHUP)
        assert until(lambda: f"SIGHUP: --config {node.path}: No such file or directory; everything stays as it was" in node.log())
        with Peer(node).open(Origin="https://a.example") as peer:
            peer.echo(b"x" * 1024)
            peer.send(frame(BINARY, b"x" * 1025))
            peer.expect_close(1009, end=False)
        traffic.moves_on()
        log = node.reload(good.replace("1K", "2K"))
        assert '"max-message" from 1K to 2K' in log, log
        traffic.stop()


@test(seconds=90)
def hundreds_of_reloads_under_traffic_lose_nothing_and_keep_no_memory():
    base = "threads = 2\n" + LISTEN
    with FileNode(base) as node:
        traffic = Traffic(node)
        texts = [base + "".join(f"origin = https://{number}-{at}.example\n" for at in range(60)) + f"ping = {20 + number}\n[topic stream/+]\non-slow = {policy}\n"
                 for number, policy in enumerate(("close", "drop", "latest"))]

        def reload(times):
            for number in range(times):
                write(texts[number % 3])
                node.signal(signal.SIGHUP)
                time.sleep(0.003)
        reload(100)
        node.reload(base)
        before = node.rss()
        reload(400)
        node.reload(base)
        grown = node.rss() - before
        assert SANITIZED or grown < 2 << 20, f"{grown} bytes"
        traffic.moves_on()
        traffic.stop()


@test(seconds=60)
def certificates_change_by_name_and_a_missing_one_leaves_everything():
    wants_tls()
    if not shutil.which("openssl"):
        raise Skipped("no openssl")
    authority = Authority(_folder.name)
    first, second = authority.sign("first", "localhost", "127.0.0.1"), authority.sign("second", "localhost", "127.0.0.1")
    context = ssl.create_default_context(cafile=os.path.join(_folder.name, "authority.pem"))

    def file(pair, more=""):
        return f"cert = {pair[0]}\nkey = {pair[1]}\nlisten = 127.0.0.1:0\ntls-listen = 127.0.0.1:0\n{more}"

    def shown():
        port = int(node.urls[1].rstrip("/").rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), 10) as raw, context.wrap_socket(raw, server_hostname="localhost") as tls:
            return tls.getpeercert()["subject"][0][0][1]

    with FileNode(file(first), listeners=2) as node:
        assert shown() == "first"
        log = node.reload(file(second))
        assert "the certificates have been read again" in log and f'"cert" from {first[0]} to {second[0]}' in log, log
        assert shown() == "second"
        log = node.reload(file((first[0], "/nowhere"), "max-message = 1K\n"), "everything stays as it was")
        assert "--key /nowhere: No such file" in log and "max-message" not in log, log
        assert shown() == "second"
        with Peer(node).open() as peer:
            peer.echo(b"x" * 2000)
        log = node.reload(f"cert = {first[0]}\nlisten = 127.0.0.1:0\ntls-listen = 127.0.0.1:0\n", "everything stays as it was")
        assert f":1: cert = {first[0]}: it needs the file with its private key" in log, log


if __name__ == "__main__":
    sys.exit(checks.main(__doc__))
