#!/usr/bin/python3
"""wye-compare names a server that is wrong and doesn't time it, says what got slower, and ends with the right status."""
import asyncio
import contextlib
import functools
import json
import operator
import os
import re
import signal
import ssl
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True

import checks
import node as nodes
from authority import Authority
from checks import Skipped, test
from load_servers import Connection, Server

HERE = os.path.abspath(__file__)
# One core will do for what is tested here, and some machines have no second one.
RUN = ["[run]", "reference = right", "rounds = 2", "seconds = 0.2", "warmup = 0.05", "check = 0.2", "settle = 0.02", "stall = 2", "server-core = 0",
       f"load-core = {max(os.sched_getaffinity(0))}"]
SCENARIOS = ["[scenario tiny-echo]", "load = echo --size 40 --connections 3 --depth 4", "[scenario tiny-fanout]",
             "load = fanout --subscribers 3 --size 40", "[scenario tiny-rate]", "load = echo --connections 2 --rate {half}", "metric = latency_p50_us"]


def server(name, fault):
    return [f"[server {name}]", f"command = /usr/bin/python3 -E -S {HERE} --serve {fault} {{port}}", "path.echo = /", "path.fanout = /topic/x"]


def program():
    return os.path.join(os.path.dirname(nodes.program()), "wye-compare")


class Folder(tempfile.TemporaryDirectory):
    """A folder to run in, with a configuration, and the results."""

    def __enter__(self):
        self.path = super().__enter__()
        return self

    def configure(self, config):
        with open(os.path.join(self.path, "servers.ini"), "w") as file:
            file.write("\n".join([*RUN, *SCENARIOS, *config]) + "\n")

    def run(self, *arguments, cwd=None, env=None):
        """Runs wye-compare: (exit status, its output, its messages)."""
        done = subprocess.run([program(), *arguments], cwd=cwd or self.path, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL,
                              env={**os.environ, **(env or {})}, preexec_fn=nodes.die_with_parent)
        return done.returncode, done.stdout, done.stderr

    def compare(self, servers, scenarios, *options, config=(), out="out", env=None):
        self.configure(config)
        return self.run("--config", "servers.ini", "--servers", servers, "--scenarios", scenarios, "--out", out, *options, env=env)

    def cut_short(self, words, number, scenarios, *options, config):
        """Sends a signal to wye-compare, which compares `right` to itself, when its messages have these words: (exit status, its output)."""
        self.configure(config)
        process = subprocess.Popen([program(), "--config", "servers.ini", "--servers", "right", "--scenarios", scenarios, "--out", "out", *options],
                                   cwd=self.path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=nodes.die_with_parent)
        try:
            seen = next((line for line in process.stderr if words in line), None)
            assert seen and str(process.pid) in running_in(self.path), (words, seen)
            process.send_signal(number)
            out, _ = process.communicate(timeout=20)
        finally:
            process.kill()
        return process.returncode, out

    @contextlib.contextmanager
    def changed(self, *path, to):
        """results.json with another value at this path, for a while; it goes back unless something else was written meanwhile."""
        before = self.results()
        other = self.results()
        functools.reduce(operator.getitem, path[:-1], other)[path[-1]] = to
        self.put(other)
        yield other
        if self.results() == other:
            self.put(before)

    def put(self, results, out="out"):
        with open(os.path.join(self.path, out, "results.json"), "w") as file:
            json.dump(results, file)

    def results(self, out="out"):
        with open(os.path.join(self.path, out, "results.json")) as file:
            return json.load(file)

    def report(self, out="out"):
        with open(os.path.join(self.path, out, "report.html")) as file:
            return file.read()


def running_in(folder):
    """The pids of processes that were started there."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            found += [pid] if os.readlink(f"/proc/{pid}/cwd") == os.path.realpath(folder) else []
        except OSError:
            pass  # it has ended, or isn't ours
    return found


def cells(results, scenario):
    """A scenario's cells by their servers; the A/A one is "again"."""
    table = next(each for each in results["scenarios"] if each["name"] == scenario)
    return {"again" if each["again"] else each["server"]: each for each in table["cells"]}


