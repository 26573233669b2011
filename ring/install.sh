# Sourced by ring/run.sh and tests/run.sh: installs Debian packages that are missing, and nothing else.

# install_missing PACKAGE...
install_missing() {
    missing=
    if ! command -v dpkg-query >/dev/null; then
        echo "This is no Debian or Ubuntu; these packages, or what they are called here, are needed: $*" >&2
        return 0
    fi
    for package in "$@"; do
        case " $(dpkg-query -W -f='${db:Status-Status} ' "$package" 2>/dev/null)" in # a word an architecture
        *" installed "*) ;;
        *) missing="$missing $package" ;;
        esac
    done
    [ -n "$missing" ] || return 0
    sudo=
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || {
            echo "these packages are missing; as root:  apt-get install$missing" >&2
            return 1
        }
        sudo=sudo
        echo "sudo is needed to install:$missing" >&2
    fi
    echo "installing:$missing" >&2
    # Lists may be missing or old; a stale one names versions that are gone. Servers that come along are wanted as
    # programs: while this policy is there, none is started (invoke-rc.d(8)).
    $sudo env DEBIAN_FRONTEND=noninteractive sh -c "
        policy=/usr/sbin/policy-rc.d
        [ -e \$policy ] || {
            trap 'rm -f /usr/sbin/policy-rc.d' EXIT
            trap 'exit 130' HUP INT TERM # dash ends by these without doing the above
            printf '#!/bin/sh\nexit 101\n' >\$policy && chmod 755 \$policy
        }
        install='apt-get -o DPkg::Lock::Timeout=120 install -qq -y --no-install-recommends' # a machine that has just begun updates itself
        \$install $missing >/dev/null 2>&1 || { apt-get update -qq && \$install $missing >/dev/null; }" >&2
}

# build_in DIRECTORY [CMAKE OPTION...]: configures it the first time, and builds what has changed; of $build_targets alone, if
# that says something.
build_in() {
    directory=$1
    shift
    # What CMake writes last: a cache is there after a failure, too.
    { [ -f "$directory/Makefile" ] || [ -f "$directory/build.ninja" ]; } && [ $# -eq 0 ] || cmake -S "$top" -B "$directory" "$@" >"$directory.log" 2>&1 || {
        cat "$directory.log" >&2
        return 1
    }
    rm -f "$directory.log"
    cmake --build "$directory" -j "$(nproc)" ${build_targets:+-t $build_targets} >"$directory.log" 2>&1 || {
        cat "$directory.log" >&2
        return 1
    }
    rm -f "$directory.log"
}

build_packages="gcc libc6-dev cmake make pkg-config liburing-dev android-libboringssl-dev libjansson-dev libnghttp2-dev zlib1g-dev libinih-dev"
