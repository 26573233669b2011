"""Options, listeners, limits, signals, time-outs and the names of topics. Run by raw.py."""
import ctypes
import errno
import json
import os
import re
import select
import signal
import socket
import struct
import subprocess
import tempfile
import time

from checks import SLOW, Skipped, test
from node import Node, die_with_parent, program, run, until
from wire import BINARY, PING, PONG, TEXT, Peer, close, frame, request, stream_upgrade, upgrade

WITHOUT = set(filter(None, os.environ.get("WYE_WITHOUT", "").split(",")))


def free_port(host="127.0.0.1", family=socket.AF_INET):
    with socket.socket(family) as probe:
        probe.bind((host, 0))
        return probe.getsockname()[1]


def wants_ipv6():
    try:
        free_port("::1", socket.AF_INET6)
    except OSError as trouble:
        raise Skipped(f"no IPv6 on this machine: {trouble}") from None


# ---- options ----

@test
def help_and_version_and_rules_are_printed_with_exit_0():
    status, out, err = run("--help")
    assert status == 0 and out.startswith("usage: wye") and "--listen" in out and not err
    assert all(len(line) <= 110 for line in out.splitlines()) and out.count("\n") <= 45, "it fits a screen"
    status, everything, err = run("--help-all")
    assert status == 0 and "--history-memory" in everything and "--history-memory" not in out and not err
    assert set(re.findall(r"--[a-z-]+", out)) < set(re.findall(r"--[a-z-]+", everything))
    assert all(len(line) <= 110 for line in everything.splitlines())
    status, out, err = run("--version")
    assert status == 0 and re.fullmatch(r"wye \d+\.\d+\.\d+\n", out) and not err
    status, out, err = run("--rules")
    assert status == 0 and out.startswith("| rule ") and "| `connection-upgrade` |" in out and not err


@test
def wrong_options_exit_with_64_and_say_what_is_allowed():
    for options, words in (
        (["--bogus"], "see wye --help-all"),
        (["--listen"], "see wye --help-all"),
        (["extra"], "extra: not an option"),
        (["--listen", "nonsense"], "--listen nonsense: expected ADDR:PORT"),
        (["--listen", "127.0.0.1:99999"], "65535"),
        (["--listen", "127.0.0.1:"], "port"),
        (["--listen", "::1:8080"], "brackets"),
        (["--listen", "[::1:8080"], ""),
        (["--listen", "example.com:80"], "not an IPv4 address"),
        (["--listen", "unix:"], "path"),
        (["--listen", "unix:/" + "x" * 120], "107"),
        (["--threads", "0"], "from 1 to 64"),
        (["--threads", "65"], "from 1 to 64"),
        (["--threads", "two"], "from 1 to 64"),
        (["--max-connections", "0"], "from 1 to"),
        (["--max-connections", "-1"], "from 1 to"),
        (["--max-message", "0"], "from 1 to"),
        (["--max-message", "16Q"], "K, M and G"),
        (["--max-message", "99999999999999999999"], "from 1 to"),
        (["--outbox", "10"], "from 1024 to"),
        (["--on-slow", "wait"], "expected close, drop or latest"),
        (["--on-slow", "a/#/b=drop"], "last one"),
        (["--on-slow", "=drop"], "empty"),
        (["--shared-memory", "1K"], "from 1048576 to"),
        (["--ping", "-1"], "seconds"),
        (["--ping", "nan"], "seconds"),
        (["--idle-timeout", "soon"], "seconds"),
        (["--log", "loud"], "expected error, warn, info or debug"),
        (["--listen", "0.0.0.0:0"], "--open"),
        (["--listen", "127.0.0.1:0", "--listen", "[::]:0"], "--open"),
        (["--listen", "192.0.2.1:80"], "other machines can reach this address"),
        (["--listen", "127.0.0.1:0"] * 17, "at most 16"),
    ):
        status, out, err = run(*options)
        assert status == 64 and not out, f"{options}: exit status {status}, {out!r}"
        assert words in err and "wye:" in err, f"{options}: {err!r}"


@test
def a_wrong_WYE_WITHOUT_exits_with_64_and_says_what_is_known():
    status, _, err = run("--listen", "127.0.0.1:0", env={"WYE_WITHOUT": "inc,magic"})
    assert status == 64 and "magic" in err and "write_fixed" in err, (status, err)