@test(seconds=90)
def a_server_that_changes_a_byte_or_drops_a_delivery_is_named_and_not_timed():
    config = server("right", "none") + server("changes", "corrupted") + server("drops", "lost")
    with Folder() as folder:
        status, out, errors = folder.compare("right,changes,drops", "tiny-echo,tiny-fanout", config=config)
        assert status == 1, (status, out, errors)
        results, report = folder.results(), folder.report()
        for scenario in ("tiny-echo", "tiny-fanout"):
            found = cells(results, scenario)
            assert {name: each["state"] for name, each in found.items()} == {"right": "timed", "again": "timed", "changes": "wrong", "drops": "wrong"}
            assert not found["changes"]["metrics"] and not found["drops"]["metrics"]
            assert "corrupted 1" in found["changes"]["why"] and "lost 1" in found["drops"]["why"], found
            for name in ("right", "again"):
                cost = found[name]["metrics"]["core_us_per_message"]
                assert len(cost["rounds"]) == 2 and cost["low"] <= cost["median"] <= cost["high"] and cost["median"] > 0, cost
                assert found[name]["metrics"]["process_us_per_message"]["median"] > 0
            assert found["again"]["metrics"]["core_us_per_message"]["verdict"] == "", "two rounds are no ground for a verdict"
        for name in ("changes", "drops"):
            assert re.search(rf"\n  {name} +WRONG, not timed: check: ", out), out
        assert report.count("WRONG") >= 4 and "corrupted 1" in report


@test(seconds=90)
def right_servers_end_with_0_however_slow_and_a_slower_one_than_the_baseline_with_1():
    with Folder() as folder:
        status, out, errors = folder.compare("right", "tiny-echo,tiny-rate", "--quick", "--rounds", "3", config=server("right", "none"))
        assert status == 0 and "QUICK" in out, (status, out, errors)
        results, report = folder.results(), folder.report()
        assert results["quick"] and "Quick:" in report
        assert "<svg" in report or not any(os.access(os.path.join(each, "gnuplot"), os.X_OK) for each in os.environ["PATH"].split(":"))
        assert not re.search(r"(src|href)=[\"'](?!#)", report), "the report needs other files"
        assert cells(results, "tiny-echo")["again"]["metrics"]["core_us_per_message"]["verdict"] == "tie", "A/A ties with itself"
        assert cells(results, "tiny-rate")["right"]["closed_loop_messages_per_s"] > 0
        rate = cells(results, "tiny-rate")["right"]["metrics"]["messages_per_s"]["median"]
        assert 0.3 < rate / cells(results, "tiny-rate")["right"]["closed_loop_messages_per_s"] < 0.7
        for scale, wanted in ((0.001, 1), (1000, 0)):  # how long the same took in the past
            older = json.loads(json.dumps(results))
            for scenario in older["scenarios"]:
                for each in scenario["cells"]:
                    for metric in each["metrics"].values():
                        metric.update({name: metric[name] * scale for name in ("median", "low", "high")})
            with open(os.path.join(folder.path, "older.json"), "w") as file:
                json.dump(older, file)
            status, out, errors = folder.compare("right", "tiny-echo", "--baseline", "older.json", "--rounds", "1", config=server("right", "none"), out="again")
            assert status == wanted, (status, out, errors)
            assert ("SLOWER tiny-echo: right" in out) == (wanted == 1) and ("faster tiny-echo: right" in out) == (wanted == 0), out


