#!/usr/bin/python3
"""The raw tests and the clients once more, without what newer kernels have and without SIMD (--quick: a selection)."""
import argparse
import os
import re
import subprocess
import sys

sys.dont_write_bytecode = True

import node

FALLBACKS = {
    "inc": {"WYE_WITHOUT": "inc"},
    "direct": {"WYE_WITHOUT": "direct"},
    "optlen": {"WYE_WITHOUT": "optlen"},
    "write_fixed": {"WYE_WITHOUT": "write_fixed"},
    "all": {"WYE_WITHOUT": "inc,direct,optlen,write_fixed", "WYE_VARIANT": "portable"},
    "portable": {"WYE_VARIANT": "portable"},
}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wye", default=node.program(), help="the program (%(default)s, or what WYE names)")
    parser.add_argument("--whole", action="store_true", help="with what takes long, too")
    parser.add_argument("fallbacks", nargs="*", choices=[[], *FALLBACKS], help=f"some of {', '.join(FALLBACKS)}; none means all of them")
    options = parser.parse_args()
    here = os.path.dirname(os.path.abspath(__file__))
    passed = failed = 0
    for name in options.fallbacks or FALLBACKS:
        for script in ("raw.py", "clients.py"):
            print(f"-- {script} with {' '.join('='.join(pair) for pair in FALLBACKS[name].items())}", flush=True)
            command = ["/usr/bin/python3", os.path.join(here, script), "--wye", options.wye, *([] if options.whole else ["--quick"])]
            done = subprocess.run(command, env={**os.environ, **FALLBACKS[name]}, stdout=subprocess.PIPE, text=True, timeout=300, preexec_fn=node.die_with_parent)
            print("".join(line for line in done.stdout.splitlines(True) if not line.startswith("ok ")), end="", flush=True)
            counts = re.search(r"^(\d+) passed, (\d+) failed", done.stdout, re.M)
            passed += int(counts[1]) if counts else 0
            failed += int(counts[2]) if counts else 1
            if done.returncode and counts and int(counts[2]) == 0:
                failed += 1
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