@test
def the_node_says_what_it_uses_and_honours_WYE_WITHOUT_and_WYE_VARIANT(node):
    log = until(lambda: "io_uring:" in node.log() and node.log())
    for feature, words in (("direct", "ordinary descriptors"), ("inc", "plain buffers"), ("write_fixed", "101s copied")):
        if feature in WITHOUT:
            assert words in log, log
    if "optlen" in WITHOUT:
        assert "bounded receives" not in log, log
    if os.environ.get("WYE_VARIANT") == "portable":
        assert "scan portable, mask portable" in log, log
    with Peer(node).open() as peer:
        peer.echo()
    written = node.metrics()["wye_slots_written_total"]
    assert written == 0 if "write_fixed" in WITHOUT else written > 0 or "101s copied" in log, written


@test
def at_debug_each_refusal_and_each_close_by_the_node_is_a_line_of_the_log():
    with Node("--log", "debug") as node:
        with Peer(node) as peer:
            peer.send(b"GET /echo?token=secret HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert peer.response().status == 426
        with Peer(node).open() as peer:
            peer.send(bytes([0xC1, 0x80, 1, 2, 3, 4]))
            peer.expect_close(1002)
        lines = until(lambda: "closed: 1002" in node.log() and node.log()).splitlines()
        refused, closed = ([line.split(" ", 2)[2] for line in lines if word in line] for word in (" refused ", " closed: "))
        assert len(refused) == 1 and refused[0].startswith("refused GET /echo: 426 connection-upgrade, upgrade-token, key, websocket-version: "), refused
        assert len(closed) == 1 and closed[0].startswith("closed: 1002 "), closed
        assert "secret" not in node.log()


# A filter that answers io_uring_setup (425 everywhere) with an error, as containers do: load the number; compare; answer.
def forbid_io_uring(error):
    program_ = struct.pack("HBBI" * 4, 0x20, 0, 0, 0, 0x15, 0, 1, 425, 0x06, 0, 0, 0x00050000 | error, 0x06, 0, 0, 0x7fff0000)
    held = ctypes.create_string_buffer(program_)
    filter_ = struct.pack("HxxxxxxQ", 4, ctypes.addressof(held))
    libc = ctypes.CDLL(None, use_errno=True)

    def before():
        die_with_parent()
        if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, filter_, 0, 0):  # PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP
            os._exit(99)
    before.held = held
    return before


@test
def where_io_uring_is_forbidden_it_exits_with_69_and_says_so():
    for error in (errno.EPERM, errno.ENOSYS):
        status, out, err = run("--listen", "127.0.0.1:0", before=forbid_io_uring(error))
        if status == 99:
            raise Skipped("no seccomp filters on this machine")
        assert status == 69 and not out and "io_uring" in err and ("seccomp" in err or "container" in err), (status, err)
        status, out, _ = run("--help", before=forbid_io_uring(error))
        assert status == 0 and out


@test
def an_open_listener_says_that_it_is_open():
    with Node("--listen", "0.0.0.0:0", "--open") as node:
        assert node.url.startswith("http://0.0.0.0:")
        assert "whoever reaches this node" in node.log()
        with Peer(("127.0.0.1", node.port)) as peer:  # and any Host will do
            peer.send(upgrade(host="whatever.example"))
            peer.expect_switch()


@test
def more_threads_than_CPUs_are_warned_of():
    cpus = len(os.sched_getaffinity(0))
    with Node("--threads", str(cpus + 1)) as node:
        assert f"{cpus + 1} loops on {cpus} CPU" in node.log(), node.log()
        assert "not pinned" in node.log(), node.log()
        for _ in range(10):
            with Peer(node).open() as peer:
                peer.echo()
        assert set(node.by_loop("wye_turns_total")) == set(range(cpus + 1))


@test
def as_many_threads_as_CPUs_are_not_warned_of():
    with Node("--log", "warn") as node:
        with Peer(node).open() as peer:
            peer.echo()
    assert node.log() == "", node.log()


# ---- listeners ----

