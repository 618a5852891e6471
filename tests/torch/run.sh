#!/bin/sh
# tests/torch/run.sh EXCHANGE: layers and parameters both ways between PyTorch and attune. Exit status 77
# where there is no PyTorch for Python.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
for python in python3 /usr/bin/python3; do
  if "$python" -c 'import torch, numpy' 2>/dev/null; then
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    "$python" "$here/exchange.py" write "$folder"
    "$1" "$folder"
    "$python" "$here/exchange.py" check "$folder"
    exit
  fi
done
echo "skipped: python3 has no torch here (Debian: python3-torch)"
exit 77
