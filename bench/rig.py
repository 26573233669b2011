"""What the benchmarks in Python share: a server on one core and a client on another, rounds, medians and their intervals."""
import argparse
import contextlib
import ctypes
import os
import random
import re
import signal
import socket
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


class CouldNot(Exception):
    """It can't be tried here; the text says why. Scripts exit with 2 then."""


def cores():
    """(the server's core, the client's)."""
    ours = os.sched_getaffinity(0)
    if len(ours) < 2:
        raise CouldNot("two cores are needed: one for the server, and one for its client")
    return min(ours), max(ours)


def on(cores_of_it):
    """For preexec_fn: the process stays on a core, or on some of them, and goes when this script does."""
    def prepare():
        os.sched_setaffinity(0, {cores_of_it} if isinstance(cores_of_it, int) else cores_of_it)
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    return prepare


def must_be_right(done, what):
    """A run of wye-load that ended with 0; with 1 the server was wrong, and with anything else it could not be tried."""
    if done.returncode:
        raise (SystemExit if done.returncode == 1 else CouldNot)(f"{what}: {done.stdout}{done.stderr}")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def wye(build, core, *options):
    """A node on a core (or a set of them), of one loop unless its options say otherwise: (its process, its port)."""
    program = f"{build}/wye"
    if not os.path.exists(program):
        raise CouldNot(f"{program} isn't there (--build)")
    options = [*([] if any("listen" in option for option in options) else ["--listen", "127.0.0.1:0"]),
               *([] if "--threads" in options else ["--threads", "1"]), *options]
    node = subprocess.Popen([program, *options, "--log", "error"], stdout=subprocess.PIPE, text=True, preexec_fn=on(core))
    try:
        line = node.stdout.readline()
        if not line:
            raise CouldNot(f"{program} ended with {node.wait(10)}")
        yield node, int(re.search(r":(\d+)/", line)[1])
    finally:
        node.terminate()
        node.wait(10)


def interval(values, draws=2000):
    """A bootstrap interval (95 %) of the median."""
    dice = random.Random(1)
    medians = sorted(statistics.median(dice.choices(values, k=len(values))) for _ in range(draws))
    return medians[draws // 40], medians[-draws // 40]


def spread(values, form=".2f"):
    """A median with its interval, for a table; "-" of nothing."""
    if not values:
        return "-"
    low, high = interval(values)
    return f"{statistics.median(values):{form}} [{low:{form}}, {high:{form}}]"


def arguments(description, rounds, seconds):
    """A parser of what all such scripts take."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=os.path.join(HERE, "../build"), help="where the programs are (%(default)s)")
    parser.add_argument("--rounds", type=int, default=rounds, help="that count; one before them warms up (%(default)s)")
    parser.add_argument("--seconds", type=float, default=seconds, help="that each run takes (%(default)s)")
    return parser


def run(main):
    """Runs a script's main(), and ends with its exit status."""
    try:
        sys.exit(main())
    except CouldNot as why:
        print(f"{os.path.basename(sys.argv[0])}: {why}", file=sys.stderr)
        sys.exit(2)