@test
def a_port_in_use_exits_with_2_and_says_so(node):
    status, out, err = run("--listen", f"127.0.0.1:{node.port}")
    assert status == 2 and not out and f"127.0.0.1:{node.port}: Address already in use. Another process listens there" in err, (status, err)
    assert f"ss -ltnp 'sport = :{node.port}'" in err and "--listen 127.0.0.1:0 takes any" in err, err
    assert len(err.splitlines()) == 1, err
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        status, out, err = run("--listen", "127.0.0.1:0", "--listen", f"127.0.0.1:{port}")
        assert status == 2 and not out and str(port) in err and "Address already in use" in err, (status, err)
    status, out, err = run("--open", "--listen", "192.0.2.1:0")  # documentation's: nobody has it (RFC 5737)
    assert status == 2 and not out and "--listen 0.0.0.0:0 listens on all" in err, (status, err)


@test
def a_port_is_free_again_as_soon_as_the_node_has_ended():
    port = free_port()
    for _ in range(3):
        with Node("--listen", f"127.0.0.1:{port}") as node, Peer(node).open() as peer:
            peer.echo()
            assert node.url == f"http://127.0.0.1:{port}/"


@test
def all_loops_share_one_free_port():
    with Node("--threads", "2") as node:
        for _ in range(40):
            Peer(node).open().echo().socket.close()
        assert until(lambda: all(count > 0 for count in node.by_loop("wye_upgrades_total").values())), node.by_loop("wye_upgrades_total")


def nobody_answers(path):
    """The kernel takes a killed process's ring apart a few milliseconds after its end."""
    try:
        return Peer(path).socket.close()
    except ConnectionRefusedError:
        return True


@test
def a_unix_socket_serves_HTTP_and_WebSocket_and_is_removed():
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/wye.sock"
        with Node("--listen", f"unix:{path}", "--listen", "127.0.0.1:0", "--threads", "2") as node:
            assert node.urls[0] == f"http+unix:{path}" and node.urls[1].startswith("http://127.0.0.1:"), node.urls
            done = subprocess.run(["curl", "-sS", "--max-time", "10", "--unix-socket", path, "http://localhost/healthz"], capture_output=True, text=True)
            assert done.stdout == "serving\n", done
            port = int(node.urls[1].rstrip("/").rpartition(":")[2])
            with Peer(path).open("/topic/over") as peer, Peer(("127.0.0.1", port)).open("/topic/over") as other:
                peer.send(frame(TEXT, "from unix"))
                other.expect(TEXT, "from unix")
                peer.expect(TEXT, "from unix")
                peer.leave()
            with Peer(path).open() as peer:
                peer.echo(b"x" * 200_000)
        assert not os.path.exists(path), "the socket's file is still there"


@test
def a_unix_socket_that_has_become_anothers_stays():
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/wye.sock"
        with Node("--listen", f"unix:{path}") as node:
            os.unlink(path)
            successor = socket.socket(socket.AF_UNIX)
            successor.bind(path)
            assert node.stop() == 0
        assert os.path.exists(path)
        successor.close()


@test
def a_unix_socket_left_over_is_replaced_and_a_live_one_or_a_file_is_not():
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/wye.sock"
        first = Node("--listen", f"unix:{path}").start()
        status, _, err = run("--listen", f"unix:{path}")
        assert status == 2 and "Address already in use. A process answers there" in err and f"ls -l {path}" in err, (status, err)
        first.kill()
        assert os.path.exists(path)
        assert until(lambda: nobody_answers(path), 5), "somebody still listens there"
        with Node("--listen", f"unix:{path}") as node, Peer(node).open() as peer:
            peer.echo()
        with open(path, "w") as file:
            file.write("precious")
        status, _, err = run("--listen", f"unix:{path}")
        assert status == 2 and open(path).read() == "precious", (status, err)


@test
def an_IPv6_listener_serves():
    wants_ipv6()
    with Node("--listen", "[::1]:0") as node:
        assert re.fullmatch(r"http://\[::1\]:\d+/", node.url), node.url
        done = subprocess.run(["curl", "-sS", "-g", "--max-time", "10", "--noproxy", "*", node.url + "healthz"], capture_output=True, text=True)
        assert done.stdout == "serving\n", done
        with Peer(node) as peer:
            peer.send(upgrade(host=f"[::1]:{node.port}", Origin=f"http://[::1]:{node.port}"))
            peer.expect_switch()
            peer.echo()


