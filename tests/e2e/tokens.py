#!/usr/bin/python3
"""Tokens with other people's clients: curl, python's websockets, openssl; and the key files, from start to SIGHUP."""
import asyncio
import base64
import hashlib
import hmac
import inspect
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True

import websockets

import checks
import node as nodes
from authority import Authority
from checks import test
from node import Node, until

_folder = tempfile.TemporaryDirectory()
SECRET, OTHER = b"0123456789abcdef0123456789abcdef", b"another secret of 32 bytes and more"
ALL = {"publish": ["#"], "subscribe": ["#", "$wye/#"]}


def write(name, data, mode=0o600):
    """A file; its path."""
    path = os.path.join(_folder.name, name)
    with open(path, "wb") as file:
        file.write(data if isinstance(data, bytes) else data.encode())
    os.chmod(path, mode)
    return path


def b64(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def jwt(claims, secret=SECRET, **header):
    text = b64(json.dumps({"alg": "HS256", **header}).encode()) + "." + b64(json.dumps(claims).encode())
    return text + "." + b64(hmac.new(secret, text.encode(), hashlib.sha256).digest())


def jwks(**secrets):
    """A JWK Set of secrets by their kid."""
    return json.dumps({"keys": [{"kty": "oct", "kid": kid, "k": b64(secret)} for kid, secret in secrets.items()]})


def guarded(*options, **how):
    return Node("--token-key", write("secret", SECRET + b"\n"), *options, **how)


def curl(node, path, *arguments):
    """(status, head and body)."""
    done = subprocess.run(["curl", "-sS", "-i", "--max-time", "10", *arguments, node.url.rstrip("/") + path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return int(done.stdout.split()[1]), done.stdout


# What it is called, as the older API (Debian 12) and the newer one (Debian 13) have it.
_fields = "extra_headers" if "extra_headers" in inspect.signature(websockets.connect.__init__).parameters else "additional_headers"


def connect(node, path, fields=None, url=None, **how):
    more = {_fields: fields} if fields else {}
    return websockets.connect((url or node.ws) + path, compression=None, ping_interval=None, **more, **how)


async def refused(connecting):
    """The status with which an upgrade is refused."""
    try:
        async with connecting:
            return 101
    except websockets.InvalidHandshake as trouble:
        return getattr(trouble, "status_code", None) or trouble.response.status_code


def going(story):
    """Runs a test that is a coroutine."""
    def run():
        asyncio.run(story())
    run.__name__ = story.__name__
    return run


async def heard(ws, seconds=10):
    return await asyncio.wait_for(ws.recv(), seconds)


# ---- the places ----

@test
def curl_shows_its_token_in_each_place():
    good, bad = jwt(ALL), jwt(ALL, secret=OTHER)
    with guarded() as node:
        for target, arguments in ((f"?token={good}", []), ("", ["-H", f"Authorization: Bearer {good}"]), ("", ["--oauth2-bearer", good]), ("", ["-b", f"token={good}"])):
            status, said = curl(node, "/metrics" + target, *arguments)
            assert status == 200 and "wye_build_info" in said, said
            status, said = curl(node, "/chat" + target, "-d", "hello", *arguments)
            assert status == 200 and said.endswith('{"receivers":0}\n'), said
        status, said = curl(node, "/topics")
        assert status == 401 and '\nWWW-Authenticate: Bearer realm="wye"' in said and "--make-token" in said, said
        status, said = curl(node, "/topics", "-H", f"Authorization: Bearer {bad}", "-H", "Accept: application/problem+json")
        problem = json.loads(said.split("\n\n", 1)[-1].split("\r\n\r\n")[-1])
        assert status == 401 and problem["type"] == "urn:wye:rule:token-valid" and 'error="invalid_token"' in said, said
        status, said = curl(node, "/topics", "-H", f"Authorization: Bearer {good}", "-b", f"token={bad}")
        assert status == 200, said  # what is sent on purpose counts, not what a browser adds
        status, said = curl(node, f"/topics?token={good}", "-H", f"Authorization: Bearer {bad}")
        assert status == 400 and 'error="invalid_request"' in said, said
        for path in ("/", "/healthz", "/token.js"):
            assert curl(node, path)[0] == 200
        metrics = {name: value for name, value in re.findall(r'wye_refusals_by_rule_total\{loop="0",rule="(token[\w-]*)",status="\d+"\} (\d+)', curl(node, f"/metrics?token={good}")[1])}
        assert set(metrics) == {"token", "token-single", "token-valid", "token-scope"}, metrics


@test
@going
async def websockets_show_their_token_in_each_place():
    good = jwt({"subscribe": ["a/#"], "publish": ["a/b"]})
    with guarded() as node:
        ways = [(f"?token={good}", {}), ("", {"fields": {"Authorization": f"Bearer {good}"}}), ("", {"fields": {"Cookie": f"token={good}"}}),
                ("", {"fields": {"Cookie": f"token={good}"}, "origin": node.url.rstrip("/")}), ("", {"subprotocols": ["bearer", good]})]
        for query, how in ways:
            async with connect(node, "/topic/a/b" + query, **how) as ws:
                await ws.send("hello")
                assert await heard(ws) == "hello"
                assert ws.subprotocol == ("bearer" if "subprotocols" in how else None)
            assert await refused(connect(node, "/topic/b" + query, **how)) == 403
        assert await refused(connect(node, "/topic/a/b")) == 401
        evil = {"fields": {"Cookie": f"token={good}"}, "origin": "https://evil.example"}
        assert await refused(connect(node, "/topic/a/b", **evil)) == 403
        with guarded("--origin", "*") as everybodys, guarded("--origin", "https://evil.example") as theirs:
            assert await refused(connect(everybodys, "/topic/a/b", **evil)) == 401, "a cookie says nothing where nobody in particular was meant"
            async with connect(everybodys, f"/topic/a/b?token={good}", origin="https://evil.example"), connect(theirs, "/topic/a/b", **evil):
                pass
        async with connect(node, f"/topic/a/c?token={good}") as mute:
            await mute.send("may I?")
            try:
                await heard(mute)
                raise AssertionError("it was let through")
            except websockets.ConnectionClosed as end:
                assert (end.code, end.reason) == (1008, "this token may not publish here"), end


# ---- time ----

async def ends_in_the_middle(node, topic, url, how):
    """A subscriber in the middle of a numbered stream: when it was ended, with what, and what it had heard."""
    expires = int(time.time()) + 3
    stop, sent = asyncio.Event(), 0

    async def publish():
        nonlocal sent
        async with connect(node, f"/topic/{topic}?noecho&token={jwt(ALL)}") as ws:
            while not stop.is_set():
                await ws.send(str(sent))
                sent += 1
                await asyncio.sleep(0.005)
    publishing = asyncio.create_task(publish())
    got = []
    async with connect(node, f"/topic/{topic}?token={jwt({'subscribe': [topic], 'exp': expires})}", url=url, **how) as ws:
        try:
            while True:
                got.append(int(await heard(ws)))
        except websockets.ConnectionClosed as end:
            ended, code, reason = time.time(), end.code, end.reason
    before = sent
    await asyncio.sleep(0.2)
    assert sent > before + 5, "the others went on"
    stop.set()
    await publishing
    assert (code, reason) == (1008, "the token has expired"), (code, reason)
    late = ended - expires
    assert 0 <= late < (1 if not checks.SANITIZED else 2), f"ended {late:.3f} s after its end"
    assert len(got) > 100 and got == list(range(got[0], got[-1] + 1)), (got[:3], got[-3:], len(got))
    assert before - got[-1] < 60, (before, got[-1])
    return late


@test
@going
async def a_token_that_expires_ends_its_connection_in_the_middle_of_a_stream():
    authority = Authority(_folder.name)
    certificate, key = authority.sign("here", "localhost", "127.0.0.1")
    with guarded("--tls-listen", "127.0.0.1:0", "--cert", certificate, "--key", key) as node:
        port = int(re.search(r":(\d+)/$", next(url for url in node.urls if url.startswith("https:")))[1])
        trusting = ssl.create_default_context(cafile=authority.certificate)
        node.urls.sort(key=lambda url: url.startswith("https:"))
        late = await asyncio.gather(ends_in_the_middle(node, "plain", None, {}), ends_in_the_middle(node, "tls", f"wss://127.0.0.1:{port}", {"ssl": trusting}))
        assert curl(node, f"/metrics?token={jwt(ALL)}")[1].count("wye_tokens_expired_total{") >= 1
        print(f"     ended {late[0]:.3f} s and {late[1]:.3f} s (TLS) after the second began")


@test
def a_kept_connection_is_judged_anew_for_each_request():
    with guarded() as node:
        token = jwt({**ALL, "exp": int(time.time()) + 2})
        request = f"POST /chat?token={token} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx".encode()
        with socket.create_connection(node.address, timeout=10) as sock:
            statuses = []
            for _ in range(40):
                sock.sendall(request)
                statuses.append(sock.recv(4096).split()[1])
                if statuses[-1] != b"200":
                    break
                time.sleep(0.1)
        assert statuses[0] == b"200" and statuses[-1] == b"401" and 5 < len(statuses) < 30, statuses


# ---- nothing is shown ----

@test
@going
async def tokens_and_keys_reach_no_log_no_metric_and_no_answer():
    good, bad, odd = jwt(ALL), jwt(ALL, secret=OTHER), "bm90LWEtdG9rZW4taGVyZQ"
    with guarded("--log", "debug", "--tls-listen", "127.0.0.1:0", "--dev-cert") as node:
        node.urls.sort(key=lambda url: url.startswith("https:"))
        said = ""
        for token in (good, bad, odd):
            for method in ("GET", "POST", "PUT", "OPTIONS"):
                for path in ("/chat", "/topics", "/nowhere", "/topic/a//b", "/%zz"):
                    for fields in ("", f"Authorization: Bearer {token}\r\n", f"Cookie: token={token}\r\n", f"Authorization: {token}\r\n", "Bad name: x\r\n", f"Cookie : {token}\r\n"):
                        for end in ("HTTP/1.1\r\nHost: localhost\r\n", "HTTP/9.1\r\n", "\x01\r\n", "HTTP/1.1\r\nHost: evil.example\r\n"):
                            with socket.create_connection(node.address, timeout=10) as sock:
                                sock.sendall(f"{method} {path}?token={token} {end}{fields}Connection: close\r\n\r\n".encode())
                                said += sock.recv(65536).decode("latin-1")
        for path in ("/topics", "/metrics"):
            said += curl(node, path, "-H", f"Authorization: Bearer {good}")[1]
        async with connect(node, f"/topic/$wye/stats?token={good}") as ws:
            said += await heard(ws)
        node.signal(signal.SIGHUP)
        assert until(lambda: "have been read again" in node.log()), node.log()
        said += node.log()
        for secret in (*good.split("."), *bad.split("."), odd, SECRET.decode()):
            for piece in (secret[:16], secret[-16:]) if len(secret) > 36 else (secret[4:],):
                assert piece not in said or piece == good[:16], (piece, said[max(0, said.find(piece) - 200):][:300])
        assert good[:16] not in said


# ---- keys ----

@test
@going
async def keys_are_rotated_by_kid_and_a_broken_file_keeps_the_old_ones():
    path = write("rotating.json", jwks(one=SECRET))
    one, two = jwt(ALL, SECRET, kid="one"), jwt(ALL, OTHER, kid="two")

    def status(token):
        return curl(node, "/metrics", "-H", f"Authorization: Bearer {token}")[0]

    def reload(words):
        before = node.log().count(words)
        node.signal(signal.SIGHUP)
        assert until(lambda: node.log().count(words) > before), node.log()
    with Node("--token-key", path, "--threads", "2") as node:
        assert (status(one), status(two)) == (200, 401)
        async with connect(node, f"/chat?token={one}") as ws:
            write("rotating.json", jwks(one=SECRET, two=OTHER))
            reload("keys of tokens have been read again: 2")
            assert (status(one), status(two)) == (200, 200)
            write("rotating.json", jwks(two=OTHER))
            reload("keys of tokens have been read again: 1")
            for _ in range(6):  # whichever loop is asked
                assert (status(one), status(two)) == (401, 200)
            assert "'kid' names no key" in curl(node, "/metrics", "-H", f"Authorization: Bearer {one}")[1]
            for broken, words in (("{", "no JSON object"), ("short", "32 bytes or more"), (jwks(two=b"short"), "32 bytes or more")):
                write("rotating.json", broken)
                reload("everything stays as it was")
                assert words in node.log().splitlines()[-1] or words in node.log(), node.log()
                assert (status(one), status(two)) == (401, 200)
            os.unlink(path)
            reload("No such file")
            assert (status(one), status(two)) == (401, 200)
            await ws.send("still here")  # what was opened lives until its token ends
            assert await heard(ws) == "still here"


@test
def a_configuration_file_names_the_keys_and_may_change_them():
    write("one.key", SECRET)
    write("two.key", OTHER)
    path = write("wye.ini", f"token-key = one={_folder.name}/one.key\n")
    one, two = jwt({**ALL, "aud": "here"}, SECRET, kid="one"), jwt({**ALL, "aud": "here"}, OTHER, kid="two")
    with Node("--config", path) as node:
        assert "'aud' doesn't name" in curl(node, f"/metrics?token={one}")[1]
        write("wye.ini", f"token-audience = here\ntoken-key = one={_folder.name}/one.key\ntoken-key = two={_folder.name}/two.key\n")
        node.signal(signal.SIGHUP)
        assert until(lambda: "keys of tokens have been read again: 2" in node.log()), node.log()
        assert [curl(node, f"/metrics?token={token}")[0] for token in (one, two)] == [200, 200]
        write("wye.ini", "token-audience = here\n")
        node.signal(signal.SIGHUP)
        assert until(lambda: "everything stays as it was" in node.log()) and "it needs the key" in node.log(), node.log()
        assert curl(node, "/metrics")[0] == 401
        write("wye.ini", "")
        node.signal(signal.SIGHUP)
        assert until(lambda: "warn SIGHUP: open: whoever" in node.log()), node.log()
        assert curl(node, "/metrics")[0] == 200
    status, _, said = nodes.run("--check-config", "--token-key", "/nowhere/key")
    assert status == 2 and "/nowhere/key: No such file" in said, said


@test
def a_key_pair_of_openssl_makes_and_checks_tokens():
    private, public = os.path.join(_folder.name, "ed.pem"), os.path.join(_folder.name, "ed.pub")
    openssl = lambda *arguments: subprocess.run(["openssl", *arguments], check=True, capture_output=True)
    openssl("genpkey", "-algorithm", "ed25519", "-out", private)
    openssl("pkey", "-in", private, "-pubout", "-out", public)
    os.chmod(private, 0o600)
    os.chmod(public, 0o600)
    status, made, _ = nodes.run("--make-token", "--token-key", f"pair={private}", "--publish", "chat", "--subscribe", "chat", "--subject", "ada")
    assert status == 0 and made.count(".") == 2, made
    text = b64(json.dumps({"alg": "EdDSA", "kid": "pair"}).encode()) + "." + b64(json.dumps(ALL).encode())
    openssl("pkeyutl", "-sign", "-rawin", "-inkey", private, "-in", write("text", text), "-out", os.path.join(_folder.name, "signature"))
    with open(os.path.join(_folder.name, "signature"), "rb") as file:
        theirs = text + "." + b64(file.read())
    with Node("--token-key", f"pair={public}") as node:
        for token in (made.strip(), theirs):
            status, said = curl(node, f"/chat?token={token}", "-d", "x")
            assert status == 200, said
        public_as_secret = jwt(ALL, open(public, "rb").read(), kid="pair")
        assert curl(node, f"/chat?token={public_as_secret}", "-d", "x")[0] == 401
        assert "private" not in node.log(), node.log()
    with Node("--token-key", private) as node:
        assert "it holds the private key" in node.log() and "-pubout" in node.log(), node.log()
    status, _, said = nodes.run("--make-token", "--token-key", public, "--publish", "chat")
    assert status == 2 and "a public key checks tokens" in said, said


@test
def make_token_prints_one_that_says_what_was_asked_for():
    key = write("key", base64.b64encode(os.urandom(32)) + b"\n")
    status, text, said = nodes.run("--make-token", "--token-key", key, "--publish", "a", "--publish", "b/+", "--subscribe", "#", "--subject", "grüße", "--expires", "60")
    assert (status, said) == (0, ""), said
    head, claims, signature = text.strip().split(".")
    secret = open(key, "rb").read().rstrip()
    assert b64(hmac.new(secret, f"{head}.{claims}".encode(), hashlib.sha256).digest()) == signature
    claims = json.loads(base64.urlsafe_b64decode(claims + "=="))
    assert abs(claims.pop("iat") - time.time()) < 5 and abs(claims.pop("exp") - 60 - time.time()) < 5
    assert claims == {"publish": ["a", "b/+"], "subscribe": ["#"], "sub": "grüße"}, claims
    assert json.loads(base64.urlsafe_b64decode(head + "==")) == {"alg": "HS256", "typ": "JWT"}
    for options, exp in ((["--expires", "0"], None), ([], 3600)):
        _, text, _ = nodes.run("--make-token", "--token-key", f"k={key}", "--token-audience", "here", "--publish", "a", *options)
        claims = json.loads(base64.urlsafe_b64decode(text.split(".")[1] + "=="))
        assert claims.get("exp", 0) - claims["iat"] * (exp is not None) == (exp or 0) and claims["aud"] == "here", claims
        assert b'"kid":"k"' in base64.urlsafe_b64decode(text.split(".")[0] + "==")
    with Node("--token-key", f"k={key}", "--token-audience", "here") as node:
        assert curl(node, f"/topic/a?token={text.strip()}", "-d", "x")[0] == 200


@test
def what_cannot_be_is_refused_with_the_file_and_the_reason():
    short, private = write("short", "x" * 31), write("key", SECRET)
    rows = [
        (["--make-token", "--publish", "a"], 64, "head -c 32 /dev/urandom | base64"),
        (["--make-token", "--token-key", short, "--publish", "a"], 2, f"--token-key {short}: a secret has 32 bytes or more"),
        (["--make-token", "--token-key", private, "--publish", "a//b"], 64, "--publish a//b: a topic's name has an empty level"),
        (["--make-token", "--token-key", private, "--subscribe", "#/b"], 64, "--subscribe #/b"),
        (["--make-token", "--token-key", private, "--expires", "soon"], 64, "--expires soon"),
        (["--token-key", "/nowhere/key"], 2, "--token-key /nowhere/key: No such file or directory"),
        (["--token-key", _folder.name], 2, "Is a directory"),
        (["--token-key", write("large", "x" * 70000)], 2, "File too large"),
        (["--token-key", f"={private}"], 2, "name (KID=) is empty"),
        (["--token-key", private, "--token-key", f"a={private}", "--token-key", f"a={private}"], 2, "two keys of this name"),
        (["--publish", "a"], 64, "--make-token"),
        (["--token-audience", "here"], 64, "--token-key"),
        (["--listen", "0.0.0.0:0"], 64, "--token-key FILE"),
    ]
    for options, wanted, words in rows:
        status, out, said = nodes.run(*options)
        assert (status, out) == (wanted, "") and words in said, (options, status, out, said)
        assert SECRET.decode() not in said


@test
def the_node_says_at_its_start_who_may_and_what_is_odd_about_a_file():
    with Node() as node:
        assert "info open: whoever reaches this node may read and publish everything" in node.log(), node.log()
    with Node("--listen", "0.0.0.0:0", "--open") as node:
        assert "warn open: whoever" in node.log(), node.log()
    with Node("--listen", "0.0.0.0:0", "--token-key", write("named=key", SECRET + b"\n")) as node:
        log = node.log()
        assert "tokens are needed" in log and "open:" not in log and "warn" not in log, log
        assert "without the newline at its end" in log, log
        assert subprocess.run(["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", f"http://127.0.0.1:{node.port}/metrics"], capture_output=True, text=True).stdout == "401"
    with Node("--token-key", write("readable", SECRET, 0o644), "--token-key", write("set", '{"keys":[{"kty":"RSA"},' + jwks(a=OTHER)[10:-1] + "}")) as node:
        log = node.log()
        assert "readable: others than its owner can read it (mode 644); chmod 600" in log and "1 of its keys used, and 1 of other kinds left out" in log, log


@test
def a_page_of_an_allowed_origin_may_send_the_field():
    with guarded("--origin", "https://friend.example") as node:
        status, said = curl(node, "/chat", "-X", "OPTIONS", "-H", "Origin: https://friend.example", "-H", "Access-Control-Request-Method: POST")
        assert status == 204 and "Access-Control-Allow-Headers: Content-Type, Authorization" in said, said
        status, said = curl(node, "/chat", "-d", "x", "-H", "Origin: https://friend.example", "-b", f"token={jwt(ALL)}")
        assert status == 200, said
        status, said = curl(node, "/chat", "-d", "x", "-H", "Origin: https://evil.example", "-b", f"token={jwt(ALL)}")
        assert status == 403 and "another origin" in said, said


if __name__ == "__main__":
    sys.exit(checks.main(__doc__))
