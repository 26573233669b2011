#!/usr/bin/python3
"""wye-probe against proxies, TLS faults, wrong servers and good ones: what is wrong is named, with its cure."""
import sys

sys.dont_write_bytecode = True

import checks
import probe_proxies  # noqa: F401  (each registers its tests)
import probe_servers  # noqa: F401
import probe_tls  # noqa: F401

if __name__ == "__main__":
    sys.exit(checks.main(__doc__))