@test
def two_listeners_lead_to_the_same_topics():
    with Node("--listen", "127.0.0.1:0", "--listen", "127.0.0.2:0") as node:
        second = re.fullmatch(r"http://127\.0\.0\.2:(\d+)/", node.urls[1])
        with Peer(node).open("/topic/t") as one, Peer(("127.0.0.2", int(second[1]))).open("/topic/t") as two:
            one.send(frame(TEXT, "across"))
            two.expect(TEXT, "across")


# ---- limits ----

@test
def more_than_max_connections_get_a_503_and_the_next_after_one_has_left_gets_in():
    with Node("--max-connections", "5") as node:
        peers = [Peer(node).open() for _ in range(5)]
        for _ in range(8):
            with Peer(node) as peer:
                peer.send(upgrade())
                response = peer.response()
                assert response.status == 503 and response.fields["retry-after"] == "1" and response.fields["connection"] == "close", response
                assert "takes no more connections" in response.body and "(load: RFC 9110 15.6.4)" in response.body, response.body
                peer.expect_end()
        for peer in peers:
            peer.echo()
        peers.pop().leave()

        def gets_in():
            peer = Peer(node)
            peer.send(upgrade())
            if peer.response().status != 101:
                return peer.socket.close()
            return peer
        peers.append(until(gets_in, 5))
        assert peers[-1], "nobody gets in although one has left"
        peers[-1].echo()
        for peer in peers:
            peer.socket.close()
        assert until(lambda: refusals_of(node) >= 8, 5)


@test(seconds=30)
def when_descriptors_run_out_everybody_still_gets_an_answer():
    with Node("--threads", "1", descriptors=128) as node:
        peers = [Peer(node) for _ in range(400)]
        for peer in peers:
            peer.send(upgrade())
        # Those that wait in the kernel's queue get their turn when those that are refused have left.
        statuses, inside = [], []
        for peer in peers:
            response = peer.response()
            statuses.append(response.status)
            if response.status == 101:
                inside.append(peer)
            else:
                assert response.status == 503 and "retry-after" in response.fields, response
                peer.expect_end()
                peer.socket.close()
        assert 20 <= len(inside) < 128, f"{len(inside)} got in"
        for peer in inside:
            peer.echo()
            peer.socket.close()
        assert until(lambda: refusals_of(node) >= 400 - len(inside), 5)


def refusals_of(node):
    try:
        return node.metrics()["wye_accept_refused_total"]
    except OSError:  # a 503: those that have left may still be counted
        return 0


# ---- topics ----

@test
def the_names_of_topics_are_percent_decoded(node):
    with Peer(node).open("/topic/caf%C3%A9%20au%2blait/%74wo?noecho") as one, Peer(node).open("/topic/caf%c3%a9%20au+lait/two") as two:
        one.send(frame(TEXT, "same topic"))
        two.expect(TEXT, "same topic")
        names = [each["name"] for each in json.loads(node.get("/topics"))["topics"]]
        assert "café au+lait/two" in names, names
        one.expect_silence(0.1)


@test
def names_that_no_topic_can_have_are_refused_with_400(node):
    long, deep = "x" * 255, "/".join("abcdefghijklmnop")
    for name in (long, "%78" * 255, deep, "a.b-c_d~e", "$own/%F0%9F%98%80"):
        with Peer(node) as peer:
            peer.send(upgrade("/topic/" + name))
            peer.expect_switch()
    for name, words in ((long + "x", "longer than 255 bytes"), (deep + "/q", "more than 16 levels"), ("a%2Fb", "encoded slash"), ("a%2fb", "encoded slash"),
                        ("a//b", "empty level"), ("/a", "empty level"), ("a/", "empty level"), ("a%zz", "two hexadecimal digits"), ("a%", "two hexadecimal digits"),
                        ("a%00b", "NUL")):
        with Peer(node) as peer:
            peer.send(upgrade("/topic/" + name), request("/healthz"))
            response = peer.response()
            assert response.status == 400 and words in response.body and response.fields["connection"] == "close", (name, response)
            peer.expect_end()


