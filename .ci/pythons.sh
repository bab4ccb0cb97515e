#!/usr/bin/env bash
# Runs the tests that need no RabbitMQ on newer versions of Python, each in a container built from
# Debian packages, with the dependencies that pip resolves for that version.
#
#   .ci/pythons.sh             Python 3.13 and 3.14
#   .ci/pythons.sh 3.13        these versions
#
# pip in the container uses this machine's settings: indexes, wheel folders, certificates, proxies
# and cache.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
[ $# -gt 0 ] || set -- 3.13 3.14

work=$(mktemp -d "${TMPDIR:-/tmp}/mooq-pythons.XXXXXX")
trap 'rm -rf "$work"' EXIT

pip_settings() {   # writes the container's variables, and copies the files they refer to, to $work
    python3 - "$work" <<'END'
import ast, os, subprocess, sys
from pathlib import Path

def said_by_pip(*command):
    run = subprocess.run(["python3", "-m", "pip", *command], capture_output=True, text=True)
    return run.stdout.splitlines() if run.returncode == 0 else []

settings = {}
for line in said_by_pip("config", "list"):  # global.index-url='https://…'
    name, _, value = line.partition("=")
    section, _, option = name.rpartition(".")
    if section in ("global", "install"):
        settings[f"PIP_{option.upper().replace('-', '_')}"] = " ".join(ast.literal_eval(value).split())
for name, value in os.environ.items():
    is_proxy = name.lower() in ("http_proxy", "https_proxy", "no_proxy", "all_proxy")
    is_trust = name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE")
    if name.startswith("PIP_") or is_proxy or is_trust:
        settings[name] = value
settings["PIP_ROOT_USER_ACTION"] = "ignore"
settings.pop("PIP_REQUIRE_VIRTUALENV", None)
settings["PIP_CACHE_DIR"] = next(iter(said_by_pip("cache", "dir")), "/root/.cache/pip")
Path(settings["PIP_CACHE_DIR"]).mkdir(parents=True, exist_ok=True)
volumes = set()
for name, value in settings.items():
    for word in value.split():
        # An index file refers to files in its folder.
        path = Path(word[7:]).parent if word.startswith("file://") else Path(word)
        if path.is_absolute() and path.exists():
            access = "rw" if name == "PIP_CACHE_DIR" else "ro"
            volumes.add(f"--volume={path}:{path}:{access}\n")
work = Path(sys.argv[1])
# In a file, because an index URL may contain a password, and other users can see command lines.
(work / "variables").write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
(work / "volumes").write_text("".join(sorted(volumes)))
END
}

in_the_container=$(cat <<'END'
set -eu
mkdir /mooq
cd /mooq
tar -x
"python$PYTHON" -m venv /venv
. /venv/bin/activate
pip install --quiet --quiet -e '.[dev]'
exec pytest -n auto -m 'not rabbit' -q
END
)

.ci/images.sh "${@/#/python}" >/dev/null
pip_settings
mapfile -t volumes <"$work/volumes"
for version in "$@"; do
    # The host's network, because a proxy or an index may listen only on this machine.
    tar -c --exclude-vcs --exclude-caches --exclude=__pycache__ --exclude=.venv . |
        docker run --rm --interactive --network host --env-file "$work/variables" "${volumes[@]}" \
            --env PYTHON="$version" --env PYTEST_TIMEOUT="${PYTEST_TIMEOUT:-300}" --env TERM="${TERM:-dumb}" \
            "mooq-python:$version" sh -c "$in_the_container"
done
