#!/usr/bin/python3
"""TLS with other people's clients: openssl s_client, curl, python's websockets, node's ws, Chromium; and with hostile ones."""
import asyncio
import os
import re
import resource
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True

import websockets

import checks
import node as nodes
from authority import Authority
from checks import Skipped, test
from node import Node, die_with_parent, until
from wire import random_bytes

HERE = os.path.dirname(os.path.abspath(__file__))
MIB = 1 << 20

_folder = tempfile.TemporaryDirectory()
_authority = None
_pairs = {}


def authority():
    global _authority
    if not _authority:
        _authority = Authority(_folder.name)
    return _authority


def pair(name, *dns, **how):
    """The options for a certificate, which is made once."""
    if name not in _pairs:
        _pairs[name] = authority().sign(name, *dns, **how)
    certificate, key = _pairs[name]
    return ["--cert", certificate, "--key", key]


def three_names():
    return [*pair("a", "a.example", "localhost", "127.0.0.1"), *pair("b", "b.example", kind="rsa"), *pair("wild", "*.wild.example")]


class TlsNode(Node):
    """A node with a plain listener and one with TLS."""

    def __init__(self, *options, **how):
        super().__init__("--tls-listen", "127.0.0.1:0", "--host", "a.example", "--host", "b.example", *options, **how)

    @property
    def https(self):
        return next(url for url in self.urls if url.startswith("https:"))

    @property
    def url(self):
        return next(url for url in self.urls if url.startswith("http:"))

    @property
    def tls_port(self):
        return int(re.search(r":(\d+)/$", self.https)[1])

    @property
    def wss(self):
        return f"wss://127.0.0.1:{self.tls_port}"


def trusting(version=None):
    context = ssl.create_default_context(cafile=authority().certificate)
    if version:
        context.minimum_version = context.maximum_version = version
    return context


def connect(node, context=None, name="localhost"):
    raw = socket.create_connection(("127.0.0.1", node.tls_port), timeout=10)
    return (context or trusting()).wrap_socket(raw, server_hostname=name, suppress_ragged_eofs=False)


def client_hello():
    """What a client says first."""
    into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    try:
        trusting().wrap_bio(into, out, server_hostname="localhost").do_handshake()
    except ssl.SSLWantReadError:
        pass
    return out.read()


