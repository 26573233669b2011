#!/usr/bin/python3
"""Holds a server that echoes messages to RFC 6455 and RFC 7692, over a socket.

    run.py HOST PORT [--path /echo] [--report FILE]     any server that echoes; the report is Markdown
    run.py --start build/wye [--long]                   starts wye, once for each way to compress, and is strict

For each row of the table:
  pass     all that had to come back came, in order, and the end is what it should be
  loose    kept by the letter only: the connection fails without a close frame, or with another code, or later than it could;
           an answer to what came before the fault is missing; the end isn't closed; a limit of its own is reached (1009)
  wrong    wrong data, silence, or what must be refused is taken
  none     it didn't agree to compress, and the row is about that
Of wye nothing but "pass" is good, in every way a row can be cut, and refusals must say why.

Exit status: 0 as it should be (of another server: the report was made), 1 not so, 2 the server can't be reached.
"""
import argparse
import asyncio
import collections
import json
import os
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../e2e"))
import closing
import compression
import framing
import limits
import utf8
from case import Pause, Table
from node import Node
from peer import Peer

AT_ONCE = 24
VERDICTS = ("pass", "loose", "wrong", "none")


def table_of(long, max_message, only=(framing, utf8, closing, limits, compression)):
    table = Table(long)
    table.max_message = max_message
    for each in only:
        each.rows(table)
    names = collections.Counter((case.group, case.name) for case in table.cases)
    assert max(names.values()) == 1, [name for name, count in names.items() if count > 1]
    return table.cases


def as_written(steps):
    return steps


def glued(steps):
    """In as few segments as can be."""
    joined = []
    for step in steps:
        if isinstance(step, bytes) and joined and isinstance(joined[-1], bytes):
            joined[-1] += step
        else:
            joined.append(step)
    return joined


def apart(steps):
    """A frame a segment."""
    return [part for step in steps for part in ((step, Pause(0.002)) if isinstance(step, bytes) else (step,))]


def in_bytes(steps):
    """A byte a segment."""
    return [part for step in steps for part in ([item for at in range(len(step)) for item in (step[at:at + 1], Pause(0.0003))] if isinstance(step, bytes) else [step])]


def ways(case):
    """How a row is sent to wye."""
    yield "as written", as_written
    if case.whole or callable(case.script):
        return
    sent = [step for step in case.script if isinstance(step, bytes)]
    if len(sent) > 1:
        yield "glued", glued
        if len(sent) < 20:
            yield "a frame a segment", apart
    if 1 < sum(map(len, sent)) <= 200:
        yield "a byte a segment", in_bytes


async def play(address, path, case, way, strict, making):
    """Returns (verdict, what was found)."""
    peer = Peer(case, strict, making)
    await peer.run(address, path, way)
    if peer.opened and case.answer and (fault := case.answer(peer.agreement, strict)):
        peer.wrong.append(fault)
    if peer.wrong:
        return "wrong", "; ".join(peer.wrong + peer.loose)
    if peer.declined or (case.offers and not case.answer and not peer.agreement):
        return "none", "it doesn't compress"
    return ("loose", "; ".join(peer.loose)) if peer.loose else ("pass", "")


async def play_all(address, path, cases, strict, at_once=AT_ONCE):
    """{case: (verdict, what was found)}, the worst of all ways."""
    gate, making = asyncio.Semaphore(at_once), asyncio.Lock()
    results = {}

    async def one(case, name, way):
        async with gate:
            verdict, found = await play(address, path, case, way, strict, making)
        before = results.get(case, ("pass", ""))
        worst = max(before, (verdict, found), key=lambda each: VERDICTS.index(each[0]))
        results[case] = worst if worst is before or name == "as written" or not found else (verdict, f"{name}: {found}")

    tasks = [one(case, *way) for case in cases for way in (ways(case) if strict else [("as written", as_written)])]
    await asyncio.gather(*tasks)
    return {case: results[case] for case in cases}, len(tasks)


# ---- wye ----

def strict_faults(results, mode):
    for case, (verdict, found) in results.items():
        if verdict != "pass" and not (verdict == "none" and mode == "off"):
            yield f"{case.number} {case.group}: {case.name}: {verdict}: {found}"


