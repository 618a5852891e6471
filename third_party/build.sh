#!/bin/sh
# third_party/build.sh PRESET [TARGET...]: configures, if that has not been done, and builds. Says
# little unless something fails.
set -eu
cd "$(dirname "$0")/.."
preset=$1
shift

log=build/$preset.log
mkdir -p build
run() {
  "$@" >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
}
if [ ! -f "build/$preset/build.ninja" ]; then
  echo "building attune ($preset): a minute or a few, the first time ..." >&2
  run cmake --preset "$preset"
fi
if [ $# -gt 0 ]; then
  run cmake --build --preset "$preset" --target "$@"
else
  run cmake --build --preset "$preset"
fi
