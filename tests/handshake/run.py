#!/usr/bin/python3
"""Holds a server to the rules of the WebSocket opening handshake, and to those of the HTTP below it.

    run.py HOST PORT [--path /echo] [--report FILE]     any server; the report is Markdown
    run.py HOST PORT --wye                              wye: fields, sentences, closing and smuggling as well
    run.py --start build/wye                            starts wye on a free port, and is strict

Of another server only the outcome is asked. For each row of the table:
  pass             it switches where it should, and refuses with a reason where it should
  mute             it refuses rightly, but says nothing that would tell why
  lax              it switches, or answers, where a rule forbids that
  refuses-wrongly  it doesn't switch although every rule is kept
Rows that are wye's own choice are counted apart: there "lax" is no fault.

Exit status: 0 as it should be (of another server: the report was made), 1 not so, 2 the server can't be reached.
"""
import argparse
import asyncio
import collections
import contextlib
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import time
import zlib

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bodies
import grammar
import plain
import upgrade
from case import ACCEPT, CLOSES, STAYS, SWITCHED, TOPIC, Table
from listener import Listener

PATIENCE = 8.0  # s that wye may take for anything
FOREIGN_PATIENCE = 1.5
AT_ONCE = 48
ECHO = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", b"\x81\x05Hello"
SMUGGLED = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"

Response = collections.namedtuple("Response", "status fields body whole")
_topics = itertools.count(1)


def rows(authority, path):
    table = Table(authority, path)
    for each in (grammar, upgrade, plain, bodies):
        each.rows(table)
    names = collections.Counter((case.rule, case.name) for case in table.cases)
    assert max(names.values()) == 1, [name for name, count in names.items() if count > 1]
    return table.cases


# ---- responses ----

def is_head(request, index):
    """Does response `index` answer a HEAD? (Only the first of the table's requests may be one.)"""
    return index == 0 and request.lstrip(b"\r\n").startswith(b"HEAD ")


def read_responses(data, request):
    """The responses in `data`, and what is left (bytes behind a 101, or of a response that isn't whole)."""
    responses = []
    while data:
        head, end, rest = data.partition(b"\r\n\r\n")
        match = re.match(rb"HTTP/1\.[01] (\d{3})(?: [^\r\n]*)?\r?\n?", head + b"\r\n")
        if not end or not match:
            break
        status = int(match[1])
        fields = [tuple(part.strip() for part in line.partition(":")[::2]) for line in head.decode("latin-1").split("\r\n")[1:]]
        fields = [(name.lower(), value) for name, value in fields]
        named = dict(fields)
        final = [each for each in responses if each.status >= 200]
        if status < 200 or status in (204, 304) or is_head(request, len(final)):
            count = 0
        elif named.get("transfer-encoding", "").lower() == "chunked":
            last = rest.find(b"0\r\n\r\n")
            count = len(rest) if last < 0 else last + 5
        else:
            count = int(named.get("content-length", len(rest)))
        responses.append(Response(status, fields, rest[:count], len(rest) >= count))
        data = rest[count:]
        if status == 101:
            break
    return responses, data


def named(segments, topic):
    """The segments with TOPIC, wherever it is cut, being another one."""
    whole, cuts = b"".join(segments).replace(TOPIC.encode(), topic.encode()), [0, *itertools.accumulate(map(len, segments))]
    return [whole[start:end] for start, end in zip(cuts, cuts[1:])]


