#!/usr/bin/python3
"""wye-load tells the truth: about servers that are wrong, servers that are right but awkward, about a node, and about time."""
import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True

import checks
import node as nodes
from checks import test
from load_rig import SHORT, load, must_be_right, program, start, status_of, wrong
from load_servers import DEFLATE_ANSWERS, DEFLATE_FAULTS, Delays, FAULTS, HANDSHAKE_FAULTS, MANNERS, STRIKES_AT, Server
from node import Node


@test(seconds=38)
def each_wrong_answer_to_an_echo_is_called_by_its_name_and_nothing_else():
    for fault, count in FAULTS.items():
        with Server(fault) as server:
            status, report = load("echo", server.url + "/echo", "--connections", 3, "--depth", 4, *SHORT)
        assert server.struck == 1, f"{fault}: too few messages came to the server"
        found = wrong(report)
        # What was under way on a connection that ended never comes.
        if count in ("dropped", "broken_frames"):
            found.pop("lost", None)
        assert found == {count: 1}, f"{fault}: {found} {report['failures']}"
        assert status == 1 and not report["right"], fault
        assert report["messages"] > STRIKES_AT, fault


@test(seconds=30)
def a_wrong_answer_shows_with_one_message_under_way_too():
    for fault, count in (("lost", "lost"), ("doubled", "duplicated"), ("corrupted", "corrupted"), ("truncated", "wrong_length")):
        with Server(fault) as server:
            status, report = load("echo", server.url + "/echo", "--connections", 1, "--size", 200, "--text", *SHORT)
        assert (status, wrong(report)) == (1, {count: 1}), (fault, status, wrong(report), report["failures"])


@test(seconds=30)
def a_large_answer_that_comes_in_many_pieces_is_compared_to_the_last_byte():
    for fault, count in ((None, None), ("corrupted", "corrupted"), ("truncated", "wrong_length"), ("lengthened", "wrong_length"),
                         ("wrong_opcode", "wrong_type")):
        with Server(fault) as server:
            status, report = load("echo", server.url + "/echo", "--connections", 1, "--size", "70000", "--depth", 2, *SHORT[2:], "--seconds", 1)
        assert wrong(report) == ({count: 1} if fault else {}), (fault, wrong(report), report["messages"])
        assert status == (1 if fault else 0)


@test(seconds=38)
def an_awkward_server_that_is_right_is_called_right():
    for manner in MANNERS:
        for size, depth in ((20, 1), (20, 8), (300, 3), (5000, 2)):
            with Server(manner=manner) as server:
                status, report = load("echo", server.url + "/echo", "--connections", 2, "--size", size, "--depth", depth, *SHORT)
            must_be_right(status, report, 5)
            assert manner not in ("pings", "fragmented") or len(server.pongs) > 3, f"{manner}: pings were not answered"
            assert manner != "pings" or set(server.pongs) == {b"are you there?", b""}
    with Server(manner="fragmented") as server:
        must_be_right(*load("echo", server.url + "/echo", "--connections", 2, "--size", 0, *SHORT))
        must_be_right(*load("echo", server.url + "/echo", "--connections", 2, "--size", 1, "--depth", 8, *SHORT))


@test(seconds=30)
def a_connection_that_does_not_switch_is_counted_and_told_in_words():
    words = {"wrong_accept": "Sec-WebSocket-Accept is not the one", "no_accept": "without Sec-WebSocket-Accept", "forbidden": "answered 403 Forbidden",
             "unavailable": "answered 503 Service Unavailable", "not_http": "status line", "subprotocol": "subprotocol", "extension": "extension",
             "silent_end": "ended before an answer"}
    for fault in HANDSHAKE_FAULTS:
        for scenario in ("echo", "upgrade", "idle"):
            with Server(handshake=fault, every=3) as server:
                status, report = load(scenario, server.url + "/echo", "--connections", 6, *SHORT)
            assert status == 1 and not report["right"], (fault, scenario)
            assert set(wrong(report)) == {"handshakes_failed"}, (fault, scenario, wrong(report))
            assert scenario == "upgrade" or report["handshakes_failed"] == 2
            assert len(report["failures"]) == 1 and words[fault] in report["failures"][0]["text"], (fault, report["failures"])
            assert report["failures"][0]["count"] == report["handshakes_failed"]
            assert scenario == "idle" or report["messages"] > 3


