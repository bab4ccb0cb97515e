# What .ci/run and .ci/images.sh need of a Debian machine; to be sourced.
# shellcheck shell=bash

logs=${TMPDIR:-/tmp}/mooq-images # what the commands printed, kept for whoever wonders
tries=3
mkdir -p "$logs"

fail() {   # message [log] : to standard error, with the log's end
    echo "${0##*/}: $1" >&2
    if [ -s "${2:-}" ]; then
        echo "The end of $2:" >&2
        tail -n 30 "$2" >&2
    fi
    exit 1
}

needed() { [ "$(id -u)" = 0 ] || fail "$1: run this as root"; }

again() {   # log command... : up to $tries times, what it prints in the log
    local log=$1 try
    shift
    for try in $(seq "$tries"); do
        "$@" >"$log" 2>&1 </dev/null && return
        [ "$try" = "$tries" ] || sleep $((try * 5)) # mirrors hiccup
    done
    fail "gave up after $tries tries: $*" "$log"
}

packages() {   # package... : installed, unless they are
    local package missing=()
    command -v apt-get >/dev/null || fail "no apt-get here, so no Debian package: $*"
    for package in "$@"; do
        [ "$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
            missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    needed "installing ${missing[*]}"
    again "$logs/apt.log" apt-get update
    DEBIAN_FRONTEND=noninteractive again "$logs/apt.log" \
        apt-get -o DPkg::Lock::Timeout=300 install --yes --no-install-recommends "${missing[@]}"
}
