#!/usr/bin/python3
"""What a publish by HTTP costs wye, and nginx with nchan beside it.

    publish.py [--build build] [--rounds 11] [--seconds 2] [--quick] [--json FILE] [--nginx nginx] [--nchan MODULE]

Each server has one core (wye one loop, nginx one worker), `wye-load publish` the other; nobody subscribes, and nchan is told to
keep no messages, as wye keeps none by default. Rounds alternate: wye, nchan, wye again (A/A), and the other way round in every
other one. Costs are the CPU time of the server's process, and the busy time of its core (softirq included), per publish: medians of
the rounds with bootstrap intervals (95 %), and ratios to wye of the same round. A round in which answers were missing or wrong, or
connections ended, is named and not counted. Exit status 1: wye answered wrongly, or costs more than nchan (busy time, the upper end
of a ratio's interval); 2: it could not be tried.
"""
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True

import rig

SCENARIOS = ((1, 1), (1, 64), (100, 1), (100, 16))  # connections, publishes under way on each
COSTS = ("cpu_us", "busy_us")  # a publish
SERVERS = ("wye", "nchan", "wye again")
MODULE = "/usr/lib/nginx/modules/ngx_nchan_module.so"
INSTALL = """nginx with nchan isn't here: {}. On Debian:
    apt-get install nginx-light libnginx-mod-nchan
which starts nginx as a service, on port 80; this script starts one of its own, and that one can be stopped. Or without installing the
module: `apt-get download libnginx-mod-nchan && dpkg -x libnginx-mod-nchan*.deb DIR`, then --nchan DIR{}"""
CONFIGURATION = """{user}load_module {module};
worker_processes 1;
daemon off;
pid {folder}/pid;
error_log {folder}/errors;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    keepalive_timeout 600;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        location ~ ^/topic/(.+)$ {{
            nchan_publisher http;
            nchan_channel_id $1;
            nchan_store_messages off;
        }}
    }}
}}
"""
FAULTS = ("lost", "unexpected", "broken_frames", "dropped", "not_published", "handshakes_failed", "wrong_receivers")


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(each) for each in file.read().split()]


def until(test, what, seconds=5):
    end = time.monotonic() + seconds
    while not (value := test()):
        if time.monotonic() > end:
            raise rig.CouldNot(what())
        time.sleep(0.02)
    return value


@contextlib.contextmanager
def nginx(program, module, core):
    """nginx with nchan on a core: (its worker's pid, its port)."""
    if not program or not os.path.exists(module):
        raise rig.CouldNot(INSTALL.format(f"there is no {module if program else 'nginx'}", MODULE))
    with tempfile.TemporaryDirectory() as folder:
        port = rig.free_port()
        with open(f"{folder}/conf", "w") as file:
            file.write(CONFIGURATION.format(folder=folder, port=port, module=os.path.abspath(module), user="user root;\n" if os.geteuid() == 0 else ""))
        command = [program, "-p", folder, "-c", f"{folder}/conf", "-e", f"{folder}/errors"]
        master = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, preexec_fn=rig.on(core))

        def trouble():
            master.terminate()
            return f"nginx doesn't run with nchan: {master.communicate(timeout=10)[1].strip()}"
        try:
            until(lambda: master.poll() is not None or (os.path.exists(f"{folder}/pid") and children(master.pid)), trouble)
            if master.poll() is not None:
                raise rig.CouldNot(trouble())
            yield children(master.pid)[0], port
        finally:
            master.terminate()
            master.wait(10)


def publish(options, core, client, server, connections, depth):
    """One run: wye-load's report."""
    pid, port = server
    command = [f"{options.build}/wye-load", "publish", f"http://127.0.0.1:{port}/topic/t", "--connections", connections, "--depth", depth,
               "--seconds", options.seconds, "--warmup", 0.2, "--settle", 0.1, "--stall", 2, "--pid", pid, "--cpu", core, "--quiet", "--json", "-"]
    done = subprocess.run([str(each) for each in command], capture_output=True, text=True, preexec_fn=rig.on(client), timeout=options.seconds + 30)
    if done.returncode not in (0, 1):
        raise rig.CouldNot(f"wye-load ended with {done.returncode}: {done.stdout}{done.stderr}")
    return json.loads(done.stdout)


def result_of(report):
    """What of a report is kept."""
    count, seconds = report["measured_messages"], report["measured_s"]
    result = {"right": report["right"], "wrong": {name: report[name] for name in FAULTS if report[name]},
              "failures": [f"{each['count']} x {each['text']}" for each in report["failures"]], "publishes": count}
    if count:
        result |= {"per_s": report["messages_per_s"], "cpu_us": report["server_cpu_us_per_message"],
                   "busy_us": report["core_busy_share"] * seconds / count * 1e6, "p50_us": report["latency_us"]["p50"],
                   "core_busy": report["core_busy_share"], "stolen": report["core_steal_share"]}
    return result