def curl(*arguments):
    done = subprocess.run(["curl", "-sS", "--max-time", "10", "--cacert", authority().certificate, *arguments], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def s_client(node, *arguments, says=""):
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{node.tls_port}", "-CAfile", authority().certificate, "-ign_eof", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, input=says, timeout=10, preexec_fn=die_with_parent)
    return done.stdout + done.stderr


# ---- other people's clients ----

@test
def openssl_s_client_speaks_1_2_and_1_3_and_is_said_goodbye_to():
    request = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    with TlsNode(*three_names()) as node:
        for version in ("-tls1_2", "-tls1_3"):
            said = s_client(node, version, "-servername", "localhost", "-verify_hostname", "localhost", "-alpn", "h2,http/1.1", says=request)
            assert "Verify return code: 0 (ok)" in said and "ALPN protocol: http/1.1" in said and "serving" in said, said
            assert "closed" in said and "unexpected eof" not in said.lower(), said
        assert "no application protocol" in s_client(node, "-alpn", "h2", says=request)
        # RSA, and the ciphers of TLS 1.2 that aren't forward secret or not authenticated aren't there.
        assert "Cipher is ECDHE-RSA-" in s_client(node, "-tls1_2", "-servername", "b.example", says=request)
        for weak in ("AES128-SHA", "AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-SHA"):
            assert "handshake failure" in s_client(node, "-tls1_2", "-cipher", weak, says=request)


@test
def tls_min_1_3_refuses_1_2():
    with TlsNode(*three_names(), "--tls-min", "1.3") as node:
        assert "alert protocol version" in s_client(node, "-tls1_2")
        assert "Verify return code: 0 (ok)" in s_client(node, "-tls1_3", says="GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")


@test
def curl_believes_names_and_dates_and_is_told_when_they_are_wrong():
    with TlsNode(*three_names()) as node:
        here = ["--resolve", f"*:{node.tls_port}:127.0.0.1"]
        for name in ("a.example", "b.example", "localhost"):
            status, said = curl(*here, f"https://{name}:{node.tls_port}/healthz")
            assert (status, said) == (0, "serving\n"), said
        status, said = curl(*here, f"https://wrong.example:{node.tls_port}/healthz")
        assert status == 60 and "wrong.example" in said, said
        status, said = curl("-i", f"http://127.0.0.1:{node.tls_port}/healthz")
        assert "400 Bad Request" in said and "This is a TLS port" in said and "https:// or wss://" in said, said
        status, said = curl(f"https://127.0.0.1:{node.port}/healthz")
        assert status == 35, said
    with TlsNode(*pair("old", "localhost", expired=True)) as node:
        status, said = curl(f"https://localhost:{node.tls_port}/healthz")
        assert status == 60 and "expired" in said, said


@test
def the_name_asked_for_chooses_among_three_certificates():
    with TlsNode(*three_names()) as node:
        for asked, shown in (("a.example", "a"), ("b.example", "b"), ("x.wild.example", "wild"), ("x.y.wild.example", "a"), ("nobody.example", "a")):
            for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
                context = trusting(version)
                context.check_hostname = False
                with connect(node, context, asked) as tls:
                    assert tls.getpeercert()["subject"][0][0][1] == shown, (asked, tls.getpeercert())


@test
def sessions_are_resumed_on_whatever_loop():
    with TlsNode(*three_names(), "--threads", "2") as node:
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context, session = trusting(version), None
            for round in range(6):
                raw = socket.create_connection(("127.0.0.1", node.tls_port), timeout=10)
                with context.wrap_socket(raw, server_hostname="localhost", session=session) as tls:
                    tls.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
                    assert b"serving" in tls.recv(4096)
                    assert tls.session_reused == (round > 0), (version, round)
                    session = tls.session
        assert node.metrics()["wye_tls_resumed_total"] == 10
        # Certificates that are the same as before keep their tickets good.
        node.signal(1)
        assert until(lambda: "have been read again" in node.log()), node.log()
        raw = socket.create_connection(("127.0.0.1", node.tls_port), timeout=10)
        with context.wrap_socket(raw, server_hostname="localhost", session=session) as tls:
            assert tls.session_reused


async def echo_all(ws):
    for data in ("hello", "", b"\0\xff", random_bytes(125), random_bytes(16384), random_bytes(MIB), random_bytes(5 * MIB)):
        await ws.send(data)
        assert await asyncio.wait_for(ws.recv(), 20) == data


@test
def python_websockets_speaks_over_1_2_and_1_3():
    async def story(node, version):
        async with websockets.connect(node.wss + "/echo", ssl=trusting(version), max_size=32 * MIB, compression=None) as ws:
            await echo_all(ws)
        async with websockets.connect(node.wss + "/echo", ssl=trusting(version), max_size=32 * MIB) as ws:  # deflated
            await echo_all(ws)
        async with websockets.connect(node.wss + "/topic/x", ssl=trusting(version)) as a, websockets.connect(node.ws + "/topic/x") as b:
            await a.send("over tls")
            assert await asyncio.wait_for(b.recv(), 5) == await asyncio.wait_for(a.recv(), 5) == "over tls"

    with TlsNode(*three_names()) as node:
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            asyncio.run(story(node, version))
        assert until(lambda: node.metrics()["wye_connections"] == 1)
        metrics = node.metrics()
        assert metrics["wye_tls_broken_total"] == metrics["wye_tls_failed_total"] == metrics["wye_tls_cut_off_total"] == 0, metrics


@test(seconds=60)
def node_ws_is_content_over_wss():
    if not shutil.which("node"):
        raise Skipped("no node")
    with TlsNode(*three_names()) as node:
        done = subprocess.run(["node", os.path.join(HERE, "node_ws.js"), node.wss], capture_output=True, text=True, timeout=50, preexec_fn=die_with_parent,
                              env={**os.environ, "NODE_EXTRA_CA_CERTS": authority().certificate, "NODE_PATH": "/usr/share/nodejs"})
        assert done.returncode == 0 and "ok" in done.stdout and "FAIL" not in done.stdout, done.stdout + done.stderr


def wye_load(*arguments):
    program = os.path.join(os.path.dirname(nodes.program()), "wye-load")
    if not os.path.exists(program):
        raise Skipped("wye-load isn't built")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=30, preexec_fn=die_with_parent)
    return done.returncode, done.stdout + done.stderr


