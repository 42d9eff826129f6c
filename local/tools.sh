#!/bin/sh
# Finds the Python (3.11 or later) or the Node.js (20.19 or later) to use and prints its name;
# says in one sentence what is missing otherwise. The Lambda runtime follows the Python
# (plugins/python-runtime.js); 3.13 comes first, so that machines which have it agree.
set -u

fail() {
  echo "stepworks: $*" >&2
  exit 1
}

find_python() {
  for name in python3.13 python3 python3.14 python3.12 python3.11; do
    if "$name" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      echo "$name"
      return
    fi
  done
  fail "Python 3.11 or later with its venv module is needed, and none was found" \
    "(python3 is $(python3 --version 2>&1 | head -n 1)). Install it from https://www.python.org" \
    "or your system's packages (Debian: python3-venv), then run this again."
}

find_node() {
  command -v npm >/dev/null 2>&1 && command -v node >/dev/null 2>&1 ||
    fail "Node.js 20.19 or later with npm is needed, and none was found:" \
      "install it from https://nodejs.org, then run this again."
  version=$(node --version 2>/dev/null)
  node -e 'const [a, b] = process.versions.node.split(".").map(Number);
           process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' 2>/dev/null ||
    fail "Node.js 20.19 or later is needed, and this is ${version:-unknown}:" \
      "install a newer one from https://nodejs.org, then run this again."
  echo node
}

case "${1-}" in
  python) find_python ;;
  node) find_node ;;
  *) fail "usage: local/tools.sh python|node" ;;
esac
