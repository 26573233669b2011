"""Starts a node on a free port and ends it by its pid, whatever happens in between.

    with Node("--threads", "2") as node:
        socket.create_connection(node.address)

Leaving the `with` asks the node to end (SIGTERM) and asserts that it does so with exit status 0 within 10 seconds.
"""
import ctypes
import os
import re
import resource
import select
import signal
import subprocess
import tempfile
import time
import urllib.request
import weakref

_libc = ctypes.CDLL(None)
_alive = []

ENDS_WITHIN = 10


def program():
    """The program under test: what WYE names, or the one in the build folder."""
    here = os.path.dirname(os.path.abspath(__file__))
    return os.environ.get("WYE") or os.path.normpath(os.path.join(here, "../../build/wye"))


def die_with_parent():
    """For preexec_fn: a script that is killed takes its children with it."""
    _libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def kill_all():
    for each in list(_alive):
        each.kill()


def run(*options, env=None, seconds=10, before=die_with_parent):
    """Runs the program to its end, for options that make it end: (exit status, stdout, stderr)."""
    done = subprocess.run([program(), *options], capture_output=True, text=True, timeout=seconds, stdin=subprocess.DEVNULL,
                          env={**os.environ, **(env or {})}, preexec_fn=before)
    return done.returncode, done.stdout, done.stderr


class Node:
    """A node. Without a --listen among the options it takes a free port of 127.0.0.1. descriptors: its limit of them."""

    def __init__(self, *options, env=None, descriptors=None):
        self.descriptors = descriptors
        self.options = list(options) if "--listen" in options else ["--listen", "127.0.0.1:0", *options]
        self.env = {**os.environ, **(env or {})}
        self.process = None
        self.urls = []
        self.peers = weakref.WeakSet()  # that were opened to it

    # ---- life ----

    def start(self, within=10):
        self.errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen([program(), *self.options], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.errors,
                                        env=self.env, preexec_fn=self._prepare)
        _alive.append(self)
        try:
            self._await_ready(self.options.count("--listen") + self.options.count("--tls-listen"), time.monotonic() + within)
        except BaseException:
            self.kill()
            raise
        return self

    def _prepare(self):
        die_with_parent()
        if self.descriptors:
            resource.setrlimit(resource.RLIMIT_NOFILE, (self.descriptors, self.descriptors))

    def _await_ready(self, listeners, until):
        output = b""
        while output.count(b"\n") < listeners:
            ready, _, _ = select.select([self.process.stdout], [], [], max(0, until - time.monotonic()))
            more = os.read(self.process.stdout.fileno(), 4096) if ready else b""
            if not more:
                self.kill()
                raise RuntimeError(f"the node didn't become ready: {' '.join(self.options)}: exit status {self.process.returncode}\n{self.log()}")
            output += more
        lines = output.decode().splitlines()
        self.urls = [line.removeprefix("listening on ") for line in lines]
        assert all(line.startswith("listening on ") for line in lines), lines

    def running(self):
        return self.process is not None and self.process.poll() is None

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self, within=ENDS_WITHIN):
        """Waits for the end; the exit status. Kills it, and raises, when that takes too long."""
        try:
            self.process.wait(within)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the node was still running {within} s after it had been asked to end") from None
        self.forget()
        return self.process.returncode

    def stop(self, within=ENDS_WITHIN):
        """Asks it to end; the exit status."""
        if self.running():
            self.signal(signal.SIGTERM)
        return self.wait(within)

    def kill(self):
        if self.running():
            self.process.kill()
        if self.process:
            self.process.wait()
        self.forget()

    def forget(self):
        if self in _alive:
            _alive.remove(self)
        self.process.stdout.close()

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, trouble, _):
        if kind is not None:
            self.kill()
            if not isinstance(trouble, (KeyboardInterrupt, SystemExit)) and self.process.returncode != -signal.SIGKILL:
                trouble.args = (f"{trouble}\nthe node ended with {self.process.returncode}:\n{self.log()[-3000:]}",)
            return False
        if self in _alive:
            for peer in list(self.peers):  # or it waits for them
                peer.socket.close()
            status = self.stop()
            assert status == 0, f"the node ended with {status}:\n{self.log()[-3000:]}"
        return False

    # ---- what it is and says ----

    @property
    def url(self):
        return self.urls[0]

    @property
    def ws(self):
        """The URL's WebSocket twin, without a slash at its end."""
        return "ws" + self.url.removeprefix("http").rstrip("/")

    @property
    def address(self):
        """What a socket connects to: (host, port), or a path."""
        if self.url.startswith("http+unix:"):
            return self.url.removeprefix("http+unix:")
        host, port = re.fullmatch(r"http://\[?([^\]]+?)\]?:(\d+)/", self.url).groups()
        return host, int(port)

    @property
    def port(self):
        return self.address[1]

    def log(self):
        """What it has written to stderr so far. Kept after its end."""
        return os.pread(self.errors.fileno(), 1 << 20, 0).decode(errors="replace")

    def get(self, path, seconds=10):
        return urllib.request.build_opener(urllib.request.ProxyHandler({})).open(self.url.rstrip("/") + path, timeout=seconds).read().decode()

    def metrics(self):
        """Sums over all loops: {"wye_messages_in_total": 12, ...}; with labels, as by_loop() has them, apart."""
        sums = {}
        for name, value in self.samples():
            name = name.partition("{")[0]
            sums[name] = sums.get(name, 0) + value
        return sums

    def samples(self):
        lines = [line for line in self.get("/metrics").splitlines() if line and not line.startswith("#")]
        return [(name, float(value)) for name, value in (line.rsplit(" ", 1) for line in lines)]

    def by_loop(self, name):
        """{0: value, 1: value} of a counter."""
        found = {}
        for sample, value in self.samples():
            match = re.fullmatch(re.escape(name) + r'\{loop="(\d+)"\}', sample)
            if match:
                found[int(match[1])] = value
        return found

    def rss(self):
        """Its resident memory in bytes."""
        with open(f"/proc/{self.process.pid}/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def until(test, seconds=10, step=0.02):
    """Asks again and again; the first true answer, or the last one."""
    end = time.monotonic() + seconds
    while True:
        value = test()
        if value or time.monotonic() > end:
            return value
        time.sleep(step)