@test(seconds=20)
def a_connection_of_a_storm_that_is_never_answered_shows():
    with Server(handshake="mute", every=5) as server:
        status, report = load("upgrade", server.url + "/echo", "--connections", 4, *SHORT)
    assert status == 1 and set(wrong(report)) == {"handshakes_failed"}, (status, wrong(report))
    assert report["messages"] >= 4 and report["sent"] == report["opened"] + report["handshakes_failed"], report
    assert report["failures"] == [{"count": report["handshakes_failed"], "text": "the connection was made, and the request to switch was never answered"}]


@test(seconds=20)
def a_connection_whose_large_messages_are_one_too_few_or_too_many_is_told_so():
    """Where few numbers tell messages apart, since so many of them fit a cache."""
    for fault, count in (("lost", "lost"), ("doubled", "duplicated")):
        for size, depth in (("1K", 16), ("16K", 16), ("5000", 2)):
            with Server(fault) as server:
                status, report = load("echo", server.url + "/echo", "--connections", 1, "--size", size, "--depth", depth, *SHORT)
            assert (status, wrong(report)) == (1, {count: 1}) and not report["stalled"], (fault, size, wrong(report), report["failures"])


@test
def a_connection_that_is_greeted_may_skip_that():
    with Server(manner="greets") as server:
        must_be_right(*load("echo", server.url + "/echo", "--connections", 3, "--skip", 1, *SHORT), 5)
        status, report = load("echo", server.url + "/echo", "--connections", 3, *SHORT)
    assert status == 1 and not report["right"], wrong(report)


@test(seconds=38)
def a_wrong_answer_in_a_fan_out_is_called_by_its_name():
    for fault, count in FAULTS.items():
        if fault == "unasked":  # a subscriber doesn't know what was sent
            continue
        with Server(fault) as server:
            status, report = load("fanout", server.url + "/topic", "--publish-path", "/topic?noecho", "--subscribers", 3,
                                  "--publishers", 1 if fault in ("reordered", "emptied") else 2, "--depth", 4, *SHORT)
        assert server.struck == 1, fault
        found = wrong(report)
        if count in ("dropped", "broken_frames"):
            found.pop("lost", None)
        assert found == {count: 1}, f"{fault}: {found} {report['failures']}"
        assert status == 1
    for manner in ("right", "coalesced", "fragmented"):
        with Server(manner=manner) as server:
            must_be_right(*load("fanout", server.url + "/topic", "--publish-path", "/topic?noecho", "--subscribers", 3, *SHORT), 9)


@test(seconds=20)
def a_connection_of_a_storm_whose_goodbye_stays_alone_shows():
    with Server() as server:
        # Every slot at least once: how often is the machine's business, and it may be busy.
        longer = (*SHORT, "--seconds", 1.5, "--stall", 3)
        must_be_right(*load("upgrade", server.url + "/echo", "--connections", 4, *longer), 4)
        must_be_right(*load("upgrade", server.url + "/echo", "--connections", 4, "--close", "clean", *longer), 4)
    with Server(ignores_close=True) as server:
        status, report = load("upgrade", server.url + "/echo", "--connections", 4, "--close", "clean", *SHORT, "--stall", 3)
        assert status == 1 and set(wrong(report)) == {"bad_closes"}, (status, wrong(report))
        assert report["bad_closes"] == report["messages"]
        status, report = load("idle", server.url + "/echo", "--connections", 4, *SHORT)
        assert (status, wrong(report)) == (1, {"bad_closes": 4}), (status, wrong(report), "nobody shows that it still listens")


@test(seconds=20)
def a_connection_that_is_sent_away_from_a_crowd_is_noticed():
    with Server() as server:
        must_be_right(*load("idle", server.url + "/", "--connections", 20, *SHORT), 0)
        process = start("idle", server.url + "/", "--connections", 20, "--seconds", 10, "--quiet", "--json", "-")
        assert nodes.until(lambda: len(server.connections) == 40)
        time.sleep(0.6)
        server.drop_all()
        out, _ = process.communicate(timeout=10)
        report = json.loads(out)
        assert process.returncode == 1 and wrong(report) == {"dropped": 20}, (process.returncode, wrong(report))


AFRESH = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"


