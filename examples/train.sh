#!/bin/sh
# Trains the main model: sets up whatever is missing, builds, and runs `seq2seq train` with the
# options given here (see --help).
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
"$root/third_party/install.sh"
"$root/third_party/build.sh" release seq2seq
exec "$root/build/release/examples/seq2seq" train "$@"
