#!/usr/bin/python3
"""What refusing an upgrade costs the server, beside what an upgrade costs.

    refusals.py [--build build] [--rounds 11] [--seconds 1] [--connections 64]

Starts wye on one core and bench/storm on another, and alternates: upgrade, refused (the client hangs up once it has the
answer), waits (the client lets the server end the connection), upgrade again (A/A). Cost is CPU time of the server's
process, its kernel threads for io_uring included, per answer. Exit status 1: refused costs more than 1.5 of an upgrade
(the lower end of the interval); 2: it could not be tried.
"""
import statistics
import subprocess
import sys
import time

sys.dont_write_bytecode = True

import rig


def main():
    parser = rig.arguments(__doc__, rounds=11, seconds=1)
    parser.add_argument("--connections", default="64")
    options = parser.parse_args()
    first, last = rig.cores()
    costs = {"upgrade": [], "refused": [], "waits": [], "again": []}
    with rig.wye(options.build, first) as (server, port):
        clock = ~server.pid << 3 | 2  # the CPU time of a process, as clock_getcpuclockid() has it
        for turn in range(options.rounds + 1):
            for kind, kept in costs.items():
                before = time.clock_gettime(clock)
                storm = [f"{options.build}/storm", str(port), "upgrade" if kind == "again" else kind, str(options.seconds), options.connections]
                done = subprocess.run(storm, capture_output=True, text=True, preexec_fn=rig.on(last))
                if done.returncode:
                    raise rig.CouldNot(f"{' '.join(storm)}: {done.stderr}")
                time.sleep(0.1)  # what is left to be ended, is
                answers, status, seconds = done.stdout.split()
                if status != ("400" if kind in ("refused", "waits") else "101"):
                    raise rig.CouldNot(f"{kind}: answered {status}")
                if turn > 0:  # the first round warms up
                    kept.append(((time.clock_gettime(clock) - before) / int(answers) * 1e6, int(answers) / float(seconds)))
    print("| | us of CPU each | : upgrade | a second |\n| --- | ---: | ---: | ---: |")
    for kind, kept in costs.items():
        ratios = [cost / base for (cost, _), (base, _) in zip(kept, costs["upgrade"])]
        print(f"| {kind} | {statistics.median(c for c, _ in kept):.2f} | {rig.spread(ratios)} | {statistics.median(r for _, r in kept):,.0f} |")
        if kind == "refused":
            worse = rig.interval(ratios)[0] > 1.5
    return 1 if worse else 0


if __name__ == "__main__":
    rig.run(main)