@test(seconds=38)
def a_wrong_message_that_came_deflated_is_called_by_its_name():
    for answer in (AFRESH, "permessage-deflate"):
        for fault, count in DEFLATE_FAULTS.items():
            if answer != AFRESH and fault not in ("lost", "corrupted", "no_deflate_stream"):
                continue
            offer = "--deflate" if answer == AFRESH else "--deflate="
            with Server(fault, deflate=answer) as server:
                status, report = load("echo", server.url + "/echo", "--connections", 2, "--depth", 4, "--size", 400, offer, *SHORT)
            assert server.struck == 1 and server.deflated > STRIKES_AT, (fault, server.struck, server.deflated)
            found = wrong(report)
            if count in ("dropped", "broken_frames"):
                found.pop("lost", None)
            if answer == AFRESH or not fault.endswith("_stream"):
                assert found == {count: 1}, f"{fault}, {answer}: {found} {report['failures']}"
            else:  # whoever loses the context can't understand what follows
                assert set(found) == {count}, f"{fault}, {answer}: {found} {report['failures']}"
            assert status == 1 and report["deflate_agreed"] == 2 and report["deflated"] > STRIKES_AT, fault
    for fault, count in (("corrupted", "corrupted"), ("lost", "lost"), ("doubled", "duplicated")):
        for publishers in (1, 2):
            with Server(fault, deflate=AFRESH) as server:
                status, report = load("fanout", server.url + "/topic", "--publish-path", "/topic?noecho", "--subscribers", 3,
                                      "--publishers", publishers, "--depth", 4, "--size", 400, "--deflate", *SHORT)
            assert (status, server.struck, wrong(report)) == (1, 1, {count: 1}), (fault, wrong(report), report["failures"])
    # References that reach beyond the window that was agreed to.
    with Server(deflate=AFRESH + "; server_max_window_bits=9") as server:
        status, report = load("echo", server.url + "/echo", "--connections", 1, "--size", "40K", "--deflate", *SHORT)
    assert status == 1 and set(wrong(report)) == {"corrupted"}, (wrong(report), report["failures"])


@test(seconds=60)
def a_message_that_came_compressed_in_odd_ways_is_called_right():
    for answer, offer in ((AFRESH, "--deflate"), ("permessage-deflate", "--deflate="),
                          ("permessage-deflate; server_no_context_takeover", "--deflate=")):
        for manner in MANNERS:
            for size, depth in ((20, 1), (400, 8), (70000, 2)):
                if size != 400 and ((size == 70000) != (manner == "right") or answer != AFRESH):
                    continue
                with Server(manner=manner, deflate=answer) as server:
                    status, report = load("echo", server.url + "/echo", "--connections", 2, "--size", size, "--depth", depth, offer, *SHORT)
                must_be_right(status, report, 5)
                assert report["deflate_agreed"] == 2 and report["deflated"] == report["messages"], (manner, report["deflated"])
                if size == 400:
                    assert 0.1 < report["deflate_sent_ratio"] < 0.6 and 0.1 < report["deflate_received_ratio"] < 0.6, report
                    assert report["bytes_sent"] < 0.7 * report["sent"] * 400
        for publishers in (1, 3):
            with Server(deflate=answer) as server:
                must_be_right(*load("fanout", server.url + "/topic", "--publish-path", "/topic?noecho", "--subscribers", 3,
                                    "--publishers", publishers, "--size", 300, "--depth", 4, offer, *SHORT), 9)
    with Server() as server:  # it declines
        status, report = load("echo", server.url + "/echo", "--connections", 2, "--deflate", *SHORT)
        must_be_right(status, report, 5)
        assert report["deflate_agreed"] == report["deflated"] == 0 and report["deflate_sent_ratio"] == 1
    with Server(deflate=AFRESH) as server:  # it isn't asked
        must_be_right(*load("echo", server.url + "/echo", "--connections", 2, *SHORT), 5)
        assert server.deflated == 0


@test(seconds=30)
def an_illegal_reply_to_the_offer_of_compression_is_a_failed_handshake():
    for answer in DEFLATE_ANSWERS:
        for scenario in ("echo", "upgrade"):
            with Server(deflate=answer) as server:
                status, report = load(scenario, server.url + "/", "--connections", 2, "--deflate", *SHORT)
            assert status == 1 and set(wrong(report)) == {"handshakes_failed"} and report["opened"] == 0, (answer, report)
            assert len(report["failures"]) == 1, report["failures"]
            text, count = report["failures"][0]["text"], report["failures"][0]["count"]
            assert "RFC 7692" in text and "permessage-deflate" in text and count == report["handshakes_failed"], text
    for answer in (AFRESH, AFRESH + "; server_max_window_bits=15", "permessage-deflate; server_no_context_takeover"):
        with Server(deflate=answer) as server:
            must_be_right(*load("upgrade", server.url + "/", "--connections", 2, "--deflate", *SHORT, "--stall", 3), 2)


