#!/usr/bin/python3
"""Shows a node every token of the table, in each place where one may stand, and compares the answers.

    run.py --start build/wye            prints what is wrong; exit status 0 as it should be, 1 not so
    run.py --corpus FOLDER              writes seeds for the fuzzer
"""
import argparse
import base64
import collections
import contextlib
import hashlib
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import table

PATIENCE = 10


@contextlib.contextmanager
def started(program, *options):
    """A node on a free port: its port."""
    node = subprocess.Popen([program, "--listen", "127.0.0.1:0", "--threads", "1", "--log", "warn", *options], stdout=subprocess.PIPE, text=True)
    try:
        yield int(re.search(r":(\d+)/$", node.stdout.readline().strip())[1])
    finally:
        node.send_signal(signal.SIGTERM)
        try:
            node.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            node.kill()
            node.wait()
        if node.returncode != 0:
            raise SystemExit(f"the node ended with {node.returncode}")


def ways(token):
    """How a token can be sent: (name, target, fields). Not every one can stand everywhere."""
    yield "Authorization", "/topic/chat", f"Authorization: Bearer {token}\r\n"
    if re.fullmatch(r"[!-~]*", token) and not re.search(r"[#&]", token):
        yield "query", f"/topic/chat?noecho&token={token}", ""
    if re.fullmatch(r"[\w.~!%+=-]*", token) and "=" not in token and token:
        yield "Sec-WebSocket-Protocol", "/topic/chat", f"Sec-WebSocket-Protocol: bearer, {token}\r\n"
    if re.fullmatch(r"[!-~ ]*", token) and not re.search(r'[;," ]', token):
        yield "cookie", "/topic/chat", f"Cookie: a=b; token={token}\r\n"


def ask(port, target, fields):
    """The whole answer to an upgrade."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as sock:
        sock.sendall(f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                     f"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{fields}\r\n".encode())
        data, whole = b"", None
        while whole is None or len(data) < whole:
            more = sock.recv(65536)
            if not more:
                break
            data += more
            head, end, _ = data.partition(b"\r\n\r\n")
            length = re.search(rb"\r\nContent-Length: (\d+)", head)
            whole = len(head + end) + (int(length[1]) if length else 0) if end else None
    return data.decode("latin-1")


def faults(answer, got, token):
    status = got[9:12]
    wanted = {table.GOOD: "101", table.SCOPE: "403"}.get(answer, "401")
    if status != wanted:
        yield f"status {status} in the place of {wanted}"
    if wanted == "401" and answer not in got:
        yield f"it doesn't say \"{answer}\""
    for code, error in (("401", "invalid_token"), ("403", "insufficient_scope")):
        if wanted == code and f'\r\nWWW-Authenticate: Bearer error="{error}"\r\n' not in got:
            yield f"no WWW-Authenticate with {error}"
    parts = [part for part in token.split(".") if len(part) > 12]
    if status != "101" and (table.HIDDEN in got or any(part in got or part[-12:] in got for part in parts)):
        yield "it shows the token, or what it says"


def show(port, rows):
    """Returns ({row: faults}, answers by status)."""
    failures, statuses = {}, collections.Counter()
    names = collections.Counter(name for name, _, _ in rows)
    assert max(names.values()) == 1, [name for name, count in names.items() if count > 1]
    for name, token, answer in rows:
        for way, target, fields in ways(token):
            got = ask(port, target, fields)
            statuses[got[9:12]] += 1
            wrong = list(faults(answer, got, token))
            if wrong:
                failures[f"{name} ({way})"] = wrong + [got[:600]]
    return failures, statuses


def metric(port, rule, token):
    """How often the node says that it has refused by a rule."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as sock:
        sock.sendall(f"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
        text = b"".join(iter(lambda: sock.recv(65536), b"")).decode()
    return sum(int(count) for count in re.findall(rf'^wye_refusals_by_rule_total{{loop="\d+",rule="{rule}",status="\d+"}} (\d+)$', text, re.M))


def run(program):
    now, begun = int(time.time()), time.monotonic()
    rows, named = list(table.rows(now)), list(table.with_audience(now))
    with tempfile.TemporaryDirectory() as folder:
        files = {"a": table.SECRET + b"\n", "ed": table.PEM, "old": table.jwk_set()}
        for name, data in files.items():
            with open(os.path.join(folder, name), "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
                file.write(data)
        keys = [f"--token-key=a={folder}/a", f"--token-key=ed={folder}/ed", f"--token-key={folder}/old"]
        with started(program, *keys) as port:
            failures, statuses = show(port, rows)
            own = table.subscribing("$wye/metrics")
            for rule, status in (("token-valid", "401"), ("token-scope", "403")):
                if metric(port, rule, own) != statuses[status]:
                    failures[f"the counter of {rule}"] = [f"{metric(port, rule, own)}, and {statuses[status]} were refused"]
        with started(program, f"--token-key={folder}/a", "--token-audience", "here") as port:
            more, others = show(port, named)
            failures.update(more)
    for name, wrong in failures.items():
        print(f"FAIL {name}: " + "\n     ".join(wrong).rstrip().replace("\n", "\n     "))
    print(f"{len(rows) + len(named)} tokens shown in {sum((statuses + others).values())} ways, {time.monotonic() - begun:.1f} s")
    print(f"{len(failures)} failed")
    return 1 if failures else 0


def write_corpus(folder):
    """The table as the fuzzer's seeds: what is decoded where it can be, so that it can be changed and signed again."""
    now, seeds = 1795584000, set()
    for _, token, _ in [*table.rows(now), *table.with_audience(now)]:
        parts = token.split(".")
        if len(token) > 2000:
            continue
        if len(parts) == 3 and all(len(part) % 4 != 1 and re.fullmatch(r"[\w-]*", part) for part in parts):
            header, claims = (base64.urlsafe_b64decode(part + "==") for part in parts[:2])
            seeds.add(b"j" + header + b"\n" + claims)
        else:
            seeds.add(b"t" + token.encode())
    seeds.update(b"k" + key for key in (table.SECRET + b"\n", table.PEM, table.jwk_set(), table.private_pem(), table.private_jwk()))
    seeds.update(f"rGET {target} HTTP/1.1\r\nHost: a\r\n{fields}\r\n".encode() for token in ("a.b.c", "") for _, target, fields in ways(token))
    os.makedirs(folder, exist_ok=True)
    for seed in seeds:
        with open(os.path.join(folder, hashlib.sha1(seed).hexdigest()[:12]), "wb") as file:
            file.write(seed)
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--start", metavar="PROGRAM", help="start this wye on free ports")
    parser.add_argument("--corpus", metavar="FOLDER", help="write seeds for the fuzzer there")
    options = parser.parse_args()
    if not options.start and not options.corpus:
        parser.error("--start or --corpus")
    sys.exit(write_corpus(options.corpus) if options.corpus else run(os.path.abspath(options.start)))