@test(seconds=60)
def wye_load_checks_every_byte_over_wss_and_believes_no_stranger():
    short = ["--seconds", "0.5", "--warmup", "0.1", "--ca", authority().certificate]
    with TlsNode(*three_names()) as node:
        url = f"wss://localhost:{node.tls_port}"
        for scenario, path, *more in (("echo", "/echo", "--connections", "10", "--depth", "4"), ("echo", "/echo", "--size", "100000", "--connections", "3"),
                                      ("fanout", "/topic/t", "--subscribers", "20", "--depth", "4"), ("idle", "/echo", "--connections", "50"),
                                      ("upgrade", "/echo", "--connections", "5"), ("upgrade", "/echo", "--connections", "5", "--full-handshakes")):
            before = node.metrics()["wye_tls_resumed_total"]
            for _ in range(5):  # on a busy machine half a second may be over before a second handshake
                status, said = wye_load(scenario, url + path, *short, *more)
                assert status == 0 and "right " in said and "TLSv1.3 TLS_" in said and " and TLS" not in said, said
                resumed = node.metrics()["wye_tls_resumed_total"] - before
                if resumed or scenario != "upgrade" or "--full-handshakes" in more:
                    break
            assert resumed == 0 if "--full-handshakes" in more else resumed > 0 or scenario != "upgrade", (scenario, resumed)
        for arguments, words in (((url, "--seconds", "0.2", "--ca", __file__), "no certificate"),
                                 ((f"wss://127.0.0.1:{node.port}", *short), "Protocol error"), ((url, "--seconds", "0.2"), "not signed by whom we trust")):
            status, said = wye_load("echo", *arguments, "--connections", "1")
            assert status in (1, 2) and words in said, (arguments, status, said)
        status, said = wye_load("echo", url + "/echo", "--seconds", "0.3", "--insecure", "--connections", "1")
        assert status == 0, said
    with TlsNode(*pair("b", "b.example", kind="rsa")) as node:
        status, said = wye_load("echo", f"wss://localhost:{node.tls_port}/echo", *short, "--connections", "1")
        assert status == 1 and "not for this name" in said, said
    with TlsNode(*pair("old", "localhost", expired=True)) as node:
        status, said = wye_load("echo", f"wss://localhost:{node.tls_port}/echo", *short, "--connections", "1")
        assert status == 1 and "has expired" in said, said
    status, said = wye_load("echo", "ws://127.0.0.1:1/", "--insecure")
    assert status == 64 and "wss://" in said, said


@test(seconds=60)
def the_page_and_its_chat_work_over_https_and_wss():
    if checks.SANITIZED or os.environ.get("WYE_SKIP_BROWSER"):
        raise Skipped("a browser is slow enough beside a node that isn't")
    import browser
    shots = os.environ.get("WYE_SHOTS") or os.path.join(os.path.dirname(nodes.program()), "shots")
    os.makedirs(shots, exist_ok=True)
    with Node("--dev-cert", "--tls-listen", "127.0.0.1:0") as node:
        node.urls.reverse()
        assert node.url.startswith("https:"), node.urls
        driver = browser.open_browser("--ignore-certificate-errors")
        try:
            page = browser.Page(driver, node, shots)
            driver.get(node.url)
            assert until(lambda: page.state() == "live"), page.state()
            page.rename("Ada")
            page.say("hello over wss")
            assert until(lambda: ["Ada", "hello over wss"] in page.said()), page.said()
            assert driver.execute_script("return location.protocol") == "https:"
            assert f"new WebSocket('wss://127.0.0.1:" in page.text("#snippet"), page.text("#snippet")
            assert until(lambda: page.value("messages-in") > 0), page.value("messages-in")
            time.sleep(1)
            page.shot("https")
        finally:
            driver.quit()


# ---- certificates ----

@test
def dev_cert_says_its_fingerprint_and_is_for_this_machine():
    with Node("--dev-cert", "--tls-listen", "127.0.0.1:0") as node:
        assert until(lambda: "SHA-256 fingerprint: " in node.log())
        port = int(re.search(r":(\d+)/$", node.urls[1])[1])
        pem = ssl.get_server_certificate(("127.0.0.1", port))
        with open(os.path.join(_folder.name, "dev.pem"), "w") as file:
            file.write(pem)
        shown = authority().openssl("x509", "-in", file.name, "-noout", "-fingerprint", "-sha256", "-text")
        assert re.search("SHA-256 fingerprint: ([0-9A-F:]{95})", node.log())[1] in shown, shown
        for name in ("DNS:localhost", "IP Address:127.0.0.1", "IP Address:0:0:0:0:0:0:0:1", "DNS:" + socket.gethostname()):
            assert name in shown, shown
        context = ssl.create_default_context(cafile=file.name)
        for name in ("localhost", "127.0.0.1"):
            with context.wrap_socket(socket.create_connection(("127.0.0.1", port), timeout=10), server_hostname=name) as tls:
                assert tls.version() == "TLSv1.3"


