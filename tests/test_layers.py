#!/usr/bin/env python3
"""Is the house in order? {handshake, frames} <- core <- ring <- {bench, tests}, and who may ask the kernel.

    test_layers.py ROOT     prints what is wrong with the tracked files and exits with 1; 0: nothing is
"""
import os
import re
import subprocess
import sys

MAY_INCLUDE = {
    "handshake": {"handshake"},
    "frames": {"frames"},
    "core": {"core", "handshake", "frames"},
    "ring": {"ring", "core", "handshake", "frames"},
    "bench": {"bench", "ring", "core", "handshake", "frames"},
    "tests": {"tests", "bench", "ring", "core", "handshake", "frames"},
}
TOP_LEVEL = set(MAY_INCLUDE) | {"CMakeLists.txt", "README.md", "LICENSE"}
MEETS_LIBURING = {"ring/kernel.c", "ring/kernel_probe.c", "bench/floor.c"}
NO_SYSTEM_CALLS = {"handshake", "frames", "core"}
SYSTEM = re.compile(
    r"(unistd|fcntl|time|signal|poll|netdb|dirent|ifaddrs|sched|semaphore)\.h$"
    r"|(linux|net|netinet)/"
    r"|sys/(?!uio\.h$|types\.h$|queue\.h$)"  # struct iovec is a shape, not a call; arpa/inet.h only converts
)
LINES_MAX = 600
SOURCE = re.compile(r"\.(c|h|cc|cpp|hpp)$")
INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]', re.MULTILINE)


def include_faults(path, text):
    folder = path.split("/")[0]
    for bracket, name in INCLUDE.findall(text):
        if "liburing" in name and path not in MEETS_LIBURING:
            yield f"{path} includes {name}: only {', '.join(sorted(MEETS_LIBURING))} may"
        if bracket == "<":
            if folder in NO_SYSTEM_CALLS and SYSTEM.match(name):
                yield f"{path} includes <{name}>: {folder}/ makes no system calls"
        elif "/" not in name or ".." in name:
            yield f'{path} includes "{name}": name it from the top, "folder/file.h"'
        elif name.split("/")[0] in MAY_INCLUDE and name.split("/")[0] not in MAY_INCLUDE[folder]:
            yield f'{path} includes "{name}": {folder}/ may include {", ".join(sorted(MAY_INCLUDE[folder]))} alone'


def faults(files):
    """What is wrong with a tree: {path: text}."""
    found = []
    for path, text in sorted(files.items()):
        top = path.split("/")[0]
        if top not in TOP_LEVEL and not top.startswith("."):
            found.append(f"{path}: nothing but {', '.join(sorted(TOP_LEVEL))} and dot-files belongs to the top level")
        if not SOURCE.search(path) or top not in MAY_INCLUDE:
            continue
        if text.count("\n") > LINES_MAX:
            found.append(f"{path} has {text.count(chr(10))} lines; a file has at most {LINES_MAX}")
        found += include_faults(path, text)
    return found


def prove():
    """Each rule is broken once, kept once, and seen."""
    bad = {
        "core/a.c": '#include "ring/loop.h"\n',
        "core/b.h": "#  include <time.h>\n",
        "core/c.c": "#include <sys/socket.h>\n",
        "core/d.c": '#include "conn.h"\n',
        "frames/a.c": '#include "handshake/span.h"\n',
        "frames/b.c": "#include <liburing.h>\n",
        "handshake/a.c": '#include "core/conn.h"\n',
        "ring/a.c": '#include "tests/wire.h"\n',
        "ring/b.c": "#include <liburing.h>\n",
        "bench/a.cc": '#include "tests/wire.h"\n',
        "tests/long.c": "\n" * (LINES_MAX + 1),
        "tests/a.c": "#include <liburing/io_uring.h>\n",
        "docs/a.md": "",
        "Makefile": "",
    }
    good = {
        "core/a.c": '#include <sys/uio.h>\n#include <pthread.h>\n#include "frames/mask.h"\n#include "handshake/span.h"\n',
        "frames/a.c": '/* #include "core/conn.h" */\n#include <immintrin.h>\n',
        "ring/kernel.c": "#include <liburing.h>\n#include <unistd.h>\n",
        "tests/a.c": '#include "bench/histogram.h"\n' + "\n" * (LINES_MAX - 1),
        "bench/a.cc": '#include <benchmark/benchmark.h>\n#include "ring/loop.h"\n',
        ".ci/run.sh": "",
        "LICENSE": "",
    }
    for path, text in bad.items():
        assert len(faults({path: text})) == 1, (path, faults({path: text}))
    assert faults(good) == [], faults(good)


def tracked(root):
    """The files of the checkout; without git, or outside one, all but what is built."""
    try:
        listing = subprocess.run(["git", "-c", "safe.directory=*", "-C", root, "ls-files", "-z"], capture_output=True)
        paths = listing.stdout.decode().split("\0") if listing.returncode == 0 else None
    except FileNotFoundError:
        paths = None
    if paths is None:
        paths = []
        for folder, folders, names in os.walk(root):
            folders[:] = [name for name in folders if name not in (".git", "__pycache__") and not name.startswith("build")]
            paths += [os.path.relpath(os.path.join(folder, name), root) for name in names if not name.endswith(".log")]
    files = {}
    for path in paths:
        if path and os.path.isfile(os.path.join(root, path)):
            with open(os.path.join(root, path), encoding="utf-8", errors="replace") as file:
                files[path] = file.read()
    return files


if __name__ == "__main__":
    prove()
    files = tracked(sys.argv[1])
    found = faults(files)
    for fault in found:
        print(fault)
    print(f"{len(files)} files, {len(found)} faults")
    sys.exit(1 if found else 0)