def hold_wye(options):
    """Each way to compress on a node of its own: all that is about compression there, and the rest once."""
    os.environ["WYE"] = os.path.abspath(options.start)
    begun, failures, rows, sent = time.monotonic(), [], 0, 0
    totals = {}
    for mode in ("shared", "takeover", "off"):
        cases = [case for case in table_of(options.long, 16 << 20) if case.offers or mode == "shared"]
        if mode == "off":  # what is left of compression there is that it isn't agreed to
            cases = [case for case in cases if case.answer]
            for case in cases:
                case.answer = lambda agreement, _: "it agrees" if agreement else None
        cases = chosen(cases, options)
        if not cases:
            continue
        with Node("--deflate", mode, "--threads", "1", "--log", "error") as node:
            results, count = asyncio.run(play_all(node.address, "/echo", cases, True))
        for fault in strict_faults(results, mode):
            failures.append(f"FAIL {fault} (--deflate {mode})")
        rows, sent = rows + len(cases), sent + count
        for case, (verdict, _) in results.items():
            totals.setdefault(case.group, collections.Counter())[verdict] += 1
    for group, counts in totals.items():
        print(f"{counts['pass']:5} of {sum(counts.values())} {group}")
    print("\n".join(line[:1500] for line in failures))
    print(f"{rows} rows sent in {sent} ways over as many connections, {time.monotonic() - begun:.1f} s")
    print(f"{rows - len(failures)} passed, {len(failures)} failed")
    return 1 if failures or not rows else 0


def chosen(cases, options):
    return [case for case in cases if options.k in f"{case.number} {case.group}: {case.name}"]


# ---- other servers ----

def report(results, title):
    groups = {}
    for case, (verdict, _) in results.items():
        groups.setdefault(case.group, collections.Counter())[verdict] += 1
    total = sum(groups.values(), collections.Counter())
    lines = [f"# {title}", "", "| group | " + " | ".join(VERDICTS) + " |", "| --- |" + " ---: |" * len(VERDICTS)]
    for group, counts in [*groups.items(), ("**all**", total)]:
        lines.append(f"| {group} | " + " | ".join(str(counts[each] or "") for each in VERDICTS) + " |")
    lines += ["", "Not passed:", ""]
    for case, (verdict, found) in sorted(results.items(), key=lambda item: -VERDICTS.index(item[1][0])):
        if verdict not in ("pass", "none"):
            lines.append(f"- {verdict}: {case.number} {case.group}: {case.name}: {found[:300]}")
    return "\n".join(lines) + "\n"


def hold_other(options):
    address = (options.host, options.port)
    cases = chosen(table_of(options.long, options.max_message), options)

    async def reached():
        writer = (await asyncio.wait_for(asyncio.open_connection(*address), 5))[1]
        writer.close()
    try:
        asyncio.run(reached())
    except (OSError, asyncio.TimeoutError) as trouble:
        print(f"run.py: {options.host}:{options.port}: {trouble}", file=sys.stderr)
        return 2
    results, _ = asyncio.run(play_all(address, options.path, cases, False, 8))
    text = report(results, options.title)
    if options.report:
        with open(options.report, "w") as file:
            file.write(text)
    else:
        print(text)
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"title": options.title, "rows": [[case.number, case.group, case.name, *result] for case, result in results.items()]}, file, indent=0)
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("host", nargs="?")
    parser.add_argument("port", nargs="?", type=int)
    parser.add_argument("--path", default="/echo", help="a path that echoes (%(default)s)")
    parser.add_argument("--start", metavar="PROGRAM", help="start this wye, and be strict")
    # WYE_LONG: tests/run.sh --long; builds with sanitizers are slow enough without.
    parser.add_argument("--long", action="store_true", default=bool(os.environ.get("WYE_LONG")) and not os.environ.get("WYE_SANITIZE"),
                        help="up to a thousand messages where a few do, and 4 MiB where 1 MiB does")
    parser.add_argument("--max-message", type=int, default=0, metavar="BYTES", help="the other server's limit: rows about it, too")
    parser.add_argument("--report", metavar="FILE", help="write the report there (standard output)")
    parser.add_argument("--json", metavar="FILE", help="write each row's verdict there")
    parser.add_argument("--title", default="WebSocket", help="the report's heading")
    parser.add_argument("-k", metavar="WORDS", default="", help="only rows with these words in number, group or name")
    parser.add_argument("--list", action="store_true", help="print the rows, and exit")
    options = parser.parse_args()
    if options.list:
        for case in chosen(table_of(options.long, options.max_message or 16 << 20), options):
            print(f"{case.number} {case.group}: {case.name}")
        return 0
    if options.start:
        return hold_wye(options)
    if options.port is None:
        parser.error("HOST PORT, or --start")
    return hold_other(options)


if __name__ == "__main__":
    sys.exit(main())