@test(seconds=60)
def what_goes_over_tls_has_a_command_of_its_own_and_another_version_or_cipher_is_told():
    with Folder() as folder:
        pair = Authority(folder.path).sign("localhost", "localhost")
        secure = f"command.tls = /usr/bin/python3 -E -S {HERE} --serve none {{port}} {' '.join(pair)}"
        config = [*server("right", "none"), secure, "[server secure]", secure, "path = /topic/x", "[server old]", secure + " 1.2", "path = /",
                  *server("plain", "none"), "[scenario tls-echo]", "tls = yes", "load = echo --size 40 --connections 3 --insecure",
                  "[scenario tls-fanout]", "tls = yes", "load = fanout --subscribers 3 --size 40 --insecure"]
        status, out, errors = folder.compare("right,secure,plain", "tiny-fanout,tls-fanout", "--rounds", "1", config=config)
        if "this build has no TLS" in out:
            raise Skipped("a build without TLS")
        assert status == 0 and "NOT THE SAME" not in out and "TLSv1.3 TLS_" in out, (status, out, errors)
        found, plain = cells(folder.results(), "tls-fanout"), cells(folder.results(), "tiny-fanout")
        assert found["right"]["tls"] == found["secure"]["tls"] and found["right"]["tls"].startswith("TLSv1.3 TLS_"), [each.get("tls") for each in found.values()]
        assert found["plain"]["why"] == "it doesn't offer fanout with TLS" and plain["plain"]["state"] == "timed", (found["plain"]["why"], plain["plain"]["why"])
        assert plain["secure"]["why"] == "it doesn't offer fanout" and "tls" not in plain["right"], plain["secure"]
        assert secure.split("= ")[1].split("{")[0] in folder.report(), "a server is known by its only command"
        status, out, errors = folder.compare("right,old", "tls-echo", "--rounds", "1", config=config)
        assert status == 0 and re.search(r"NOT THE SAME TLS FOR ALL: right: TLSv1.3 TLS_\w+, old: TLSv1.2 TLS_ECDHE_\w+\n", out), (status, out, errors)
        assert "NOT THE SAME TLS FOR ALL" in folder.report()


@test(seconds=60)
def what_is_not_installed_is_left_out_and_what_does_not_start_is_wrong():
    config = server("right", "none") + ["[server absent]", "command = /nonexistent/server {port}", "path = /", "[server script]",
                                        "command = /usr/bin/python3 /nonexistent/script {port}", "path = /", "[server dies]",
                                        "command = sh -c 'echo no licence; exit 3'", "path.echo = /"]
    with Folder() as folder:
        status, out, errors = folder.compare("right,absent,script,dies", "tiny-echo,wss-echo-1k", config=config, env={"PATH": "/bin:/usr/bin"})
        assert status == 1, (status, out, errors)
        found = cells(folder.results(), "tiny-echo")
        assert found["dies"]["state"] == "wrong" and found["dies"]["why"] == "check: it did not start: no licence", found["dies"]
        assert found["absent"]["state"] == found["script"]["state"] == "left out"
        assert "/nonexistent/server isn't installed" in out and "/nonexistent/script isn't there" in out
        status, out, errors = folder.compare("absent", "tiny-echo", config=config)
        assert status == 2 and "no server" in errors, (status, errors)


@test(seconds=60)
def ctrl_c_ends_it_with_what_there_is_and_leaves_nothing_running():
    with Folder() as folder:
        code, out = folder.cut_short("round 3/", signal.SIGINT, "tiny-echo", "--rounds", "100", "--seconds", "0.1", config=server("right", "none"))
        assert code == 0 and "ENDED EARLY" in out, (code, out)
        results = folder.results()
        assert results["ended_early"] and 2 <= results["scenarios"][0]["rounds"] < 100 and not results["scenarios"][0]["complete"]
        assert not running_in(folder.path), "something is left running"