def play(options, servers, first, last):
    """All rounds: {(connections, depth): [{server: result}, ...]}."""
    rounds = {}
    for scenario in SCENARIOS:
        rounds[scenario] = []
        for number in range(options.rounds + 1):
            order = SERVERS if number % 2 else SERVERS[::-1]
            played = {name: result_of(publish(options, first, last, servers[name.split()[0]], *scenario)) for name in order}
            if number:  # the first warms up
                rounds[scenario].append(played)
            if sys.stderr.isatty():
                print(f"\r{scenario[0]} x {scenario[1]}: round {number} of {options.rounds} \033[K", end="\r", file=sys.stderr, flush=True)
    return rounds


def fine(result):
    return result["right"] and result["publishes"] > 0


def summary(played, name):
    """Of one server in one scenario: the rounds that count, and its ratios to wye in those where both do."""
    good = [each[name] for each in played if fine(each[name])]
    both = [each for each in played if fine(each[name]) and fine(each["wye"])]
    ratios = {cost: [each[name][cost] / each["wye"][cost] for each in both if each["wye"][cost] > 0] for cost in COSTS}
    return good, ratios


def tables(rounds):
    yield "| | CPU us a publish | : wye | busy us a publish | : wye | publishes a second | rounds |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    for (connections, depth), played in rounds.items():
        yield f"| **{connections} connection{'s' if connections > 1 else ''}, {depth} under way** | | | | | | |"
        for name in SERVERS:
            good, ratios = summary(played, name)
            costs = [(rig.spread([each[cost] for each in good]), rig.spread(ratios[cost]) if name != "wye" else "1") for cost in COSTS]
            rate = f"{statistics.median(each['per_s'] for each in good):,.0f}" if good else "-"
            yield f"| {name} | {' | '.join(' | '.join(pair) for pair in costs)} | {rate} | {len(good)} of {len(played)} |"


def not_counted(rounds):
    """The rounds that ended with errors, by name."""
    for (connections, depth), played in rounds.items():
        for number, each in enumerate(played, 1):
            for name, result in each.items():
                if not fine(result):
                    why = [f"{count} {fault.replace('_', ' ')}" for fault, count in result["wrong"].items()] + result["failures"]
                    yield f"{connections} x {depth}, round {number}, {name}: {'; '.join(why) or 'nothing right came'}"


def verdict(rounds):
    """1: wye was wrong somewhere, or nchan is cheaper."""
    for played in rounds.values():
        if not all(fine(each[name]) for each in played for name in SERVERS if name != "nchan"):
            return 1
        ratios = summary(played, "nchan")[1]["busy_us"]
        if ratios and rig.interval(ratios)[1] < 1:
            return 1
    return 0


def in_short(good, ratios):
    """A summary, for JSON: medians with their intervals."""
    short = {"rounds_counted": len(good)}
    for cost in COSTS:
        for what, values in ((cost, [each[cost] for each in good]), (f"{cost}_to_wye", ratios[cost])):
            if values:
                short[what] = dict(zip(("median", "low", "high"), (statistics.median(values), *rig.interval(values))))
    return short


def write_json(path, options, version, rounds):
    what = {"program": "bench/publish.py", "nginx": version, "kernel": os.uname().release, "seconds": options.seconds, "scenarios": [
        {"connections": connections, "depth": depth, "rounds": played, "servers": {
            name: in_short(*summary(played, name)) for name in SERVERS}}
        for (connections, depth), played in rounds.items()]}
    with open(path, "w") if path != "-" else contextlib.nullcontext(sys.stdout) as file:
        json.dump(what, file, indent=1)
        file.write("\n")


def main():
    parser = rig.arguments(__doc__, rounds=11, seconds=2)
    parser.add_argument("--quick", action="store_true", help="two rounds of 0.3 s: does it run?")
    parser.add_argument("--json", metavar="FILE", help="all rounds and ratios (\"-\": stdout, instead of the table)")
    parser.add_argument("--nginx", default="nginx", help="the program (%(default)s)")
    parser.add_argument("--nchan", default=MODULE, help="its module (%(default)s)")
    options = parser.parse_args()
    options.nginx = shutil.which(options.nginx, path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if options.quick:
        options.rounds, options.seconds = 2, 0.3
    first, last = rig.cores()
    with rig.wye(options.build, first) as (node, port), nginx(options.nginx, options.nchan, first) as other:
        rounds = play(options, {"wye": (node.pid, port), "nchan": other}, first, last)
    version = subprocess.run([options.nginx, "-v"], capture_output=True, text=True).stderr.strip().removeprefix("nginx version: ")
    if options.json:
        write_json(options.json, options, version, rounds)
    if options.json != "-":
        print(f"{version} with nchan; rounds of {options.seconds} s\n")
        print("\n".join(tables(rounds)))
        for line in not_counted(rounds):
            print(f"not counted: {line}")
    return verdict(rounds)


if __name__ == "__main__":
    rig.run(main)