@test(seconds=38)
def compression_is_driven_in_all_modes_of_the_server():
    for mode in ("shared", "takeover"):
        with Node("--threads", "2", "--deflate", mode) as node:
            for offer in ("--deflate", "--deflate=", "--deflate=client_max_window_bits; server_max_window_bits=10"):
                for threads in (1, 2)[offer != "--deflate":]:
                    common = ("--threads", threads, offer, "--size", 600, *SHORT, "--stall", 3)
                    status, report = load("echo", node.ws + "/echo", "--connections", 20, "--depth", 4, "--text", *common)
                    must_be_right(status, report, 100)
                    assert report["deflate_agreed"] == 20 and report["deflated"] == report["messages"]
                    must_be_right(*load("fanout", node.ws + "/topic/t{topic}", "--publish-path", "/topic/t{topic}?noecho", "--subscribers", 20,
                                        "--publishers", 4, "--topics", 2, "--depth", 2, *common), 100)
            must_be_right(*load("echo", node.ws + "/echo", "--connections", 20, "--rate", 500, "--deflate", "--size", 600, *SHORT, "--stall", 3), 150)
            must_be_right(*load("idle", node.ws + "/echo", "--connections", 50, "--deflate", *SHORT), 0)


def close_to(told, truth, what):
    assert abs(told - truth) <= truth * 0.03 + 2, f"{what}: {told:.3f} ms was told, {truth:.3f} ms is the truth"


@test(seconds=38)
def the_open_loop_tells_the_true_latency_and_the_closed_loop_hides_a_stall():
    rate, connections, seconds = 400, 40, 7
    delays = Delays(connections / rate, 3, 1.0)
    with Server(delay=delays) as server:
        status, report = load("echo", server.url + "/", "--connections", connections, "--rate", rate, "--seconds", seconds, "--warmup", 0)
    must_be_right(status, report, rate * seconds * 0.99)
    latency = report["latency_us"]
    assert latency["count"] == len(delays.truth), "every message that was planned has a latency"
    assert abs(report["sent_per_s"] - rate) < rate * 0.02 and report["planned_per_s"] == rate
    for name, percent in (("p50", 50), ("p75", 75), ("p90", 90), ("p99", 99), ("p99_9", 99.9), ("max", 100)):
        close_to(latency[name] / 1e3, delays.percentile(percent) * 1e3, name)
    close_to(latency["mean"] / 1e3, sum(delays.truth) / len(delays.truth) * 1e3, "mean")
    assert latency["p90"] > 300e3, "a stall of a second in seven is more than a tenth of all messages"
    print(f"     open loop: p50 {latency['p50'] / 1e3:.1f} (truth {delays.percentile(50) * 1e3:.1f})  p90 {latency['p90'] / 1e3:.1f} "
          f"({delays.percentile(90) * 1e3:.1f})  p99 {latency['p99'] / 1e3:.1f} ({delays.percentile(99) * 1e3:.1f})  max {latency['max'] / 1e3:.1f} "
          f"({delays.percentile(100) * 1e3:.1f}) ms", flush=True)
    delays = Delays(None, 3, 1.0)
    with Server(delay=delays) as server:
        status, report = load("echo", server.url + "/", "--connections", connections, "--seconds", seconds, "--warmup", 0)
    must_be_right(status, report, 1000)
    latency = report["latency_us"]
    assert latency["max"] > 900e3, "it was there"
    assert latency["p90"] < 100e3, "and a closed loop hides it"
    close_to(latency["p50"] / 1e3, delays.percentile(50) * 1e3, "p50")
    print(f"     closed loop: p50 {latency['p50'] / 1e3:.1f}  p90 {latency['p90'] / 1e3:.1f}  p99 {latency['p99'] / 1e3:.1f}  max {latency['max'] / 1e3:.1f} ms", flush=True)


