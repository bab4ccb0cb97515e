#!/usr/bin/env bash
# Installs Docker with its compose plugin, and builds RabbitMQ images, from Debian packages only: for
# machines with access to a Debian mirror but not to an image registry. Existing ones are kept.
#
#   .ci/images.sh                Docker, the compose plugin and mooq-rabbitmq:4.0
#   .ci/images.sh 4.0 systemd    Docker, the compose plugin and these images, built in parallel
#
#   3.10, 4.0, 4.3   RabbitMQ from Debian 12, 13 and unstable, with the management plugin
#   systemd          RabbitMQ 3.10 as a systemd service
#   python3.13       Python from Debian 13, as mooq-python:3.13
#   python3.14       Python from Debian unstable, as mooq-python:3.14
#
# MOOQ_IMAGE_NAME replaces the name mooq-rabbitmq.
set -euo pipefail

# shellcheck source=.ci/debian.sh
. "$(dirname "${BASH_SOURCE[0]}")/debian.sh"

name=${MOOQ_IMAGE_NAME:-mooq-rabbitmq}
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

main() {
    for version in "$@"; do suite_of "$version" >/dev/null; done
    engine
    compose_plugin
    images "$@"
}

suite_of() {   # version -> its Debian suite
    case $1 in
        3.10 | systemd) echo bookworm ;;
        4.0 | python3.13) echo trixie ;;
        4.3 | python3.14) echo sid ;;
        *) fail "no image is called '$1'; choose from 3.10, 4.0, 4.3, systemd, python3.13 and python3.14" ;;
    esac
}

image_of() {   # version -> the name of its image
    case $1 in
        python*) echo "mooq-python:${1#python}" ;;
        *) echo "$name:$1" ;;
    esac
}

engine() {
    docker info >/dev/null 2>&1 && return
    command -v dockerd >/dev/null || packages docker.io cgroupfs-mount ca-certificates
    docker info >/dev/null 2>&1 && return
    needed "starting the Docker engine"
    if [ -d /run/systemd/system ]; then
        systemctl start docker >"$logs/dockerd.log" 2>&1 || true
    else
        setsid dockerd >"$logs/dockerd.log" 2>&1 </dev/null &
    fi
    for _ in $(seq 300); do
        docker info >/dev/null 2>&1 && return
        sleep 0.2
    done
    fail "the Docker engine gave no answer for 60 seconds" "$logs/dockerd.log"
}

archives() {   # the Debian archives in this machine's apt settings, the main one first
    # shellcheck disable=SC2016 # apt-get expands the fields
    apt-get indextargets --format '$(REPO_URI) $(CODENAME)' 'Created-By: Packages' 'Origin: Debian' |
        awk '$2 !~ /-/ { print $1 }'
}

mirror() {
    [ -n "$(archives)" ] || again "$logs/apt.log" apt-get update
    archives | head -n 1 | grep . || fail "apt knows no archive of Debian's; add one to /etc/apt"
}

fetching() {   # this machine's apt settings for downloads, for another root
    apt-config dump | grep -iE '^Acquire::(https?|Check-[A-Za-z-]+)(::| ")' || true
    echo "Acquire::Retries \"$tries\";"
}

compose_plugin() {   # from Debian 13, where it is a static program; Debian 12 has none
    docker compose version >/dev/null 2>&1 && return
    local box archive plugins=/usr/libexec/docker/cli-plugins
    needed "installing the compose plugin"
    packages debian-archive-keyring ca-certificates
    archive=$(mirror)
    box=$(mktemp -d)
    mkdir -p "$box"/{state/lists/partial,cache/archives/partial,parts} "$plugins"
    chmod 755 "$box"
    echo "deb [signed-by=$keyring] $archive trixie main" >"$box/sources.list"
    touch "$box/status"
    {
        fetching
        echo "Dir::Etc { SourceList \"$box/sources.list\"; SourceParts \"$box/parts\"; };"
        echo "Dir::State \"$box/state\"; Dir::State::status \"$box/status\"; Dir::Cache \"$box/cache\";"
    } >"$box/apt.conf"
    again "$logs/compose.log" env APT_CONFIG="$box/apt.conf" apt-get update
    again "$logs/compose.log" env APT_CONFIG="$box/apt.conf" \
        sh -c "cd '$box' && apt-get -o APT::Sandbox::User=root download docker-compose"
    dpkg --extract "$box"/docker-compose_*.deb "$box/files"
    cp "$box/files$plugins/docker-compose" "$plugins/"
    rm -rf "$box"
    docker compose version >"$logs/compose.log" 2>&1 ||
        fail "the compose plugin does not run" "$logs/compose.log"
}

build() {   # version archive : an image whose file system is installed from packages
    local version=$1 archive=$2 include=rabbitmq-server,ca-certificates conf=etc/rabbitmq/conf.d
    local suite changes hooks
    suite=$(suite_of "$version")
    # By default, guest may log in only from the same host, not from outside the container.
    hooks=("mkdir -p \"\$1/$conf\"" "echo 'loopback_users = none' >\"\$1/$conf/10-any-host.conf\"")
    if [[ $version = python* ]]; then
        include=$version,$version-venv,ca-certificates
        changes=('ENV LANG=C.UTF-8') hooks=()
    elif [ "$version" = systemd ]; then
        include+=,systemd,systemd-sysv,dbus,sudo,python3,python3-venv
        changes=('ENV container=docker' 'EXPOSE 5672' 'CMD ["/sbin/init"]')
    else
        hooks+=("echo '[rabbitmq_management].' >\"\$1/etc/rabbitmq/enabled_plugins\"")
        changes=('ENV LANG=C.UTF-8 HOME=/var/lib/rabbitmq RABBITMQ_LOGS=-' 'EXPOSE 5672 15672'
            'USER rabbitmq' 'CMD ["/usr/lib/rabbitmq/bin/rabbitmq-server"]')
    fi
    fetching >"$logs/fetching.$version"
    mmdebstrap --quiet --variant=minbase --include="$include" --keyring="$keyring" \
        --aptopt="$logs/fetching.$version" \
        --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
        "${hooks[@]/#/--customize-hook=}" "$suite" - "deb $archive $suite main" |
        docker import "${changes[@]/#/--change=}" - "$(image_of "$version")"
}

images() {
    local version archive image failed=0
    declare -A builds
    for version in "$@"; do
        image=$(image_of "$version")
        docker image inspect "$image" >/dev/null 2>&1 && continue
        needed "building $image"
        packages mmdebstrap debian-archive-keyring ca-certificates
        archive=$(mirror)
        again "$logs/$version.log" build "$version" "$archive" &
        builds[$version]=$!
    done
    for version in "${!builds[@]}"; do
        wait "${builds[$version]}" || failed=1
    done
    [ "$failed" = 0 ] || fail "not every image was built; see above"
    for version in "$@"; do
        docker image ls --format '{{.Repository}}:{{.Tag}}  {{.Size}}' "$(image_of "$version")"
    done
}

[ $# -gt 0 ] || set -- 4.0
main "$@"
