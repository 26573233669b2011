#!/usr/bin/python3
"""What refusing an upgrade costs the server, beside what an upgrade costs.

    refusals.py [--build build] [--rounds 11] [--seconds 1] [--connections 64]

Starts wye on one core and bench/storm on another, and alternates: upgrade, refused (the client hangs up once it has the
answer), waits (the client lets the server end the connection), upgrade again (A/A). Cost is CPU time of the server's
process, its kernel threads for io_uring included, per answer. Exit status 1: refused costs more than 1.5 of an upgrade
(the lower end of the interval).
"""
import argparse
import os
import random
import re
import statistics
import subprocess
import sys
import time


def interval(values, draws=2000):
    """A bootstrap interval (95 %) of the median."""
    dice = random.Random(1)
    medians = sorted(statistics.median(dice.choices(values, k=len(values))) for _ in range(draws))
    return medians[draws // 40], medians[-draws // 40]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), "../build"))
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--seconds", default="1")
    parser.add_argument("--connections", default="64")
    options = parser.parse_args()
    last = max(os.sched_getaffinity(0))
    server = subprocess.Popen([f"{options.build}/wye", "--listen", "127.0.0.1:0", "--threads", "1", "--log", "error"], stdout=subprocess.PIPE, text=True,
                              preexec_fn=lambda: os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}))
    clock = ~server.pid << 3 | 2  # the CPU time of a process, as clock_getcpuclockid() has it
    costs = {"upgrade": [], "refused": [], "waits": [], "again": []}
    try:
        port = re.search(r":(\d+)/", server.stdout.readline())[1]
        for turn in range(options.rounds + 1):
            for kind, kept in costs.items():
                before = time.clock_gettime(clock)
                storm = [f"{options.build}/storm", port, "upgrade" if kind == "again" else kind, options.seconds, options.connections]
                done = subprocess.run(storm, capture_output=True, text=True, check=True, preexec_fn=lambda: os.sched_setaffinity(0, {last}))
                time.sleep(0.1)  # what is left to be ended, is
                answers, status, seconds = done.stdout.split()
                if status != ("400" if kind in ("refused", "waits") else "101"):
                    raise SystemExit(f"{kind}: answered {status}")
                if turn > 0:  # the first round warms up
                    kept.append(((time.clock_gettime(clock) - before) / int(answers) * 1e6, int(answers) / float(seconds)))
    finally:
        server.terminate()
        server.wait(10)
    print("| | us of CPU each | : upgrade | a second |\n| --- | ---: | ---: | ---: |")
    for kind, kept in costs.items():
        ratios = [cost / base for (cost, _), (base, _) in zip(kept, costs["upgrade"])]
        low, high = interval(ratios)
        print(f"| {kind} | {statistics.median(c for c, _ in kept):.2f} | {statistics.median(ratios):.2f} [{low:.2f}, {high:.2f}] "
              f"| {statistics.median(r for _, r in kept):,.0f} |")
        if kind == "refused":
            worse = low > 1.5
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