@test(seconds=38)
def every_scenario_runs_against_a_node_with_one_thread_and_with_two():
    with Node("--threads", "2") as node:
        pid = ("--pid", node.process.pid, "--cpu", 0)
        for threads in (1, 2):
            common = ("--threads", threads, *SHORT, "--stall", 3, *pid)
            must_be_right(*load("echo", node.ws + "/echo", "--connections", 50, "--depth", 16, *common), 100)
            must_be_right(*load("echo", node.ws + "/echo", "--connections", 5, "--size", "200K", "--text", *common), 5)
            must_be_right(*load("echo", node.ws + "/echo", "--connections", 20, "--rate", 2000, *common), 700)
            must_be_right(*load("fanout", node.ws + "/topic/t{topic}", "--publish-path", "/topic/t{topic}?noecho", "--subscribers", 30,
                                "--publishers", 6, "--topics", 3, "--depth", 4, *common), 100)
            must_be_right(*load("fanout", node.ws + "/topic/x", "--subscribers", 30, "--rate", 300, *common), 3000)
            must_be_right(*load("upgrade", node.ws + "/echo", "--connections", 20, *common), 20)
            for close in ("clean", "reset"):  # one slot that is used again and again, with nobody else to wake the loop
                must_be_right(*load("upgrade", node.ws + "/echo", "--connections", 1, "--close", close, *common), 3)
            must_be_right(*load("upgrade", node.ws + "/echo", "--connections", 20, "--rate", 500, "--close", "clean", *common), 20)
            status, report = load("idle", node.ws + "/echo", "--connections", 500, *common)
            must_be_right(status, report, 0)
            assert report["opened"] == 500 and report["server_rss_bytes"] > 0
        must_be_right(*load("idle", node.ws + "/echo", "--connections", 30, "--source", "127.0.0.2-127.0.0.9", *SHORT), 0)
    with tempfile.TemporaryDirectory() as folder:
        with Node("--listen", f"unix:{folder}/socket") as node:
            must_be_right(*load("echo", f"unix:{folder}/socket:/echo", *SHORT), 100)


@test
def a_node_is_driven_by_templates():
    """The messages are wrapped on the way there, and otherwise on the way back."""
    with Node() as node:
        must_be_right(*load("fanout", node.ws + "/topic/t", "--subscribers", 3, "--publish-path", "/topic/t?noecho", "--publish-template", '{"d":"{payload}"}',
                            "--deliver-template", '{"d":"{payload}"}', "--text", *SHORT), 9)
        status, report = load("fanout", node.ws + "/topic/t", "--subscribers", 3, "--publish-path", "/topic/t?noecho", "--publish-template", '{"d":"{payload}"}',
                              "--deliver-template", '{"e":"{payload}"}', "--text", *SHORT)
        assert status == 1 and set(wrong(report)) == {"corrupted"}, wrong(report)


@test(seconds=30)
def a_server_with_commands_is_driven_over_either_family():
    """Python's websockets: subscribers ask, publishers wrap; a field and a subprotocol are needed to get in."""
    words = ("--subscribe-message", '{"subscribe":"t{topic}"}', "--skip", 1, "--publish-template", '{"publish":"t{topic}","data":"{payload}"}',
             "--deliver-template", '{"topic":"t{topic}","data":"{payload}"}', "--text", "--subprotocol", "other, commands")
    crowd = ("--subscribers", 6, "--publishers", 4, "--topics", 2, "--depth", 2, "--size", 60, *SHORT, "--stall", 3)
    for host, url in (("127.0.0.1", "ws://127.0.0.1:"), ("::1", "ws://[::1]:")):
        server = subprocess.Popen([sys.executable, os.path.join(os.path.dirname(__file__), "load_commands.py"), host],
                                  stdout=subprocess.PIPE, text=True, preexec_fn=nodes.die_with_parent)
        try:
            url += server.stdout.readline().strip() + "/"
            for offer in ((), ("--deflate",)):
                status, report = load("fanout", url, *words, "--header", "X-Key: secret", *crowd, *offer)
                must_be_right(status, report, 30)
                assert report["deflate_agreed"] == (10 if offer else 0) and (report["deflated"] > 0) == bool(offer), report["deflated"]
            status, report = load("fanout", url, *words, *crowd)
            assert status == 1 and "403" in report["failures"][0]["text"] and report["failures"][0]["count"] == 6, report["failures"]
        finally:
            server.kill()
            server.communicate()


