#!/usr/bin/python3
"""Holds wye and three other WebSocket servers to the same table of requests, and writes bench/handshake.md.

    handshake.py --wye build/wye [--lws build/peers/libwebsockets] [--out bench/handshake.md]

The others are Debian's packages: node-ws, python3-websockets, libwebsockets-dev; one that isn't there is left out.
Each is the smallest echo server of its documentation.
"""
import argparse
import ctypes
import datetime
import json
import os
import signal
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True

import rig

HERE = os.path.dirname(os.path.abspath(__file__))
RUN = os.path.join(HERE, "../tests/handshake/run.py")
VERDICTS = ("pass", "mute", "lax", "refuses-wrongly")


def output(*command, **how):
    return subprocess.run(command, capture_output=True, text=True, **how).stdout.strip()


def peers(options):
    """(name with version, command, environment) of each server that is there."""
    yield output(options.wye, "--version"), lambda port: [options.wye, "--listen", f"127.0.0.1:{port}", "--log", "error"], {}
    modules = {"NODE_PATH": "/usr/share/nodejs:/usr/lib/nodejs"}
    version = output("node", "-p", "require('ws/package.json').version + ' (node ' + process.versions.node + ')'", env={**os.environ, **modules})
    if version:
        yield "npm ws " + version, lambda port: ["node", f"{HERE}/peers/ws.js", str(port), "deflate"], modules
    if options.lws:
        yield "libwebsockets " + output("pkg-config", "--modversion", "libwebsockets").rstrip("-"), lambda port: [options.lws, str(port)], {}
    version = output("/usr/bin/python3", "-c", "import websockets; print(websockets.__version__)")
    if version:
        yield "Python websockets " + version, lambda port: ["/usr/bin/python3", f"{HERE}/peers/python_websockets.py", str(port), "deflate"], {}


def judge(name, command, environment):
    """What run.py found: (counts, its report)."""
    port = rig.free_port()
    server = subprocess.Popen(command(port), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={**os.environ, **environment},
                              preexec_fn=lambda: ctypes.CDLL(None).prctl(1, signal.SIGKILL))
    try:
        server.stdout.readline()
        with tempfile.NamedTemporaryFile("r") as counts, tempfile.NamedTemporaryFile("r") as text:
            subprocess.run([RUN, "127.0.0.1", str(port), "--title", name, "--json", counts.name, "--report", text.name], check=True)
            return json.load(counts), text.read()
    finally:
        server.terminate()
        server.wait(10)


def cell(counts):
    good = counts.get("pass", 0)
    rest = ", ".join(f"{counts[each]} {each}" for each in VERDICTS[1:] if counts.get(each))
    return f"{good}" + (f"; {rest}" if rest else "")


def part(judged, kind, rules, title):
    """A row of the table: what a rule, or several, came to."""
    counts = [{each: sum(judged[name][kind].get(rule, {}).get(each, 0) for rule in rules) for each in VERDICTS} for name in judged]
    return f"| {title} | {sum(counts[0].values())} | " + " | ".join(map(cell, counts)) + " |"


def table(judged):
    first = next(iter(judged.values()))
    yield "| rule | rows | " + " | ".join(judged) + " |"
    yield "| --- | ---: |" + " --- |" * len(judged)
    for rule in first["demanded"]:
        yield part(judged, "demanded", [rule], rule)
    yield part(judged, "demanded", list(first["demanded"]), "**all that an RFC demands**")
    yield part(judged, "chosen", ["smuggling"], "nothing behind a refused upgrade is answered")
    yield part(judged, "chosen", [rule for rule in first["chosen"] if rule != "smuggling"], "what else is wye's own choice")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wye", default=os.path.join(HERE, "../build/wye"))
    parser.add_argument("--lws", help="the echo server of libwebsockets, built by peers/install.sh")
    parser.add_argument("--out", default=os.path.join(HERE, "handshake.md"))
    options = parser.parse_args()
    judged, details = {}, []
    for name, command, environment in peers(options):
        judged[name], text = judge(name, command, environment)
        details.append(text[text.index("Not passed"):] if "- " in text else "Everything passed.\n")
    lines = [
        "# The opening handshake of four servers", "",
        f"Made on {datetime.date.today()} by `bench/handshake.py` (Linux {os.uname().release}). Each server got the same requests, byte for byte, from",
        "`tests/handshake/run.py`, which runs against any server: `tests/handshake/run.py HOST PORT --path /echo`.", "",
        "A number counts rows that passed: an upgrade that keeps every rule gets a right 101, and one that breaks a rule which RFC 9110, 9112 or 6455",
        "demands of a server (MUST or SHOULD) is refused, with a body that says why. *mute*: refused rightly, but without a reason. *lax*: switched, or",
        "answered, where a rule forbids it. *refuses-wrongly*: every rule was kept, and no 101 came. The last two rows count what the RFCs leave open and",
        "wye decided; others may decide otherwise there, and are at no fault. Rows about wye's own paths and about Host and Origin policy aren't counted.",
        "Each server is the smallest echo server of its documentation with compression allowed, and all else by default.", "",
        *table(judged), "",
    ]
    for name, text in zip(judged, details):
        lines += [f"## {name}", "", text.strip(), ""]
    with open(options.out, "w") as file:
        file.write("\n".join(lines))
    print("\n".join(table(judged)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