@test
def what_cannot_work_is_said_and_exits_with_64_or_2():
    a, key = pair("a")[1], pair("a")[3]
    b_key = pair("b", "b.example", kind="rsa")[3]
    missing = os.path.join(_folder.name, "missing")
    listen = ["--tls-listen", "127.0.0.1:0"]
    for options, status, words in (
            (["--cert", a], 64, "--key FILE"), (["--key", key], 64, "--cert FILE"), (listen, 64, "--dev-cert"), (["--cert", a, "--key", key], 64, "--tls-listen"),
            ([*listen, "--dev-cert", "--cert", a, "--key", key], 64, "leave out one"), ([*listen, "--dev-cert", "--tls-min", "1.1"], 64, "1.2 or 1.3"),
            (["--tls-listen", "0.0.0.0:0", "--dev-cert"], 64, "--open"), (["--tls-listen", "nonsense", "--dev-cert"], 64, "ADDR:PORT"),
            ([*listen, "--cert", missing, "--key", key], 2, f"--cert {missing}: No such file"), ([*listen, "--cert", a, "--key", missing], 2, f"--key {missing}: No such file"),
            ([*listen, "--cert", a, "--key", b_key], 2, "not the one of the first certificate"), ([*listen, "--cert", key, "--key", key], 2, "no certificate"),
            ([*listen, "--cert", a, "--key", a], 2, "no private key"), ([*listen, "--cert", _folder.name, "--key", key], 2, "Is a directory")):
        got, out, errors = nodes.run(*options)
        assert got == status and words in errors and not out, (options, got, errors)


@test
def tls_listen_alone_replaces_the_plain_listener_and_a_loose_key_is_warned_about():
    certificate, key = authority().sign("loose", "localhost")
    os.chmod(key, 0o644)
    node = Node("--listen", "127.0.0.1:0")
    node.options = ["--tls-listen", "127.0.0.1:0", "--cert", certificate, "--key", key]
    with node:
        assert len(node.urls) == 1 and node.urls[0].startswith("https://127.0.0.1:"), node.urls
        assert "others than its owner can read it (mode 644)" in node.log(), node.log()


class Talkers:
    """Echoes on some connections, without end, until stopped; any failure is kept."""

    def __init__(self, node, count):
        self.node, self.count, self.failure, self.rounds, self.stopping = node, count, None, 0, False
        self.thread = threading.Thread(target=lambda: asyncio.run(self.talk_all()))
        self.thread.start()

    async def talk(self):
        async with websockets.connect(self.node.wss + "/echo", ssl=trusting(), compression=None) as ws:
            while not self.stopping:
                data = random_bytes(1000 + self.rounds % 5000)
                await ws.send(data)
                assert await asyncio.wait_for(ws.recv(), 10) == data
                self.rounds += 1

    async def talk_all(self):
        try:
            await asyncio.gather(*[self.talk() for _ in range(self.count)])
        except Exception as failure:
            self.failure = failure

    def stop(self):
        self.stopping = True
        self.thread.join(20)
        assert self.failure is None, self.failure


@test(seconds=40)
def sighup_changes_certificates_and_loses_nobody():
    certificate, key = os.path.join(_folder.name, "live.pem"), os.path.join(_folder.name, "live.key")

    def install(name):
        old = pair(name, "localhost", "127.0.0.1")
        shutil.copy(old[1], certificate)
        shutil.copy(old[3], key)

    def shown():
        with connect(node) as tls:
            return tls.getpeercert()["subject"][0][0][1]

    install("before")
    with TlsNode("--cert", certificate, "--key", key, "--threads", "2") as node:
        talkers = Talkers(node, 5)
        assert until(lambda: talkers.rounds > 50)
        assert shown() == "before"
        install("after")
        assert shown() == "before"
        node.signal(1)
        assert until(lambda: shown() == "after", step=0.05)
        for broken in (b"-----BEGIN CERTIFICATE-----\nrubbish\n", b""):
            with open(certificate, "wb") as file:
                file.write(broken)
            logged = node.log().count("everything stays as it was")
            node.signal(1)
            assert until(lambda: node.log().count("everything stays as it was") == logged + 1), node.log()
            assert shown() == "after"
        for _ in range(20):
            install("before")
            node.signal(1)
            install("after")
            shown()
        rounds = talkers.rounds
        assert until(lambda: talkers.rounds > rounds + 50)
        talkers.stop()
        assert "SIGHUP: the certificates have been read again" in node.log()