@test
def chat_is_short_for_the_topic_of_that_name(node):
    with Peer(node).open("/chat") as one, Peer(node).open("/topic/chat?noecho") as two, Peer(node).open("/topic/other") as other:
        one.send(frame(TEXT, "hello"))
        for peer in (one, two):
            peer.expect(TEXT, "hello")
        two.send(frame(BINARY, b"\0hi"))
        one.expect(BINARY, b"\0hi")
        two.expect_silence(0.1)
        other.expect_silence(0)


@test
def the_nodes_own_topic_can_be_read_and_moves(node):
    with Peer(node).open("/topic/$wye/stats") as one, Peer(node).open("/topic/%24wye/stats") as two:
        first = json.loads(one.frame().payload)
        assert json.loads(two.frame().payload)["version"] == first["version"]
        with Peer(node).open() as peer:
            for _ in range(10):
                peer.echo()
        for _ in range(4):
            second = json.loads(one.frame().payload)
            if second["messages_in"] >= first["messages_in"] + 10:
                break
        assert second["messages_in"] >= first["messages_in"] + 10 and second["uptime_s"] >= first["uptime_s"]
        assert any(each["name"] == "$wye/stats" and each["subscribers"] >= 2 for each in second["topics"]), second["topics"]


@test
def publishing_to_the_nodes_own_topics_is_closed_with_1008(node):
    for name in ("$wye/stats", "$wye/other", "%24mine"):
        with Peer(node).open("/topic/" + name) as peer:
            peer.send(frame(TEXT, "forged"))
            while True:
                got = peer.frame()
                if got.opcode != TEXT:
                    break
                assert b"forged" not in got.payload
            assert got.payload[:2] == b"\x03\xf0" and b"the node's own" in got.payload, got
            peer.send(close(1008))
            peer.expect_end()


# ---- pings and idle time ----

@test(slow=True, seconds=15)
def a_peer_that_answers_pings_stays_and_a_silent_one_is_dropped():
    with Node("--ping", "1") as node, Peer(node).open() as lively, Peer(node).open() as silent, Peer(node).open() as talking:
        lively_pings, begun, dropped = 0, time.monotonic(), None
        lively.socket.settimeout(0.2)
        silent_frames = 0
        silent.socket.settimeout(4)
        while dropped is None:
            talking.send(frame(PONG))
            try:
                while True:
                    assert lively.frame().opcode == PING
                    lively_pings += 1
                    lively.send(frame(PONG))
            except TimeoutError:
                pass
            assert time.monotonic() - begun < 14, "the silent one is still there"
            if lively_pings >= 3:
                silent_frames = len(silent.rest()) // 2
                dropped = True
        assert silent_frames >= 1, "it was dropped without a ping"
        talking.buffer.clear()
        lively.socket.settimeout(5)
        lively.send(frame(TEXT, "here"))
        while (got := lively.frame()).opcode == PING:
            lively.send(frame(PONG))
        assert got.payload == b"here"
        assert node.metrics()["wye_pings_unanswered_total"] >= 1


@test(slow=True)
def a_connection_without_messages_is_closed_with_1001_after_the_idle_time():
    with Node("--idle-timeout", "1.5", "--ping", "0") as node, Peer(node).open() as idle, Peer(node).open() as busy:
        begun = time.monotonic()
        for _ in range(8):
            time.sleep(0.25)
            busy.echo()
            if select.select([idle.socket], [], [], 0)[0]:
                break
        idle.expect_close(1001, "idle", end=False)
        took = time.monotonic() - begun
        assert 1.3 < took < 1.5 + 1.1 * SLOW, f"after {took:.2f} s"
        idle.send(close(1001))
        idle.expect_end()
        busy.echo()


# ---- ending ----

@test
def SIGTERM_closes_websockets_with_1001_and_ends_with_0():
    for number in (signal.SIGTERM, signal.SIGINT):
        node = Node("--threads", "2").start()
        peers = [Peer(node).open(path) for path in ("/echo", "/topic/a", "/chat", "/topic/$wye/stats") * 5]
        halfway = Peer(node).open()
        halfway.send(frame(TEXT, "half a ", fin=False))
        idle = Peer(node)
        assert idle.ask("/healthz").status == 200
        stream = Peer(node).open_stream(b"last words")
        node.signal(number)
        for peer in [*peers, halfway]:
            while (got := peer.frame()).opcode == TEXT:
                pass
            assert got.payload == b"\x03\xe9the server is shutting down", got
            peer.send(close(1001))
            peer.expect_end()
        idle.expect_end()
        assert stream.rest() == b"last words"
        stream.socket.close()
        begun = time.monotonic()
        assert node.wait() == 0, node.log()
        assert time.monotonic() - begun < 3 * SLOW, "it waited although nobody was left"
        assert node.log().rstrip().endswith("ended"), node.log()