@test
def control_c_ends_a_run_against_a_node_early_with_the_result_so_far():
    with Node() as node, tempfile.TemporaryDirectory() as folder:
        process = start("echo", node.ws + "/echo", "--seconds", 60, "--warmup", 0.1, "--json", f"{folder}/result", "--hgrm", f"{folder}/hgrm")
        time.sleep(1.8)
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=5)
        assert process.returncode == 0, (process.returncode, errors)
        assert "ended early" in out and "right" in out and "latency" in out, out
        assert "a second" in errors, "a line a second when there is no terminal"
        with open(f"{folder}/result", encoding="utf-8") as file:
            report = json.load(file)
        assert report["ended_early"] and report["messages"] > 100 and 0.5 < report["measured_s"] < 3
        with open(f"{folder}/hgrm", encoding="utf-8") as file:
            text = file.read()
        # The text that HistogramLogProcessor writes and its plotters read.
        head, rows, tail = text.split("\n\n")[0], text.split("\n\n")[1].split("#")[0].splitlines(), text[text.index("#"):]
        assert head == "       Value     Percentile TotalCount 1/(1-Percentile)", head
        numbers = [tuple(map(float, row.split())) for row in rows]
        assert all(len(each) == 4 and abs(each[3] * (1 - each[1]) - 1) < 0.01 for each in numbers[:-1]), rows
        assert numbers == sorted(numbers) and len(numbers[-1]) == 3 and numbers[0][1] == 0 and numbers[-1][1] == 1, rows
        latency = report["latency_us"]
        assert numbers[-1][2] == latency["count"] and abs(numbers[-1][0] - latency["max"]) <= latency["max"] * 0.001, (numbers[-1], latency)
        half = next(each for each in numbers if each[1] >= 0.5)
        assert abs(half[0] - latency["p50"]) <= latency["p50"] * 0.02, (half, latency)
        mean, top, buckets = tail.splitlines()
        assert re.fullmatch(r"#\[Mean    = +[0-9.]+, StdDeviation   = +[0-9.]+\]", mean), mean
        assert re.fullmatch(r"#\[Max     = +[0-9.]+, Total count    = +[0-9]+\]", top), top
        assert re.fullmatch(r"#\[Buckets = +[0-9]+, SubBuckets     = +[0-9]+\]", buckets), buckets


SECOND = r" +(\d+\.\d) s  (warming up|measuring) +(\d+) a second(  p50 .*)?"


@test
def control_c_while_a_node_is_still_connected_to_is_no_fault():
    with Node() as node, tempfile.TemporaryDirectory() as folder:
        process = start("idle", node.ws + "/echo", "--connections", 5000, "--rate", 500, "--json", f"{folder}/result")
        time.sleep(1.5)
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=5)
        assert process.returncode == 0 and "WRONG" not in out, (process.returncode, out, errors)
        with open(f"{folder}/result", encoding="utf-8") as file:
            report = json.load(file)
        assert report["ended_early"] and 100 < report["opened"] < 4000 and not wrong(report), (report["opened"], wrong(report))


@test
def people_see_seconds_that_are_all_warm_up_or_all_measured():
    with Node() as node, tempfile.TemporaryDirectory() as folder:
        process = start("echo", node.ws + "/echo", "--seconds", 2, "--warmup", 1.4, "--connections", 5, "--json", f"{folder}/result")
        _, errors = process.communicate(timeout=15)
        with open(f"{folder}/result", encoding="utf-8") as file:
            seconds = json.load(file)["over_time"]
        rows = [re.fullmatch(SECOND, line) for line in errors.splitlines()]
        assert all(rows) and [row[2] for row in rows] == ["warming up", "warming up", "measuring", "measuring"], errors
        assert all(bool(row[4]) == (row[2] == "measuring") and int(row[3]) > 0 for row in rows), errors
        assert [each["phase"] for each in seconds] == [row[2] for row in rows], seconds
        for each in seconds:
            latencies = [each["p50_us"], each["p99_us"], each["max_us"]]
            assert latencies == [None] * 3 if each["phase"] == "warming up" else latencies[0] > 0 and latencies == sorted(latencies), each
            assert each["messages_per_s"] > 0, each
        assert 1.4 <= seconds[1]["at_s"] < 1.4 + 0.9 and seconds[2]["at_s"] >= 2.4, seconds


@test
def people_see_how_far_connecting_has_come():
    with Node() as node:
        process = start("idle", node.ws + "/echo", "--connections", 40, "--rate", 20, "--seconds", 0.1, "--settle", 0)
        out, errors = process.communicate(timeout=15)
        rows = [re.fullmatch(r" +(\d+\.\d) s  connecting  (\d+) of 40 connections", line) for line in errors.splitlines()]
        assert rows and all(rows) and 0 < int(rows[0][2]) < 40, errors
        assert "right       40 connections held to the end" in out, out