# ---- endings and enemies ----

@test
def truncation_is_told_from_an_end():
    with TlsNode(*three_names()) as node:
        with connect(node) as tls:
            tls.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            said = b""
            while more := tls.recv(4096):  # ends with a close_notify, or this would raise
                said += more
            assert b"serving" in said
        polite = connect(node)
        polite.unwrap()  # returns when the node's close_notify has come
        assert node.metrics()["wye_tls_cut_off_total"] == 0
        rude = connect(node)
        rude.shutdown(socket.SHUT_WR)
        assert until(lambda: node.metrics()["wye_tls_cut_off_total"] == 1)
        rude.close()


@test
def garbage_before_and_inside_a_connection_is_counted_and_harms_nobody():
    with TlsNode(*three_names()) as node:
        quiet = connect(node)
        for garbage in (b"\x16\x03\x01\x00\x05hello", b"\0" * 100, random_bytes(5000).replace(b"\x16", b"\0")[:-1] + b"\0", client_hello()[:60] + random_bytes(2000)):
            with socket.create_connection(("127.0.0.1", node.tls_port), timeout=10) as raw:
                if b"A" <= garbage[:1] <= b"Z":
                    garbage = b"\0" + garbage
                raw.sendall(garbage)
                said = b""
                try:
                    while more := raw.recv(4096):
                        said += more
                except ConnectionResetError:
                    pass
                assert said[:1] in (b"\x15", b""), said
        context = trusting()
        raw = socket.create_connection(("127.0.0.1", node.tls_port), timeout=10)
        with context.wrap_socket(raw, server_hostname="localhost") as tls:
            os.write(tls.fileno(), b"\x17\x03\x03\x00\x40" + random_bytes(64))
            try:
                assert tls.recv(100) == b""
                raise AssertionError("no alert came")
            except ssl.SSLError as alert:
                assert "BAD_RECORD_MAC" in str(alert), alert
        metrics = node.metrics()
        assert metrics["wye_tls_failed_total"] >= 3 and metrics["wye_tls_broken_total"] == 1, metrics
        quiet.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"serving" in quiet.recv(4096)
        quiet.close()


@test(slow=True, seconds=60)
def ten_thousand_who_stop_in_the_middle_cost_bounded_memory_and_nobody_else():
    many = 1000 if checks.SANITIZED else 10000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < many + 200:
        raise Skipped(f"the descriptor limit is {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, many + 200), hard))
    hello, stuck = client_hello(), []
    with TlsNode(*three_names(), "--threads", "1") as node:
        talkers = Talkers(node, 2)
        before = node.rss()
        begun = time.monotonic()
        try:
            for number in range(many):
                raw = socket.socket()
                raw.connect(("127.0.0.1", node.tls_port))
                raw.sendall((hello, hello[:200], hello[:3])[number % 3] if number % 7 else b"")
                stuck.append(raw)
                if number % 500 == 0:
                    connect(node).close()  # a newcomer gets in
            metrics, grown = node.metrics(), node.rss() - before
            took = time.monotonic() - begun
            assert metrics["wye_tls_half_open"] <= 4096, metrics
            print(f"     {many} in {took:.1f} s: half open {metrics['wye_tls_half_open']:.0f}, crowded out {metrics['wye_tls_crowded_out_total']:.0f}, "
                  f"{grown / 1e6:.1f} MB more", flush=True)
            assert checks.SANITIZED or grown < 100 * MIB, grown
            assert until(lambda: node.metrics()["wye_connections"] <= 5, 20), node.metrics()["wye_connections"]
            assert node.metrics()["wye_tls_half_open"] == 0
        finally:
            for raw in stuck:
                raw.close()
        talkers.stop()


if __name__ == "__main__":
    sys.exit(checks.main(__doc__))
