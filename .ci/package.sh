#!/usr/bin/env bash
# Builds and checks the package, installs the wheel into a new environment outside this folder, and
# runs the examples and their tests there.
# Needs build and twine, and Docker unless --in-memory is given.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
backend=all
[ "${1:-}" != --in-memory ] || backend=in_memory

work=$(mktemp -d "${TMPDIR:-/tmp}/mooq-package.XXXXXX")
trap 'rm -rf "$work"' EXIT

python -m build --outdir "$work/dist"
twine check --strict "$work"/dist/*
wheel=$(echo "$work"/dist/*.whl)
python -m zipfile --list "$wheel" >"$work/contents"
for wanted in mooq/py.typed licenses/LICENSE mooq/parity/recorded/; do
    grep --quiet "$wanted" "$work/contents" || { echo "the wheel lacks $wanted"; exit 1; }
done
! grep --extended-regexp '^(tests|benchmarks|examples|docs)/' "$work/contents" ||
    { echo "the wheel contains files that are not for users"; exit 1; }

python - "$wheel" <<'END' # PyPI does not resolve relative links in the README
import re, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as wheel:
    (name,) = (name for name in wheel.namelist() if name.endswith("/METADATA"))
    links = re.findall(r"\]\((.*?)\)", wheel.read(name).decode())
sys.exit(not links or not all(link.startswith("https://") for link in links))
END

cp -r examples "$work/examples"
cp tests/typing/service.py "$work/examples/service.py"
unset PYTHONPATH
python -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet "$wheel"
cd "$work/examples"
for example in in2com request_reply work_queue; do
    "$work/venv/bin/python" -W error "$example.py"
done
"$work/venv/bin/pip" install --quiet "$wheel[cli]"
"$work/venv/bin/mooq" demo
"$work/venv/bin/pip" install --quiet "$wheel[cli,parity,pytest]" -r requirements.txt basedpyright
"$work/venv/bin/pytest" --mooq-backend "$backend" # uses the examples' pytest.ini
PATH="$work/venv/bin:$PATH" basedpyright --verifytypes mooq --ignoreexternal # fails below 100 %
PATH="$work/venv/bin:$PATH" basedpyright --level error service.py
