# Functions for Debian machines, sourced by .ci/run and .ci/images.sh.
# shellcheck shell=bash

logs=${TMPDIR:-/tmp}/mooq-images # the output of the commands
tries=3
mkdir -p "$logs"

fail() {   # message [log] : prints both to standard error, and exits
    echo "${0##*/}: $1" >&2
    if [ -s "${2:-}" ]; then
        echo "The end of $2:" >&2
        tail -n 30 "$2" >&2
    fi
    exit 1
}

needed() { [ "$(id -u)" = 0 ] || fail "$1: run this as root"; }

again() {   # log command... : tries up to $tries times, with the output in the log
    local log=$1 try
    shift
    for try in $(seq "$tries"); do
        "$@" >"$log" 2>&1 </dev/null && return
        [ "$try" = "$tries" ] || sleep $((try * 5)) # mirrors may fail temporarily
    done
    fail "gave up after $tries tries: $*" "$log"
}

packages() {   # package... : installs the missing ones
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
