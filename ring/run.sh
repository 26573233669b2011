#!/bin/sh
# From a fresh machine to a running node: installs what is missing, builds, starts wye with the given arguments.
#
#   sh ring/run.sh [wye option...]        sh ring/run.sh --help
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
. "$top/ring/install.sh"

install_missing $build_packages
options=
[ -f "$top/build/CMakeCache.txt" ] || options="-DWYE_TESTS=OFF -DWYE_BENCH=OFF"
build_in "$top/build" $options
exec "$top/build/wye" "$@"
