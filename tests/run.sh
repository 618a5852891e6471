#!/bin/sh
# Runs the tests: sets up whatever is missing, builds, and calls ctest. `tests/run.sh asan` runs them
# in the build of that preset.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
preset=${1:-release}
"$root/third_party/install.sh"
"$root/third_party/build.sh" "$preset"
cd "$root"
exec ctest --preset "$preset" -j "$(nproc 2>/dev/null || echo 2)"
