#!/bin/sh
# Gets other WebSocket servers from Debian's packages and from npm, and builds the small programs of ours that run them:
# wye-compare finds them in DIR (build/peers, unless told otherwise). Nothing of them is linked into wye.
#
#   sh bench/peers/install.sh DIR [NAME...]     libwebsockets beast gorilla ws uws websockets
set -eu
[ $# -ge 1 ] || { echo "usage: sh bench/peers/install.sh DIR [NAME...]" >&2; exit 64; }
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../../ring/install.sh"
mkdir -p "$1"
dir=$(cd "$1" && pwd)
shift

libwebsockets() {
    install_missing gcc libc6-dev pkg-config libwebsockets-dev libwebsockets-evlib-uv libuv1-dev || return 1
    gcc -O3 -o "$dir/libwebsockets" "$here/libwebsockets.c" $(pkg-config --cflags --libs libwebsockets)
}

beast() {
    install_missing g++ libboost-dev libssl-dev || return 1
    g++ -std=c++17 -O3 -DNDEBUG -o "$dir/beast" "$here/beast.cc" -pthread -lssl -lcrypto
}

# Go's own cache is left alone, and nothing is fetched: Debian's package has the source.
gorilla() {
    install_missing golang-go golang-github-gorilla-websocket-dev || return 1
    version=$(dpkg-query -W -f='${Version}' golang-github-gorilla-websocket-dev) || return 1
    cache=$(mktemp -d) || return 1
    status=0
    GOCACHE=$cache GO111MODULE=off GOPATH=/usr/share/gocode go build -ldflags "-X main.version=$version" \
        -o "$dir/gorilla" "$here/gorilla.go" || status=$?
    rm -rf "$cache"
    return $status
}

npm_module() {
    command -v npm >/dev/null || install_missing nodejs npm || return 1
    npm install --prefix "$dir" --no-audit --no-fund --loglevel=error --ignore-scripts "$@" >&2
}

ws() {
    npm_module ws@8 bufferutil@4 || return 1
    cp "$here/ws.js" "$dir/"
    node "$dir/ws.js" --version >/dev/null
}

uws() {
    npm_module @trufflesuite/uws-js-unofficial || return 1
    cp "$here/uws.js" "$dir/"
    node "$dir/uws.js" --version >/dev/null || { rm -f "$dir/uws.js"; return 1; }
}

websockets() {
    install_missing python3-websockets || return 1
    cp "$here/python_websockets.py" "$dir/"
}

# For those that speak TLS; of the kind that wye makes for itself.
certificate() {
    [ -f "$dir/key.pem" ] && return 0
    install_missing openssl || return 1
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 -subj /CN=localhost \
        -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout "$dir/key.pem" -out "$dir/cert.pem" 2>/dev/null
}

certificate || echo "no certificate: no wss" >&2
failed=
for name in ${*:-libwebsockets beast gorilla ws uws websockets}; do
    case $name in
    libwebsockets|beast|gorilla|ws|uws|websockets) ;;
    *) echo "no such peer: $name" >&2; exit 64 ;;
    esac
    if $name; then echo "$name: installed"; else
        echo "$name: could not be installed" >&2
        failed="$failed $name"
    fi
done
[ -z "$failed" ]