class Exchange:
    """One connection: what was sent, what came, how it ended."""

    def __init__(self, case, patience):
        self.case, self.patience = case, patience
        self.data, self.ended, self.reset, self.echoed, self.published = b"", False, False, None, None

    async def run(self, address, segments, pause):
        if self.case.published is None:
            return await self.talk(address, segments, self.case.rest, pause)
        topic = f"body-{next(_topics):08}"
        async with Listener(address, topic, self.patience) as listener:
            await self.talk(address, named(segments, topic), self.case.rest, pause)
            self.published = await listener.messages()
        return self

    async def talk(self, address, segments, rest, pause):
        connect = asyncio.open_unix_connection(address) if isinstance(address, str) else asyncio.open_connection(*address)
        reader, writer = await asyncio.wait_for(connect, self.patience)
        # The answer, and the end, may come before all is sent.
        receiving = asyncio.create_task(self.receive(reader))
        try:
            for at, segment in enumerate(segments):
                if at:
                    await asyncio.sleep(pause)
                if self.ended:  # an answer may come before the body that it doesn't need
                    break
                writer.write(segment)
                if len(segment) < 65536:
                    await writer.drain()
            if rest:
                await self.interim(receiving)
                writer.write(rest)
            if self.case.ends:
                writer.write_eof()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(receiving, self.patience)
            await self.go_on(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            self.reset = True
        finally:
            receiving.cancel()
            writer.close()
            with contextlib.suppress(ConnectionError, asyncio.TimeoutError):
                await asyncio.wait_for(writer.wait_closed(), 1)
        self.responses, self.rest = read_responses(self.data, self.case.request)
        return self

    def complete(self):
        """Is all there that is expected on a connection that stays?"""
        responses, _ = read_responses(self.data, self.case.request)
        return bool(responses) and responses[-1].whole and (responses[-1].status == 101 or len(responses) >= len(self.case.statuses) and self.case.after not in (CLOSES, "ends"))

    async def receive(self, reader):
        while not self.ended and not self.complete():
            more = await reader.read(1 << 16)
            self.ended = not more
            self.data += more

    async def interim(self, receiving):
        """Waits for a first response."""
        until = time.monotonic() + self.patience
        while b"\r\n\r\n" not in self.data and not receiving.done() and time.monotonic() < until:
            await asyncio.sleep(0.001)

    async def go_on(self, reader, writer):
        """Shows that a switched connection speaks WebSocket, and a kept one HTTP."""
        responses, rest = read_responses(self.data, self.case.request)
        if not responses or self.ended:
            return
        if self.case.after == SWITCHED and responses[-1].status == 101:
            stream = dict(responses[-1].fields).get("upgrade", "").lower() != "websocket"
            to, back = (b"Hello", b"Hello") if stream else ECHO
            writer.write(to)
            with contextlib.suppress(asyncio.TimeoutError):
                while len(rest) < len(back):
                    more = await asyncio.wait_for(reader.read(4096), self.patience)
                    if not more:
                        break
                    rest += more
            self.echoed = rest.startswith(back)  # others may speak on the same topic
        elif self.case.after == STAYS:
            before = len(self.data)
            writer.write(SMUGGLED)
            with contextlib.suppress(asyncio.TimeoutError):
                while b"\r\n\r\nserving\n" not in self.data[before:]:
                    more = await asyncio.wait_for(reader.read(1 << 16), self.patience)
                    if not more:
                        break
                    self.data += more
            self.echoed = self.data[before:].startswith(b"HTTP/1.1 200 ") and self.data.endswith(b"serving\n")
            self.data = self.data[:before]


# ---- strict ----

def faults(exchange):
    """What wye did otherwise than it should have, a sentence each."""
    case, responses = exchange.case, exchange.responses
    statuses = [response.status for response in responses]
    if exchange.reset:
        yield "the connection was reset"
    if statuses != case.statuses:
        yield f"status {statuses}, expected {case.statuses}"
        return
    if responses and not responses[-1].whole:
        yield "the answer was cut off"
    if responses:
        yield from field_faults(case, responses[-1])
        yield from body_faults(case, responses[-1])
    if exchange.published != case.published:
        yield f"published {exchange.published}, expected {case.published}"
    if case.published is not None and exchange.data.count(b'{"receivers":1}\n') != len(case.published):
        yield f"{len(case.published)} messages are published, and the answers say {exchange.data!r}"
    if case.after == SWITCHED and not exchange.echoed:
        yield "nothing came back over the switched connection"
    if case.after == STAYS and not exchange.echoed:
        yield "the connection should have stayed"
    if case.after in (CLOSES, "ends") and not exchange.ended:
        yield "the connection should have ended"
    if case.after == CLOSES and exchange.rest:
        yield f"bytes behind the last answer: {exchange.rest[:60]!r}"


def field_faults(case, response):
    names = [name for name, _ in response.fields]
    named = dict(response.fields)
    if len(set(names)) < len(names):
        yield f"a field is there twice: {names}"
    for name, value in case.fields.items():
        if named.get(name) != value:
            yield f"{name}: {named.get(name)!r}, expected {value!r}"
    if response.status == 101:
        websocket = case.fields.get("upgrade", "websocket") == "websocket"
        if websocket and (named.get("sec-websocket-accept") != ACCEPT or named.get("upgrade") != "websocket"):
            yield f"a 101 with {named}"
        if named.get("connection") != "Upgrade":
            yield f"a 101 with Connection: {named.get('connection')!r}"
        return
    if "date" not in named:
        yield "no Date"
    if response.status == 426 and not ("upgrade" in named and "upgrade" in named.get("connection", "")):
        yield "a 426 without Upgrade and Connection: upgrade"
    if response.status == 405 and "allow" not in named:
        yield "a 405 without Allow"
    closes = "close" in re.split(r"\s*,\s*", named.get("connection", "").lower())
    if closes != (case.after == CLOSES):
        yield f"Connection: {named.get('connection')!r}, but it {case.after}"


def body_faults(case, response):
    if is_head(case.request, 0) and len(case.statuses) == 1:
        return
    text = response.body.decode("utf-8", "replace")
    problem = dict(response.fields).get("content-type") == "application/problem+json"
    if problem:
        try:
            told = json.loads(text)
            if told["status"] != response.status or not told["rules"]:
                yield f"problem details: {text}"
        except (ValueError, KeyError) as trouble:
            yield f"problem details that aren't: {trouble!r}: {text}"
    elif response.status >= 400:
        if case.rule not in ("smuggling", "pipelining") and f"({case.rule}: " not in text:
            yield f"rule {case.rule} isn't named in {text!r}"
        if re.search(r"[^\n -~]", text):
            yield f"more than printable ASCII in {text!r}"
    for words in case.says:
        if words not in text:
            yield f"{words!r} isn't in {text!r}"


def ways(case):
    """How a row is sent to wye: (name, segments, pause in s)."""
    request = case.request
    yield "whole", [request], 0
    if case.split and len(request) > 1:
        # Anywhere, but always at the same place; and between CR and LF of a line in the middle.
        for name, cut in (("split", 1 + zlib.crc32(request) % (len(request) - 1)), ("split in a CRLF", request.find(b"\r\n", len(request) // 2) + 1)):
            if 0 < cut < len(request):
                yield name, [request[:cut], request[cut:]], 0.004
        if case.slices or (len(request) < 400 and zlib.crc32(request) % 8 == 0):
            yield "a byte a segment", sliced(request), 0.0005
    if case.after == CLOSES and not case.ends and not case.rest:
        yield "with a request glued behind", [request + SMUGGLED * 2], 0


def sliced(request):
    """Single bytes; of a long request its start in one, and its last 600."""
    start = max(0, len(request) - 600)
    return [request[:start]] * (start > 0) + [request[at:at + 1] for at in range(start, len(request))]


async def strict(address, cases, echo_path):
    gate = asyncio.Semaphore(AT_ONCE)
    failures = collections.defaultdict(list)
    sent = 0

    async def one(case, way, segments, pause):
        async with gate:
            try:
                exchange = await Exchange(case, PATIENCE).run(address, segments, pause)
                for fault in faults(exchange):
                    failures[case].append(f"{way}: {fault}")
            except (OSError, asyncio.TimeoutError) as trouble:
                failures[case].append(f"{way}: {trouble!r}")

    tasks = [one(case, *way) for case in cases for way in ways(case)]
    sent = len(tasks)
    await asyncio.gather(*tasks)
    return failures, sent


# ---- of other servers ----

def says_why(response):
    """Is there more in the body than the status in other words?"""
    text = re.sub(r"<style.*?</style>|<[^>]*>", " ", response.body.decode("utf-8", "replace"), flags=re.S)
    words = set(re.findall(r"[a-z]{3,}", text.lower()))
    return len(words - set("bad request error http method not allowed upgrade required found forbidden unsupported version too large internal server status the uri long header fields".split())) >= 2


def verdict(exchange):
    case = exchange.case
    final = [each for each in exchange.responses if each.status != 100]
    status = final[0].status if final else None
    if case.rule == "smuggling":
        return "lax" if len(final) > 1 or status == 101 else "pass"
    if case.statuses[-1] == 101:
        if status != 101:
            return "refuses-wrongly"
        named = dict(final[0].fields)
        if case.statuses[0] == 100 and exchange.responses[0].status != 100:
            return "lax"
        if named.get("sec-websocket-accept") != ACCEPT or named.get("sec-websocket-protocol") == "":
            return "lax"
        return "pass"
    if status is not None and status < 400:
        return "lax"
    if status is None or not (says_why(final[0]) or is_head(case.request, 0)):
        return "mute"
    return "pass"


async def foreign(address, cases):
    gate = asyncio.Semaphore(AT_ONCE)
    results = {}

    async def one(case):
        async with gate:
            try:
                exchange = await Exchange(case, FOREIGN_PATIENCE).run(address, [case.request], 0)
                final = [str(each.status) for each in exchange.responses]
                results[case] = verdict(exchange), " ".join(final) or "no answer"
            except (OSError, asyncio.TimeoutError) as trouble:
                results[case] = "mute", f"no answer ({type(trouble).__name__})"

    await asyncio.gather(*[one(case) for case in cases if case.foreign])
    return results


VERDICTS = ("pass", "mute", "lax", "refuses-wrongly")


def tally(results):
    """{rule: Counter of verdicts}: of the rows that an RFC demands, and of the rest."""
    demanded, chosen = {}, {}
    for case, (what, _) in results.items():
        (demanded if case.must else chosen).setdefault(case.rule, collections.Counter())[what] += 1
    return demanded, chosen


def report(results, title):
    demanded, chosen = tally(results)
    lines = [f"# {title}", "", "| rule | " + " | ".join(VERDICTS) + " |", "| --- |" + " ---: |" * len(VERDICTS)]
    for counted, mark, name in ((demanded, "", "all that an RFC demands"), (chosen, "*", "all that is wye's own choice")):
        total = sum(counted.values(), collections.Counter())
        for rule, counts in [*((rule + mark, counts) for rule, counts in counted.items()), (f"**{name}**", total)]:
            lines.append(f"| {rule} | " + " | ".join(str(counts[each] or "") for each in VERDICTS) + " |")
    lines += ["", "Not passed (`*`: wye's own choice, no fault):", ""]
    order = {case: at for at, case in enumerate(results)}
    for case, (what, seen) in sorted(results.items(), key=lambda item: (VERDICTS.index(item[1][0]), order[item[0]])):
        if what != "pass":
            expected = " ".join(map(str, case.statuses))
            lines.append(f"- {what}{'' if case.must else '*'}: {case.rule}, {case.name}: {seen}, expected {expected}")
    return "\n".join(lines) + "\n"


# ---- wye, started ----

def die_with_parent():
    import ctypes
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


@contextlib.contextmanager
def started(program, *options):
    node = subprocess.Popen([program, "--listen", "127.0.0.1:0", "--threads", "1", "--log", "error", *options], stdout=subprocess.PIPE, text=True, preexec_fn=die_with_parent)
    try:
        line = node.stdout.readline()
        if not line.startswith("listening on http://127.0.0.1:"):
            raise RuntimeError(f"{program} didn't start: {line!r}")
        yield "127.0.0.1", int(line.rstrip("/\n").rpartition(":")[2])
    finally:
        node.send_signal(signal.SIGTERM)
        try:
            status = node.wait(10)
        except subprocess.TimeoutExpired:
            node.kill()
            status = node.wait()
    if status != 0:
        raise RuntimeError(f"{program} ended with {status}")


async def limits(program):
    """The rules that only a full node, or one that takes little, shows broken."""
    failures = {}
    with started(program, "--max-connections", "1") as address:
        table = Table(f"{address[0]}:{address[1]}", "/echo")
        table.wrong("load", "one connection more than it may have", table.ws(), 503, "as many connections as it may have", {"retry-after": "1"})
        table.wrong("load", "the same for a plain resource", table.plain(), 503, "as many connections as it may have", {"retry-after": "1"})
        first = await asyncio.open_connection(*address)
        await asyncio.sleep(0.05)
        for case in table.cases:
            failures[case] = list(faults(await Exchange(case, PATIENCE).run(address, [case.request], 0)))
        first[1].close()
        await first[1].wait_closed()
    with started(program, "--max-message", "1000") as address:
        table = Table(f"{address[0]}:{address[1]}", "/echo")
        bodies.sizes(table)
        broken, _ = await strict(address, table.cases, "/echo")
        failures.update({case: broken[case] for case in table.cases})
    return failures


async def slow(address):
    """A head or a body that isn't finished within its 10 s (the rest of the suite runs meanwhile)."""
    table = Table(f"{address[0]}:{address[1]}", "/echo")
    table.wrong("head-time", "an upgrade without its empty line", table.ws()[:-2], 408)
    table.wrong("head-time", "half a request line", b"GET /ec", 408)
    bodies.late(table)
    exchanges = [Exchange(case, 14).run(address, [case.request], 0) for case in table.cases]
    return {exchange.case: list(faults(exchange)) for exchange in await asyncio.gather(*exchanges)}


async def strict_all(address, path, program, quick):
    waiting = asyncio.create_task(slow(address)) if not quick else None
    failures, sent = await strict(address, rows(f"{address[0]}:{address[1]}", path), path)
    more = {**(await limits(program) if program else {}), **(await waiting if waiting else {})}
    for case, each in more.items():
        if each:
            failures[case] = each
    return failures, len(rows("localhost:1", path)) + len(more), sent + len(more)


def show_strict(failures, count, sent, seconds):
    for case, each in failures.items():
        print(f"FAIL {case.rule}: {case.name}")
        for fault in each:
            print(f"     {fault[:1500]}")
    print(f"{count} rows sent in {sent} ways over as many connections, {seconds:.1f} s")
    print(f"{count - len(failures)} passed, {len(failures)} failed")
    return 1 if failures else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("host", nargs="?")
    parser.add_argument("port", nargs="?", type=int)
    parser.add_argument("--path", default="/echo", help="a path that switches to WebSocket (%(default)s)")
    parser.add_argument("--report", metavar="FILE", help="write the report there (standard output)")
    parser.add_argument("--json", metavar="FILE", help="write the counts there")
    parser.add_argument("--title", default="The opening handshake", help="the report's heading")
    parser.add_argument("--wye", action="store_true", help="the server is wye: be strict")
    parser.add_argument("--start", metavar="PROGRAM", help="start this wye on a free port; implies --wye")
    parser.add_argument("--quick", action="store_true", help="leave out what waits for ten seconds")
    options = parser.parse_args()
    if not options.start and options.port is None:
        parser.error("HOST PORT, or --start")
    begun = time.monotonic()
    if options.start or options.wye:
        with started(options.start) if options.start else contextlib.nullcontext((options.host, options.port)) as address:
            failures, count, sent = asyncio.run(strict_all(address, options.path, options.start, options.quick))
        return show_strict(failures, count, sent, time.monotonic() - begun)
    cases = rows(f"{options.host}:{options.port}", options.path)
    try:
        asyncio.run(asyncio.wait_for(asyncio.open_connection(options.host, options.port), 5))
    except (OSError, asyncio.TimeoutError) as trouble:
        print(f"run.py: {options.host}:{options.port}: {trouble}", file=sys.stderr)
        return 2
    results = asyncio.run(foreign((options.host, options.port), cases))
    results = {case: results[case] for case in cases if case in results}
    text = report(results, options.title)
    if options.report:
        with open(options.report, "w") as file:
            file.write(text)
    else:
        print(text)
    if options.json:
        demanded, chosen = tally(results)
        with open(options.json, "w") as file:
            json.dump({"title": options.title, "demanded": demanded, "chosen": chosen}, file)
    return 0


if __name__ == "__main__":
    sys.exit(main())
