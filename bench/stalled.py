#!/usr/bin/python3
"""What readers that stand still cost the others of their topic.

    stalled.py [--build build] [--rounds 5] [--seconds 2] [--subscribers 1000]

For each policy of --on-slow, rounds with 0, 1 and 100 subscribers that never read, and 0 again (A/A). First so much is published
that the outboxes of all of them are full (256 KiB); then 1 KiB fifty times a second, open loop, while wye-load times every delivery
to the others, in real-time priority where it may. Prints their p99 and its ratio to the round's without any, what became of the
stalled ones, and how much memory wye has more at the end. Exit status 1: a delivery was wrong, or not all outboxes filled.
"""
import base64
import contextlib
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import urllib.request

sys.dont_write_bytecode = True

import rig

OUTBOX, FILLS_MAX = 256 << 10, 10
KINDS = {"none": 0, "1": 1, "100": 100, "none again": 0}
FATES = {"close": "closed", "drop": "dropped", "latest": "replaced"}


def stall(port):
    """Subscribes, and never reads."""
    peer = socket.socket()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    peer.connect(("127.0.0.1", port))
    key = base64.b64encode(os.urandom(16)).decode()
    peer.sendall(f"GET /topic/stalled HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                 f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += peer.recv(1)
    return peer


def fates(port, policy):
    """How many messages, or readers, the policy struck so far."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    return int(sum(map(float, re.findall(rf"^wye_slow_{FATES[policy]}_total\S* (\S+)$", text, re.M))))


def rss_kib(process):
    with open(f"/proc/{process.pid}/status", encoding="ascii") as status:
        return int(re.search(r"VmRSS:\s+(\d+)", status.read())[1])


def load(options, port, core, *words):
    realtime = ["chrt", "-f", "1"] if os.geteuid() == 0 else []
    done = subprocess.run([*realtime, f"{options.build}/wye-load", "fanout", f"ws://127.0.0.1:{port}/topic/stalled?noecho", *words,
                           "--quiet", "--json", "-"], capture_output=True, text=True, preexec_fn=rig.on(core))
    rig.must_be_right(done, "wye-load")
    return json.loads(done.stdout)


def measure(options, policy, count):
    """(p99 in us, how many the policy struck, KiB that wye grew by)."""
    server_core, load_core = rig.cores()
    with contextlib.ExitStack() as stack:
        node, port = stack.enter_context(rig.wye(options.build, server_core, "--ping", "0", "--outbox", str(OUTBOX), "--max-message", "64K",
                                                 "--on-slow", policy))
        before = rss_kib(node)
        for _ in range(count):
            stack.enter_context(stall(port))
        for _ in range(FILLS_MAX):
            load(options, port, load_core, "--subscribers", "10", "--size", "16K", "--depth", "4", "--warmup", "0", "--seconds", "1")
            if fates(port, policy) >= count:
                break
        else:
            raise rig.CouldNot(f"{policy}: the outboxes of {count} readers didn't fill")
        result = load(options, port, load_core, "--subscribers", str(options.subscribers), "--size", "1K", "--rate", "50", "--warmup", "0.5",
                      "--seconds", str(options.seconds))
        return result["latency_us"]["p99"], fates(port, policy), rss_kib(node) - before


def main():
    parser = rig.arguments(__doc__, 11, 2)
    parser.add_argument("--subscribers", type=int, default=1000, help="that read (%(default)s)")
    options = parser.parse_args()
    print("| on-slow | stalled | p99 of the others, us | : none | struck | KiB more |\n| --- | --- | ---: | ---: | ---: | ---: |")
    for policy, fate in FATES.items():
        found = {kind: [] for kind in KINDS}
        for _ in range(options.rounds + 1):
            for kind, count in KINDS.items():
                found[kind].append(measure(options, policy, count))
        for kind, each in ((kind, each[1:]) for kind, each in found.items()):
            ratios = [p99 / base for (p99, _, _), (base, _, _) in zip(each, found["none"][1:])]
            struck = f"{statistics.median(struck for _, struck, _ in each):,.0f} {fate}"
            print(f"| {policy} | {kind} | {statistics.median(p99 for p99, _, _ in each):,.0f} | {rig.spread(ratios)} | {struck} "
                  f"| {statistics.median(grown for _, _, grown in each):,.0f} |", flush=True)
    return 0


if __name__ == "__main__":
    rig.run(main)
