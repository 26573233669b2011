#!/usr/bin/python3
"""Raw sockets against the node: requests and refusals, frames and closing, options, listeners and signals."""
import sys

sys.dont_write_bytecode = True

import checks
import raw_http  # noqa: F401  (each registers its tests)
import raw_node  # noqa: F401
import raw_payload  # noqa: F401
import raw_topic  # noqa: F401
import raw_websocket  # noqa: F401

if __name__ == "__main__":
    sys.exit(checks.main(__doc__))
