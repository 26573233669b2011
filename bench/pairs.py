#!/usr/bin/python3
"""What one way of running wye costs beside another, on the same work.

    pairs.py [--build build] [--rounds 11] [--seconds 1] [NAME...]

For each pair, rounds of: the one way, the other, the one again (A/A). wye runs on one core (with two loops: on both) and
wye-load on the other. Cost is the CPU time of wye's process and of all ksoftirqd, per message or delivery. A round in which
wye-load found something wrong ends it all. --list tells the names. Exit status 1: wye was wrong; 2: could not run.
"""
import json
import os
import statistics
import subprocess
import sys

sys.dont_write_bytecode = True

import rig

FANOUT = ["fanout", "/topic/pairs?noecho", "--subscribers", "1000"]
PLAIN, WSS, TWO = ("plain ws", "ws", 1), ("wss", "wss", 1), ("two loops", "ws", 2)
ONE = ("one loop", "ws", 1)
SHORT, LONG = ("64 KiB", "ws", 1), ("1 MiB, by 64 KiB", "ws", 1)
LONG_ECHO = ["echo", "/echo", "--size", "64K"]
# The one way and the other: (what it is, scheme, loops); the load without the URL's scheme and host; what the other adds to it,
# and how many of the one's messages one of its own is, if not one.
PAIRS = {
    "long-echo-c1": (SHORT, LONG, [*LONG_ECHO, "--connections", "1"], ["--size", "1M"], 16),
    "long-echo-c10": (SHORT, LONG, [*LONG_ECHO, "--connections", "10"], ["--size", "1M"], 16),
    "wss-echo": (PLAIN, WSS, ["echo", "/echo", "--size", "20"], []),
    "wss-echo-d16": (PLAIN, WSS, ["echo", "/echo", "--size", "20", "--depth", "16"], []),
    "wss-echo-16k": (PLAIN, WSS, ["echo", "/echo", "--size", "16K"], []),
    "wss-fanout": (PLAIN, WSS, [*FANOUT, "--size", "100"], []),
    "wss-fanout-d16": (PLAIN, WSS, [*FANOUT, "--size", "100", "--depth", "16"], []),
    "deflate-fanout": (PLAIN, ("compressed", "ws", 1), [*FANOUT, "--size", "1K", "--payload", "records"], ["--deflate"]),
    "two-loops-fanout": (ONE, TWO, [*FANOUT, "--size", "100"], []),
    "two-loops-fanout-d16": (ONE, TWO, [*FANOUT, "--size", "100", "--depth", "16"], []),
}


def ksoftirqd_us():
    """CPU time of the kernel's threads for soft interrupts, of all cores."""
    ticks = 0
    for number in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{number}/stat", encoding="latin-1") as file:
                name, rest = file.read().rsplit(")", 1)
        except OSError:
            continue
        if "(ksoftirqd/" in name:
            ticks += sum(map(int, rest.split()[11:13]))
    return ticks * 1_000_000 // os.sysconf("SC_CLK_TCK")


def measure(options, way, load, more):
    """us of CPU a message."""
    _, scheme, loops = way
    server_core, load_core = rig.cores()
    listen = ["--tls-listen", "127.0.0.1:0", "--dev-cert"] if scheme == "wss" else ["--listen", "127.0.0.1:0"]
    cores = {server_core} if loops == 1 else {server_core, load_core}
    with rig.wye(options.build, cores, *listen, "--threads", str(loops)) as (node, port):
        scenario, path, *rest = load
        command = [f"{options.build}/wye-load", scenario, f"{scheme}://127.0.0.1:{port}{path}", *rest, *more, "--warmup", "0.3",
                   "--seconds", str(options.seconds), "--pid", str(node.pid), "--quiet", "--json", "-"]
        if scheme == "wss":
            command.append("--insecure")
        before = ksoftirqd_us()
        done = subprocess.run(command, capture_output=True, text=True, preexec_fn=rig.on(load_core))
        rig.must_be_right(done, " ".join(command))
        result = json.loads(done.stdout)
        return result["server_cpu_us_per_message"] + (ksoftirqd_us() - before) / result["messages"]


def main():
    parser = rig.arguments(__doc__, 11, 1)
    parser.add_argument("names", nargs="*", metavar="NAME", help="these pairs alone")
    parser.add_argument("--list", action="store_true", help="print the names, and exit")
    options = parser.parse_args()
    if options.list:
        print("\n".join(PAIRS))
        return 0
    if unknown := [name for name in options.names if name not in PAIRS]:
        parser.error(f"no such pair: {unknown[0]} (--list tells their names)")
    print("| | one | us each | other | us each | other : one | A/A |\n| --- | --- | ---: | --- | ---: | ---: | ---: |")
    for name in options.names or PAIRS:
        one, other, load, more, *times = PAIRS[name]
        parts = times[0] if times else 1
        costs = [(measure(options, one, load, []), measure(options, other, load, more) / parts, measure(options, one, load, []))
                 for _ in range(options.rounds + 1)][1:]
        firsts, others, _ = zip(*costs)
        print(f"| {name} | {one[0]} | {statistics.median(firsts):.3f} | {other[0]} | {statistics.median(others):.3f} "
              f"| {rig.spread([b / a for a, b, _ in costs])} | {rig.spread([c / a for a, _, c in costs])} |", flush=True)
    return 0


if __name__ == "__main__":
    rig.run(main)