def on_a_terminal(*arguments):
    """Runs wye-load with a terminal for its progress: what was drawn there, a list of lines each time."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen([program(), *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=theirs,
                               preexec_fn=nodes.die_with_parent)
    os.close(theirs)
    seen = b""
    with open(ours, "rb", buffering=0) as screen:
        while True:
            try:
                part = screen.read(65536)
            except OSError:  # nobody holds the other end any more
                break
            if not part:
                break
            seen += part
    assert process.wait(10) == 0, seen
    return [re.sub(r"\x1b\[\d*[AKJ]|\r", "", each).splitlines() for each in seen.decode().split("\x1b[4A\r")]


@test
def people_at_a_terminal_see_the_phase_and_no_rate_of_another():
    with Node() as node:
        drawn = on_a_terminal("echo", node.ws + "/echo?token=hidden&more=" + "x" * 60, "--seconds", 1.2, "--warmup", 0.8, "--settle", 0.5, "--connections", 5)
    frames = [each for each in drawn if len(each) >= 4]
    phases = []
    for frame in frames:
        assert "hidden" not in "".join(frame) and all(len(line) < 80 for line in frame), frame
        phase = frame[0].partition("  ")[0]
        fresh = phase not in phases
        phases += [phase] if fresh else []
        rate = frame[1].split("a second")[1].strip()
        assert phase not in ("warming up", "measuring") or (rate == "-" if fresh else int(rate) > 0), frame
        assert phase != "warming up" or frame[2] == "  latency     -", frame
    assert [each for each in phases if each not in ("waiting for the last", "ending")] in (
        ["connecting", "settling", "warming up", "measuring"], ["settling", "warming up", "measuring"]), phases
    counts = [int(re.search(r"messages +(\d+)", each[1])[1]) for each in frames if "measuring" in each[0]]
    assert counts and counts[0] < counts[-1], "the measured ones alone are counted while it measures"


@test(seconds=30)
def people_who_name_a_path_that_is_no_echo_or_no_topic_are_asked_about_it():
    short = ("--connections", 3, *SHORT)
    with Node() as node:
        for scenario, path, words in (("echo", "/chat", "is /chat an echo path?"), ("fanout", "/echo", "came back to its publishers alone: is /echo a topic?"),
                                      ("fanout", "/topic/a", "is /topic/a the topic that /topic/b publishes to?")):
            more = ("--publish-path", "/topic/b?noecho&token=x") if path == "/topic/a" else ()
            status, report = load(scenario, node.ws + path + "?token=x", *more, *short)
            assert status == 1 and words in report["hint"] and "token" not in report["hint"], (path, report["hint"])
        status, report = load("echo", node.ws + "/topic/c?noecho", "--connections", 1, *SHORT)
        assert status == 1 and "nothing came back of what was sent: is /topic/c an echo path?" in report["hint"], report["hint"]
        for scenario, path in (("echo", "/echo"), ("fanout", "/chat")):
            status, report = load(scenario, node.ws + path, *short)
            assert (status, report["hint"]) == (0, ""), report["hint"]
    with Server("corrupted") as server:
        status, report = load("echo", server.url + "/echo", "--connections", 3, "--depth", 4, *SHORT)
        assert (status, report["hint"]) == (1, ""), "a single wrong answer is the server's fault"


@test
def compression_that_compressed_nothing_is_told_from_one_that_did():
    with Node() as node:
        def said(*arguments):
            process = start("echo", node.ws + "/echo", "--connections", 2, *arguments, *SHORT, "--quiet")
            out, errors = process.communicate(timeout=15)
            assert process.returncode == 0, out + errors
            return out
        small, large = said("--deflate"), said("--deflate", "--size", 600)
        assert "no message came compressed" in small and "HINT        compression was agreed to" in small and "less than 64 bytes" in small, small
        assert re.search(r"sent: payloads of [0-9.]+ MB as [0-9.]+ MB, to 0\.[2-6]", large), large
        assert re.search(r"came compressed: payloads of [0-9.]+ MB as [0-9.]+ MB, to 0\.[2-6]", large) and "HINT" not in large, large
        assert "HINT" not in said("--size", 20), "it wasn't asked for"


@test
def people_see_no_number_where_memory_could_not_be_measured():
    with Node() as node:
        pid = ("--pid", node.process.pid)
        process = start("idle", node.ws + "/echo", "--connections", 1, *pid, *SHORT, "--json", "-")
        report = json.loads(process.communicate(timeout=15)[0])
        assert report["slab_bytes_per_connection_both_ends"] is None or report["slab_bytes_per_connection_both_ends"] >= 1 << 20, report
        assert report["memory_bytes_per_connection_both_ends"] is None or report["memory_bytes_per_connection_both_ends"] >= 8 << 20, report
        process = start("idle", node.ws + "/echo", "--connections", 1, *pid, *SHORT)
        out, _ = process.communicate(timeout=15)
        memory = next(line for line in out.splitlines() if line.startswith("memory"))
        assert "-" not in memory and re.search(r"all memory (not measurable|\d{7,} bytes)", memory), out


@test
def people_see_no_token():
    secret = "eyJhbGciOiJub25lIn0.secret"
    with Node() as node, tempfile.TemporaryDirectory() as folder:
        url = f"{node.ws}/echo?a=1&token={secret}&b=2"
        process = start("echo", url, "--header", f"Authorization: Bearer {secret}", "--header", "X-Key: x", *SHORT, "--json", f"{folder}/result")
        out, errors = process.communicate(timeout=15)
        with open(f"{folder}/result", encoding="utf-8") as file:
            text = file.read()
        assert "secret" not in out + errors + text, out + errors + text
        assert json.loads(text)["url"] == f"{node.ws}/echo?a=1&token=***&b=2" and "?a=1&token=***&b=2: " in out, out
    for arguments in ((url.replace("ws://127.0.0.1", "ws://user@127.0.0.1"),), (url.replace("/echo", "/e cho"),), (url.replace("ws:", "http:"),),
                      (url, "--header", f"Authorization: Bearer {secret}\r\nX: y"), (url, "--header", f"Cookie: wye={secret}\n")):
        process = start("echo", *arguments)
        out, errors = process.communicate(timeout=15)
        assert process.returncode == 64 and "***" in errors and "secret" not in out + errors, (process.returncode, errors)


@test
def where_there_is_no_node_that_is_told_apart_from_what_is_wrong():
    status, text = status_of("echo", "ws://127.0.0.1:1/", *SHORT)
    assert status == 2 and "refused" in text, (status, text)
    status, text = status_of("echo", "wss://127.0.0.1:1/", *SHORT)
    assert status == 2 and "refused" in text, (status, text)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        status, text = status_of("echo", f"ws://127.0.0.1:{mute.getsockname()[1]}/", *SHORT, "--connections", 3)
    assert status == 2 and "3 x the connection was made, and the request to switch was never answered" in text, (status, text)
    assert status_of("echo", "unix:/nonexistent/socket", *SHORT)[0] == 2
    status, text = status_of("echo", "ws://127.0.0.1:1/", *SHORT, "--pid", 1 << 22)
    assert status == 2 and "no such process" in text, (status, text)
    for arguments in ((), ("echo",), ("dance", "ws://127.0.0.1/"), ("echo", "http://127.0.0.1/"), ("echo", "ws://127.0.0.1/", "--size", "x"),
                      ("echo", "ws://127.0.0.1/", "--rate", "-1"), ("echo", "ws://127.0.0.1:99999/"), ("echo", "ws://127.0.0.1/", "--nothing"),
                      ("echo", "ws://127.0.0.1/", "--deflate=level=9"), ("echo", "ws://127.0.0.1/", "--deflate=client_max_window_bits=8"),
                      ("echo", "ws://127.0.0.1/", "--deflate=server_max_window_bits"), ("echo", "ws://127.0.0.1/", "--payload", "zeros"),
                      ("echo", "ws://127.0.0.1/", "--header", "Sec-WebSocket-Extensions: x"), ("echo", "wss://127.0.0.1:x/"),
                      ("echo", "ws://127.0.0.1/", "--subscribe-message", "x"),
                      ("fanout", "ws://127.0.0.1/", "--size", 0, "--depth", 2), ("fanout", "ws://127.0.0.1/", "--size", 0, "--rate", 9),
                      ("fanout", "ws://127.0.0.1/", "--topics", "2", "--publishers", "2"), ("echo", "ws://[::1]/", "--source", "127.0.0.2")):
        status, text = status_of(*arguments)
        assert status == 64 and "wye-load:" in text, (arguments, status, text)
    status, text = status_of("--help")
    assert status == 0 and text.startswith("usage: wye-load") and len(text.splitlines()) < 40 and max(map(len, text.splitlines())) < 104
    status, text = status_of("--version")
    assert status == 0 and text.startswith("wye-load ")


if __name__ == "__main__":
    sys.exit(checks.main(__doc__))