@test(seconds=90)
def a_run_that_was_killed_goes_on_with_what_is_missing_and_only_as_the_same_run():
    config = server("right", "none")
    with Folder() as folder:
        folder.cut_short("tiny-fanout round", signal.SIGKILL, "tiny-echo,tiny-fanout", "--rounds", "2", config=config)
        first, ended = folder.results(), time.monotonic() + 30
        assert first["ended_early"] and [each["complete"] for each in first["scenarios"]] == [True, False], first["scenarios"]
        while running_in(folder.path) and time.monotonic() < ended:  # the kernel ends what we started; it need not be at once
            time.sleep(0.05)
        assert not running_in(folder.path), "something is left running"
        assert "results.json.new" not in os.listdir(os.path.join(folder.path, "out"))

        def refused(*options, lines=config, words=()):
            folder.configure(lines)
            status, out, errors = folder.run("--continue", "out", *options)
            assert status == 2 and len(errors.splitlines()) == 1 and all(word in errors for word in words), (status, out, errors)
            assert folder.results() == first, "what cannot be continued stays as it is"
        refused("--rounds", "3", words=("its rounds was 2, and is 3 now",))
        refused("--servers", "right,other", lines=config + server("other", "none"), words=("server no. 2", '"other" now'))
        refused(lines=config + ["[scenario tiny-fanout]", "load = fanout --subscribers 4"], words=("[scenario tiny-fanout] load", "--subscribers 4"))
        for path, value, word in ((("environment", "cpu"), "Z80", 'its cpu was "Z80"'), (("environment", "kernel"), "Linux 7", 'its kernel was "Linux 7"'),
                                  (("program",), "wye-compare 0.0.1", "program"), (("servers", 0, "version"), "0.1", "server right: version"),
                                  (("programs", "wye_load_changed"), "yesterday", "wye load changed")):
            with folder.changed(*path, to=value) as first:
                refused(words=(word, "now"))
        first = folder.results()
        with folder.changed("scenarios", 0, "cells", 0, "metrics", "messages_per_s", "rounds", to=[1]) as first:
            refused(words=("tiny-echo is damaged",))
        first = folder.results()

        folder.configure(config)
        status, out, errors = folder.run("--continue", os.path.join(folder.path, "out"), cwd="/")
        assert status == 0 and "1 of 2 scenarios are measured already" in errors and "tiny-echo round" not in errors, (status, out, errors)
        last = folder.results()
        assert not last["ended_early"] and all(each["complete"] and each["rounds"] == 2 for each in last["scenarios"]), last["scenarios"]
        for then, now in zip(first["scenarios"][0]["cells"], last["scenarios"][0]["cells"], strict=True):
            assert now["metrics"] and {name: each["rounds"] for name, each in then["metrics"].items()} == {
                name: each["rounds"] for name, each in now["metrics"].items()}, (then, now)
        assert [each["part"] for each in last["scenarios"]] == [0, 1] and last["started"] == first["started"]
        assert len(last["parts"]) == 2 and last["parts"][0] == first["parts"][0] and last["took_s"] > first["took_s"]
        assert last["parts"][1]["environment"]["cpu"] == last["environment"]["cpu"] and "measured in parts" in folder.report()

        written = os.stat(os.path.join(folder.path, "out/results.json")).st_mtime_ns
        status, out, errors = folder.run("--continue", "out")
        assert status == 0 and "2 of 2" in errors and " round " not in errors, (status, out, errors)
        assert os.stat(os.path.join(folder.path, "out/results.json")).st_mtime_ns == written, "nothing was missing"


@test(seconds=90)
def some_scenarios_of_a_run_that_goes_on_are_enough_and_others_may_join():
    with Folder() as folder:
        config = server("right", "none")
        folder.cut_short("tiny-echo round", signal.SIGTERM, "tiny-echo,tiny-fanout", "--rounds", "1", "--seconds", "5", config=config)
        assert [each["complete"] for each in folder.results()["scenarios"]] == [False, False]
        with folder.changed("options", "seconds", to="0.1"), folder.changed("seconds", to=0.1):
            status, out, errors = folder.run("--continue", "out", "--scenarios", "tiny-fanout,tiny-rate")
            assert status == 0 and "scenarios are missing" in errors and "ENDED EARLY" in out, (status, out, errors)
            results = folder.results()
            assert [(each["name"], each["complete"], bool(each["left_out"])) for each in results["scenarios"]] == [
                ("tiny-echo", False, True), ("tiny-fanout", True, False), ("tiny-rate", True, False)], results["scenarios"]
            status, out, errors = folder.run("--continue", "out", "--dry-run")
            assert status == 0 and out.startswith("1 scenarios") and folder.results() == results, (status, out, errors)
            status, out, errors = folder.run("--continue", "out")
            assert status == 0 and "ENDED EARLY" not in out and all(each["complete"] for each in folder.results()["scenarios"]), (status, out, errors)


