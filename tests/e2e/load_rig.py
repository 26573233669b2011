"""Runs wye-load, and reads what it says. For wye_load.py and wye_load_publish.py."""
import json
import os
import subprocess

import node as nodes

COUNTS = ("lost", "duplicated", "reordered", "corrupted", "wrong_length", "wrong_type", "unexpected", "broken_frames", "dropped",
          "handshakes_failed", "bad_closes", "not_published", "wrong_receivers")


def program():
    return os.environ.get("WYE_LOAD") or os.path.join(os.path.dirname(nodes.program()), "wye-load")


def start(*arguments, **more):
    return subprocess.Popen([program(), *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            text=True, preexec_fn=nodes.die_with_parent, **more)


def load(*arguments, seconds=30):
    """Runs wye-load to its end: (exit status, its report)."""
    process = start(*arguments, "--quiet", "--json", "-")
    try:
        out, errors = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    assert out.startswith("{"), f"status {process.returncode}: {out} {errors}"
    return process.returncode, json.loads(out)


def status_of(*arguments):
    """Runs it for people: (exit status, all it says)."""
    process = start(*arguments)
    out, errors = process.communicate(timeout=20)
    return process.returncode, out + errors


def wrong(report):
    """What the report says is wrong."""
    return {name: int(report[name]) for name in COUNTS if report[name]}


SHORT = ("--seconds", 0.4, "--warmup", 0.1, "--settle", 0.05, "--stall", 1.5)


def must_be_right(status, report, least=1):
    assert (status, report["right"], wrong(report)) == (0, True, {}), (status, wrong(report), report["failures"], report["stalled"])
    assert report["messages"] >= least, report["messages"]
