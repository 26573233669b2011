#!/usr/bin/python3
"""wye-load publish tells the truth: about HTTP servers that answer wrongly, or rightly but awkwardly, about a node, and about time."""
import concurrent.futures
import sys
import tempfile

sys.dont_write_bytecode = True

import checks
from checks import test
from load_http_servers import ALSO, POST_FAULTS, POST_MANNERS, PostServer
from load_rig import load, must_be_right, status_of, wrong
from load_servers import Delays, STRIKES_AT
from node import Node

BRIEF = ("--warmup", 0, "--settle", 0, "--stall", 0.7, "--seconds", 0.12)
DEPTH = 4


def struck_by(fault, *arguments):
    """(exit status, report) of a run against a server with a fault, long enough for it to strike."""
    for seconds in (0.12, 0.5, 3):
        with PostServer(fault) as server:
            status, report = load("publish", server.url + "/topic", *arguments, *BRIEF, "--seconds", seconds)
        if server.struck:
            return status, report
    raise AssertionError(f"{fault}: too few messages came to the server")


def side_by_side(story, each):
    """Tells many short stories, two at a time: they wait more than they work."""
    with concurrent.futures.ThreadPoolExecutor(2) as threads:
        for _ in threads.map(story, each):
            pass


def must_be_called(fault, status, report):
    """The fault is called by its name, in count and words, and nothing else is."""
    count, words = POST_FAULTS[fault]
    found = wrong(report)
    assert found.get("lost", 0) <= DEPTH, f"{fault}: {found}"
    if count in ("dropped", "broken_frames"):  # what was under way on a connection that ended is never answered
        found.pop("lost", None)
    expected = {count: 1, **({ALSO[fault]: 1} if fault in ALSO else {})}
    assert found == expected, f"{fault}: {found} {report['failures']}"
    assert any(words in each["text"] and each["count"] == 1 for each in report["failures"]), f"{fault}: {report['failures']}"
    assert status == 1 and not report["right"], fault
    assert report["messages"] >= STRIKES_AT, fault


@test(seconds=50)
def each_wrong_answer_to_a_publish_is_called_by_its_name_and_nothing_else():
    side_by_side(lambda fault: must_be_called(fault, *struck_by(fault, "--connections", 3, "--depth", DEPTH, "--receivers", 0)), POST_FAULTS)


@test(seconds=20)
def a_wrong_answer_shows_with_one_publish_under_way_too():
    side_by_side(lambda fault: must_be_called(fault, *struck_by(fault, "--connections", 1, "--text", "--receivers", 0)),
                 ("lost", "doubled", "status_413", "words", "cut_body", "banner", "last"))
    # Half an answer is waited for: the rest of it may still come.
    status, report = struck_by("long_length", "--connections", 1, "--receivers", 0)
    assert (status, wrong(report)) == (1, {"lost": 1}), (wrong(report), report["failures"])
    assert report["failures"] == [{"count": 1, "text": "answers that never came, the first of them cut off"}], report["failures"]


@test(seconds=20)
def receivers_that_were_not_asked_for_are_asked_for_once_a_server_tells_them():
    for fault, found in (("words", {"wrong_receivers": 1}), ("empty", {"wrong_receivers": 1}), ("cut_json", {"wrong_receivers": 1}), ("one_more", {})):
        status, report = struck_by(fault, "--connections", 2, "--depth", 3)
        assert (status, wrong(report)) == (int(bool(found)), found), (fault, wrong(report), report["failures"])
    for manner in ("untold", "nothing"):
        with PostServer(manner=manner) as server:
            status, report = load("publish", server.url + "/topic", "--connections", 2, "--depth", 3, *BRIEF)
            must_be_right(status, report, 20)
            assert report["untold"] == report["messages"] and report["receivers"] == 0
            status, report = load("publish", server.url + "/topic", "--connections", 2, "--receivers", 0, *BRIEF)
            assert status == 1 and report["messages"] == 0 and report["wrong_receivers"] == report["settled"] > 0, wrong(report)
    with PostServer(manner="untold_at_first") as server:
        status, report = load("publish", server.url + "/topic", "--connections", 1, *BRIEF, "--seconds", 0.5)
    assert report["messages"] > STRIKES_AT and (status, wrong(report), report["untold"]) == (1, {"wrong_receivers": STRIKES_AT}, STRIKES_AT), wrong(report)
    assert report["failures"] == [{"count": STRIKES_AT, "text": 'an answer that doesn\'t say {"receivers": N}, where others do'}], report["failures"]