@test
def what_is_no_unfinished_run_is_refused_in_a_sentence():
    with Folder() as folder:
        os.mkdir(os.path.join(folder.path, "out"))
        for text, words in (('{"format": 1, "scenarios": [{"na', "is cut off, or no JSON"), ("", "is cut off, or no JSON"), ("[]", "doesn't say what is needed"),
                            ('{"format": 1, "scenarios": []}', "doesn't say what is needed")):
            with open(os.path.join(folder.path, "out/results.json"), "w") as file:
                file.write(text)
            status, out, errors = folder.run("--continue", "out")
            assert status == 2 and words in errors and "out/results.json cannot be continued" in errors and len(errors.splitlines()) == 1, (text, errors)
        status, out, errors = folder.run("--continue", "nowhere")
        assert status == 2 and "nowhere/results.json cannot be continued" in errors and "No such file" in errors, errors
        assert folder.run("--continue", "out", "--out", "other")[0] == 64


@test
def a_wrong_command_line_or_configuration_is_told_apart_from_what_cannot_run():
    def status_of(*arguments, cwd=None):
        done = subprocess.run([program(), *arguments], capture_output=True, text=True, timeout=20, cwd=cwd)
        return done.returncode, done.stdout + done.stderr
    for arguments in (("--nothing",), ("more",), ("--servers", "nobody"), ("--scenarios", "nothing"), ("--rounds", "0"), ("--rounds", "x"),
                      ("--server-core", "-1"), ("--reference", "nobody")):
        status, text = status_of(*arguments)
        assert status == 64 and "wye-compare" in text, (arguments, status, text)
    with Folder() as folder:
        for lines, word in ((["[server x]", "color = red"], "x.ini:2: [server x]: no such key: color"), (["[peer x]", "command = x"], "[peer x]"),
                            (["[server x]", "path = /"], "a command or an address"), (["[scenario x]", "quick = yes"], "load is needed"),
                            (["[scenario x]", "load = echo", "metric = beauty"], "no such metric"), (["nonsense"], "x.ini:1:")):
            with open(os.path.join(folder.path, "x.ini"), "w") as file:
                file.write("\n".join(lines) + "\n")
            status, text = status_of("--config", "x.ini", cwd=folder.path)
            assert status == 64 and word in text, (lines, status, text)
        assert status_of("--config", "absent.ini", cwd=folder.path)[0] == 2
        assert status_of("--baseline", "absent.json", cwd=folder.path)[0] == 2
        status, text = status_of("--list", cwd=folder.path)
        assert status == 0 and "floor-epoll" in text and "fanout-10000-d16" in text
        status, text = status_of("--dry-run", "--quick", "--servers", "wye,floor*", cwd=folder.path)
        assert status == 0 and "3 rounds" in text and os.listdir(folder.path) == ["x.ini"], text
    status, text = status_of("--help")
    assert status == 0 and text.startswith("usage: wye-compare") and len(text.splitlines()) < 30 and max(map(len, text.splitlines())) < 120
    status, text = status_of("--print-config")
    assert status == 0 and "[server wye]" in text


def serve(fault, port, certificate=None, key=None, version=None):
    """A server that wye-compare starts. Its first connection only looks whether it listens."""
    secrets = None
    if certificate:
        secrets = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        secrets.load_cert_chain(certificate, key)
        if version == "1.2":
            secrets.maximum_version = ssl.TLSVersion.TLSv1_2
    answers = Server(None if fault == "none" else fault)
    answers.accepted = -1

    async def run():
        answers.loop = asyncio.get_running_loop()
        await (await answers.loop.create_server(lambda: Connection(answers), "127.0.0.1", port, ssl=secrets)).serve_forever()
    asyncio.run(run())


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(sys.argv[2], int(sys.argv[3]), *sys.argv[4:])
    sys.exit(checks.main(__doc__))
