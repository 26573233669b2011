#!/bin/sh
# Installs what the tests need, builds, and passes every test: as released, with ASan and UBSan, and with TSan.
#
#   sh tests/run.sh            about a quarter of an hour
#   sh tests/run.sh --long     what that leaves out as repeats, more seeds, longer runs
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
. "$top/ring/install.sh"

case ${1-} in
'') ;;
--long) export WYE_LONG=1 ;;
*) echo "usage: sh tests/run.sh [--long]" >&2; exit 64 ;;
esac

install_missing $build_packages libcmocka-dev curl python3-websockets python3-cryptography nodejs node-ws python3-selenium \
    chromium chromium-driver nginx haproxy openssl libwebsockets-dev python3-h2 nghttp2-client # from nginx on: the probe's proxies, certificates, peers

jobs=$(($(nproc) + 1)) # many tests wait for something most of the time
log=$(mktemp)
trap 'rm -f "$log"' EXIT
trap 'exit 130' HUP INT TERM # dash ends by these without doing the above
passed=0
failed=0
skipped=0

# suite TITLE DIRECTORY [CTEST OPTION...]
suite() {
    title=$1
    directory=$2
    shift 2
    echo "== $title"
    (cd "$directory" && ctest --output-on-failure -j $jobs "$@") >"$log" 2>&1 || true
    grep -v '^Test project\|^ *Start ' "$log"
    grep '^skip ' "$directory/Testing/Temporary/LastTest.log" || true # what a test of many left out, and why
    skipped=$((skipped + $(grep -c '\*\*\*Skipped' "$log" || true))) # which ctest counts as passed
    counts=$(sed -n 's/^[0-9]*% tests passed, \([0-9]*\) tests failed out of \([0-9]*\)$/\1 \2/p' "$log")
    [ -n "$counts" ] || counts="1 1" # ctest itself failed
    failed=$((failed + ${counts% *}))
    passed=$((passed + ${counts#* } - ${counts% *}))
}

echo "building: as released, with ASan and UBSan, with TSan"
build_in "$top/build" -DWYE_TESTS=ON -DWYE_BENCH=ON
build_in "$top/build-asan" -DWYE_SANITIZE=address,undefined -DCMAKE_BUILD_TYPE=RelWithDebInfo
# What one thread does alone needs no TSan, and takes ten times as long under it.
threaded="test_account test_mailbox test_loops test_history test_history_loops test_subject test_mask"
build_targets="wye wye-load wye-compare wye-probe $threaded"
build_in "$top/build-tsan" -DWYE_SANITIZE=thread -DCMAKE_BUILD_TYPE=RelWithDebInfo
build_targets=
# Each fallback alone takes most of a minute: the short run has all of them at once. Under a sanitizer it leaves out what waits
# for wrong servers, or times right ones, for most of its time, and simulates with fewer seeds still.
released='^e2e_fallback_(inc|direct|optlen|write_fixed|portable)$'
seeds=0.6 sanitized_seeds=0.3
sanitized='^(test_links|conformance_memory|e2e_(compare|fallback_all|probe|wye_load_(compressed|compression|deflated|people|publish)))$'
raced='^e2e_(compare|fallback_all|probe|raw|tokens|wye_load_(awkward|compressed|compression|deflated|commands|people|publish))$'
[ -z "${WYE_LONG-}" ] || seeds=5 sanitized_seeds=2 released='^$' sanitized='^$' raced='^e2e_(compare|probe|wye_load_(compressed|compression|deflated|commands))$'
export WYE_SIM_SEEDS=$seeds
suite "as released" "$top/build" -E "$released"
WYE_SIM_SEEDS=$sanitized_seeds
suite "with ASan and UBSan" "$top/build-asan" -E "$sanitized"
suite "with TSan" "$top/build-tsan" -R "^(e2e_.*|$(echo "$threaded" | tr ' ' '|'))\$" -E "$raced"

echo "$((passed - skipped)) passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