@test(seconds=20)
def a_count_that_is_not_the_number_of_subscribers_is_wrong():
    for subscribers, lies in ((3, 0), (3, 1), (3, -1), (0, 2)):
        asked = ("--subscribers", subscribers) if subscribers else ("--receivers", 0)
        with PostServer(lies=lies) as server:
            status, report = load("publish", server.url + "/topic", "--connections", 2, "--depth", 2, *asked, *BRIEF)
        if not lies:
            must_be_right(status, report, 20)
            assert report["deliveries"] == report["receivers"] == 3 * report["messages"], report
            continue
        assert status == 1 and set(wrong(report)) == {"wrong_receivers"}, (lies, wrong(report), report["failures"])
        assert report["wrong_receivers"] == report["sent"] and report["messages"] == 0
        assert report["failures"] == [{"count": report["sent"], "text": f"{subscribers + lies} receivers instead of {subscribers}"}], report["failures"]
        assert report["deliveries"] == report["sent"] * subscribers


@test(seconds=50)
def an_awkward_server_whose_answers_are_right_is_called_right():
    def told_right(manner_and_depth):
        manner, depth = manner_and_depth
        with PostServer(manner=manner) as server:
            status, report = load("publish", server.url + "/topic", "--connections", 2, "--size", 300, "--depth", depth, "--receivers", 0, *BRIEF)
        must_be_right(status, report)
        assert report["untold"] == 0, manner
    side_by_side(told_right, [(manner, 8) for manner in POST_MANNERS] + [("right", 1), ("split", 1), ("hints", 1)])
    with PostServer(manner="spaced") as server:
        must_be_right(*load("publish", server.url + "/topic", "--connections", 2, "--subscribers", 3, "--depth", 4, *BRIEF))


@test(seconds=20)
def more_answers_than_64_KiB_in_one_go_are_told_apart():
    for manner in ("coalesced", "chunked_and_coalesced"):
        with PostServer(manner=manner) as server:
            status, report = load("publish", server.url + "/topic", "--connections", 1, "--depth", 2000, "--receivers", 0, *BRIEF)
        must_be_right(status, report, 2000)


@test(seconds=20)
def a_request_is_what_was_asked_for():
    for options, line, fields in (
            (("--size", 0), "POST /topic HTTP/1.1", {"content-length": "0", "content-type": "application/octet-stream"}),
            (("--text", "--header", "X-Y: z"), "POST /topic HTTP/1.1", {"content-length": "20", "content-type": "text/plain; charset=utf-8", "x-y": "z"}),
            (("--header", "content-type: application/json", "--publish-path", "/pub?id={topic}"), "POST /pub?id=0 HTTP/1.1", {"content-type": "application/json"})):
        with PostServer() as server:
            must_be_right(*load("publish", server.url + "/topic", "--connections", 1, *options, *BRIEF))
        assert server.request[0] == line and fields.items() <= server.request[1].items(), server.request
        assert server.request[1]["host"] == f"127.0.0.1:{server.port}"


@test(seconds=20)
def a_server_that_falls_silent_is_given_up_and_what_it_owes_is_lost():
    for after in (0, 100):
        with PostServer(mute_after=after) as server:
            status, report = load("publish", server.url + "/topic", "--connections", 3, "--depth", DEPTH, *BRIEF, "--seconds", 5)
        assert (status, report["stalled"], wrong(report)) == (1, True, {"lost": 3 * DEPTH}), (status, wrong(report))
        assert report["messages"] == after and report["failures"] == [{"count": 3 * DEPTH, "text": "answers that never came"}], report["failures"]


@test(seconds=20)
def every_connection_that_is_ended_is_told_and_the_run_ends_with_the_last():
    for fault, count in (("last", "dropped"), ("banner", "broken_frames")):
        with PostServer(fault) as server:
            status, report = load("publish", server.url + "/topic", "--connections", 1, "--depth", 2, *BRIEF, "--seconds", 10, "--stall", 10, seconds=5)
        assert status == 1 and report[count] == 1 and report["measured_s"] < 2 and not report["stalled"], (status, wrong(report))


