#!/bin/sh
# tests/package/run.sh BUILD installed|sources: builds and runs the project in this folder against
# the library that BUILD, a build folder of attune, installs, or against attune's sources.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "$1" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
type=Release

case $2 in
  installed)
    cmake --install "$build" --prefix "$work/prefix" >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
    option=-DCMAKE_PREFIX_PATH=$work/prefix
    ;;
  sources) option=-DATTUNE_SOURCE=$here/../.. type=Debug ;;
  *) echo "usage: tests/package/run.sh BUILD installed|sources" >&2; exit 2 ;;
esac
{
  cmake -G Ninja -S "$here" -B "$work/build" -DCMAKE_BUILD_TYPE=$type "$option" &&
    cmake --build "$work/build" --target user
} >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
"$work/build/user"