@test
def an_idle_node_ends_at_once_and_connections_after_that_are_refused():
    node = Node().start()
    address = node.address
    begun = time.monotonic()
    assert node.stop() == 0
    assert time.monotonic() - begun < 2 * SLOW
    try:
        socket.create_connection(address, 2)
        raise AssertionError("somebody still listens")
    except ConnectionRefusedError:
        pass


@test(slow=True, seconds=15)
def healthz_says_503_while_draining_and_clients_that_never_answer_are_waited_for_5_s_at_most():
    node = Node().start()
    stubborn, early, late = Peer(node).open(), Peer(node), Peer(node)
    stubborn.echo()
    # They have begun to speak: who is silent has but half a second more then.
    early.send(request("/healthz")[:7])
    late.send(upgrade()[:7])
    time.sleep(0.1)
    begun = time.monotonic()
    node.signal(signal.SIGTERM)
    stubborn.expect_close(1001, "shutting down", end=False)
    early.send(request("/healthz")[7:])
    response = early.response()
    assert response.status == 503 and response.body == "draining\n" and response.fields["connection"] == "close", response
    early.expect_end()
    for bytes_ in (upgrade()[7:], stream_upgrade()):
        late.send(bytes_)
        response = late.response()
        assert response.status == 503 and "retry-after" in response.fields, response
        late.expect_end()
        late = None
        try:
            late = Peer(node)  # while it drains, a new connection hears the same
        except OSError:
            break
    assert node.wait() == 0, node.log()
    took = time.monotonic() - begun
    assert 4.5 < took < 5 + 2 * SLOW, f"it took {took:.1f} s"


@test
def a_second_signal_ends_a_draining_node_at_once():
    node = Node().start()
    with Peer(node).open() as peer:
        node.signal(signal.SIGTERM)
        peer.expect_close(1001, end=False)
        begun = time.monotonic()
        node.signal(signal.SIGTERM)
        assert node.wait() == -signal.SIGTERM, node.process.returncode
        assert time.monotonic() - begun < 2 * SLOW


@test
def SIGHUP_while_draining_is_nothing():
    node = Node().start()
    with Peer(node).open() as peer:
        node.signal(signal.SIGTERM)
        peer.expect_close(1001, end=False)
        node.signal(signal.SIGHUP)
        time.sleep(0.2)
        peer.send(close(1001))
        peer.expect_end()
    assert node.wait() == 0, (node.process.returncode, node.log())


@test
def a_node_ends_with_0_in_the_middle_of_traffic():
    node = Node("--threads", "2").start()
    peers = [Peer(node).open(path) for path in ("/echo", "/topic/busy") * 10]
    data = frame(BINARY, b"x" * 5000) * 20
    streams = [Peer(node).open_stream() for _ in range(3)]
    for peer in peers + streams:
        peer.send_until_stuck(data, 0.01)
    unread = Peer(node).open()
    unread.send_until_stuck(frame(BINARY, b"x" * 1_000_000) * 40, 0.3)
    for peer in peers + streams:
        peer.send_until_stuck(data, 0.01)
    node.signal(signal.SIGTERM)
    for peer in peers + streams:
        peer.socket.close()
    unread.socket.close()
    assert node.wait() == 0, node.log()


@test
def SIGHUP_and_closed_output_do_no_harm():
    with Node() as node:
        node.signal(signal.SIGHUP)
        with Peer(node).open() as peer:
            peer.echo()


@test
def a_reader_of_the_output_that_goes_away_does_no_harm():
    process = subprocess.Popen([program(), "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        port = int(re.search(rb":(\d+)/", process.stdout.readline())[1])
        process.stdout.close()
        process.stderr.close()
        with Peer(("127.0.0.1", port)).open() as peer:
            peer.echo()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.wait()