@test(seconds=20)
def the_open_loop_of_publishes_tells_the_true_latency():
    rate, connections, seconds = 200, 20, 2
    delays = Delays(connections / rate, 1, 0.4)
    with PostServer(delay=delays) as server:
        status, report = load("publish", server.url + "/topic", "--connections", connections, "--rate", rate, "--seconds", seconds, "--warmup", 0)
    must_be_right(status, report, rate * seconds * 0.99)
    latency = report["latency_us"]
    assert latency["count"] == len(delays.truth) == report["sent"], "every publish that was planned has a latency"
    for name, percent in (("p50", 50), ("p90", 90), ("p99", 99)):
        told, truth = latency[name] / 1e3, delays.percentile(percent) * 1e3
        assert abs(told - truth) <= truth * 0.03 + 15, f"{name}: {told:.1f} ms was told, {truth:.1f} ms is the truth"
    assert latency["max"] > 390e3, "it stood still for 0.4 s"


@test(seconds=38)
def every_form_of_publish_runs_against_a_node_with_one_thread_and_with_two():
    with Node("--threads", "2") as node:
        topic = node.url + "topic/t"
        for threads in (1, 2):
            common = ("--threads", threads, *BRIEF, "--stall", 3, "--seconds", 0.3)
            must_be_right(*load("publish", topic, "--connections", 20, "--receivers", 0, *common), 100)
            must_be_right(*load("publish", topic, "--connections", 4, "--depth", 64, "--receivers", 0, "--text", *common), 100)
            must_be_right(*load("publish", topic, "--connections", 3, "--size", "200K", "--receivers", 0, *common), 5)
            must_be_right(*load("publish", topic, "--connections", 20, "--rate", 2000, "--receivers", 0, "--size", 0, *common), 500)
            status, report = load("publish", topic + "{topic}", "--connections", 6, "--topics", 3, "--subscribers", 30, "--depth", 4, *common)
            must_be_right(status, report, 100)
            assert report["deliveries"] == report["receivers"] == 10 * report["messages"], report
            status, report = load("publish", topic, "--connections", 2, "--subscribers", 3, "--receivers", 4, *common)
            assert status == 1 and set(wrong(report)) == {"wrong_receivers"}, (status, wrong(report), report["failures"])
        status, report = load("publish", node.url + "topic/%24mine", "--connections", 2, *BRIEF)
        assert status == 1 and report["not_published"] > 0 and "403" in report["failures"][0]["text"], report["failures"]
        status, text = status_of("publish", topic, "--connections", 2, "--subscribers", 2, "--quiet", *BRIEF)
        assert status == 0 and "receivers   2.00 a publish" in text and "right       every answer of" in text and "every byte of" in text, text
    with tempfile.TemporaryDirectory() as folder:
        with Node("--listen", f"unix:{folder}/socket") as node:
            must_be_right(*load("publish", f"unix:{folder}/socket:/topic/t", "--receivers", 0, *BRIEF), 20)


@test
def where_publishes_can_not_be_tried_that_is_told_apart_from_what_is_wrong():
    for url in ("http://127.0.0.1:1/topic/t", "https://127.0.0.1:1/topic/t", "unix:/nonexistent/socket:/topic/t"):
        status, text = status_of("publish", url, *BRIEF)
        assert status == 2 and ("refused" in text or "No such file" in text), (status, text)
    with PostServer("status_413") as server:
        status, text = status_of("publish", server.url + "/topic", "--connections", 1, *BRIEF)
    assert status == 1 and "1 publishes refused" in text and "1 x answered 413 Content Too Large" in text, text
    url = "http://127.0.0.1/topic/t"
    for arguments in (("--publishers", 2), ("--topics", 2), ("--deflate",), ("--publish-template", "{payload}"), ("--subscribers", 3, "--size", 3),
                      ("--receivers", "x"), ("--publish-path", "pub"), ("--ca", "/x"), ("--depth", 4096)):
        status, text = status_of("publish", url, *arguments)
        assert status == 64 and "wye-load:" in text, (arguments, status, text)
    assert status_of("publish", url + "{topic}", "--topics", 3, "--subscribers", 2)[0] == 64
    assert status_of("echo", "ws://127.0.0.1/", "--receivers", 2)[0] == 64


if __name__ == "__main__":
    sys.exit(checks.main(__doc__))
