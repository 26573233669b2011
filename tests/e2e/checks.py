"""Tests whose names say what they prove, each with a time limit, and the line they end with.

A test is a function; its name, with spaces for underscores, is the sentence that it proves. One that takes an
argument gets a node with default options that the whole script shares. One that is a generator runs up to its
`yield` before all others and goes on after them: what takes long waits while the others work.
"""
import argparse
import inspect
import os
import signal
import sys
import time
import traceback

import node as nodes

# Set by CMake, for builds with sanitizers: slower, and with memory of their own.
SANITIZED = bool(os.environ.get("WYE_SANITIZE"))
SLOW = 4 if SANITIZED else 1  # how much longer things may take

_tests = []
_counts = {"passed": 0, "failed": 0, "skipped": 0}


class Skipped(Exception):
    """Raised with a reason by a test that cannot be tried on this machine."""


class TookTooLong(Exception):
    pass


def test(function=None, *, slow=False, seconds=20):
    """Registers a test. slow: left out with --quick. seconds: its time limit."""
    def register(wanted):
        wanted.slow, wanted.seconds = slow, seconds * (4 if SANITIZED else 1)
        _tests.append(wanted)
        return wanted
    return register(function) if function else register


def note(name, failure=None, skipped=None, seconds=0.0):
    """Prints one result and counts it. failure: what went wrong, or None."""
    word = "skip" if skipped else "FAIL" if failure else "ok"
    _counts["skipped" if skipped else "failed" if failure else "passed"] += 1
    print(f"{word:4} {name}" + (f" ({seconds:.1f} s)" if seconds >= 0.3 else "") + (f": {skipped}" if skipped else ""), flush=True)
    if failure:
        print("     " + str(failure).rstrip().replace("\n", "\n     "), flush=True)


def check(name, holds, detail=""):
    """A single fact, for scripts that are one long story."""
    note(name, None if holds else f"not so: {detail}")
    return holds


def finish():
    """Prints the last line; returns the exit status."""
    skipped = f", {_counts['skipped']} skipped" if _counts["skipped"] else ""
    print(f"{_counts['passed']} passed, {_counts['failed']} failed{skipped}", flush=True)
    return 1 if _counts["failed"] or not _counts["passed"] else 0


def arguments(description):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--wye", default=nodes.program(), help="the program (%(default)s, or what WYE names)")
    parser.add_argument("--quick", action="store_true", help="leave out what takes long")
    parser.add_argument("-k", metavar="WORDS", default="", help="only tests with these words in their names")
    parser.add_argument("--list", action="store_true", help="print the tests' names, and exit")
    options = parser.parse_args()
    os.environ["WYE"] = os.path.abspath(options.wye)
    # Proxies are for other machines; everything here is on this one.
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        del os.environ[name]
    return options


def _limited(seconds, call):
    """Calls; raises TookTooLong when it takes longer."""
    def on_alarm(*_):
        raise TookTooLong(f"took longer than {seconds} s")
    before = signal.signal(signal.SIGALRM, on_alarm)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        return call()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _name(function):
    return function.__name__.replace("_", " ")


class _Suite:
    def __init__(self, options):
        self.options = options
        self.shared = None

    def node(self):
        if self.shared is None or not self.shared.running():
            if self.shared:
                self.shared.forget()
            self.shared = nodes.Node().start()
        return self.shared

    def attempt(self, function, call):
        """Runs a part of a test. Returns (value, whether it went well)."""
        begun = time.monotonic()
        died = ""
        try:
            value = _limited(function.seconds, call)
            if self.shared is None or self.shared.running():
                return value, True, time.monotonic() - begun
            raise AssertionError("the node that all share has died")
        except Skipped as reason:
            note(_name(function), skipped=str(reason))
            return None, False, 0
        except Exception as trouble:
            if self.shared and not self.shared.running():
                died = f"\nthe node ended with {self.shared.process.returncode}:\n{self.shared.log()[-3000:]}"
            frames = [f"{os.path.basename(at.filename)}:{at.lineno}" for at in traceback.extract_tb(trouble.__traceback__)
                      if os.path.dirname(at.filename) == os.path.dirname(os.path.abspath(__file__)) and "checks.py" not in at.filename]
            note(_name(function), f"{type(trouble).__name__}: {trouble}\nat {' < '.join(reversed(frames))}{died}", seconds=time.monotonic() - begun)
            return None, False, 0

    def call(self, function):
        return function(self.node()) if inspect.signature(function).parameters else function()

    def run(self):
        chosen = [each for each in _tests if self.options.k in _name(each) and not (each.slow and self.options.quick)]
        if self.options.list:
            print("\n".join(_name(each) for each in chosen))
            return 0
        around = []
        for function in filter(inspect.isgeneratorfunction, chosen):
            generator, well, _ = self.attempt(function, lambda: self.call(function))
            _, well, _ = self.attempt(function, lambda: next(generator)) if well else (None, False, 0)
            if well:
                around.append((function, generator))
        for function in chosen:
            if inspect.isgeneratorfunction(function):
                continue
            _, well, took = self.attempt(function, lambda: self.call(function))
            if well:
                note(_name(function), seconds=took)
        for function, generator in around:
            _, well, took = self.attempt(function, lambda: list(generator))
            if well:
                note(_name(function), seconds=took)
        return self.end()

    def end(self):
        if self.shared:
            try:
                status = self.shared.stop()
                note("the node that all shared ends with 0", None if status == 0 else f"it ended with {status}:\n{self.shared.log()[-3000:]}")
            except Exception as trouble:
                note("the node that all shared ends with 0", f"{trouble}\n{self.shared.log()[-3000:]}")
        return finish()


def main(description):
    """Runs the registered tests; the script's exit status."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that nodes are ended then, too
    suite = _Suite(arguments(description))
    try:
        return suite.run()
    finally:
        nodes.kill_all()
