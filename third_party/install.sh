#!/bin/sh
# Installs what attune needs to build, if it is missing. Needs root or sudo for that.
#   third_party/install.sh [--with-format]     also clang-format, for the layout check
set -eu

with_format=no
[ "${1:-}" = --with-format ] && with_format=yes

cxx=${CXX:-c++}

# has_header FILE: whether the compiler finds a header.
has_header() {
  echo "#include <$1>" | "$cxx" -std=c++20 -E -x c++ - >/dev/null 2>&1
}

missing=
need() {  # need WORD TEST...: notes WORD as missing unless the test succeeds
  word=$1
  shift
  "$@" >/dev/null 2>&1 || missing="$missing $word"
}
need compiler command -v "$cxx"
need cmake command -v cmake
need ninja command -v ninja
need pkg-config command -v pkg-config
need openblas pkg-config --exists openblas
need fmt has_header fmt/format.h
need doctest has_header doctest/doctest.h
need json has_header nlohmann/json.hpp
need cli11 has_header CLI/CLI.hpp
[ $with_format = no ] || need clang-format command -v clang-format-14
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ]; then
  as_root=
elif command -v sudo >/dev/null 2>&1; then
  as_root=sudo
else
  echo "attune needs:$missing. Installing them takes root, and there is no sudo: install them by hand." >&2
  exit 1
fi

# packages COMPILER CMAKE NINJA PKGCONFIG OPENBLAS FMT DOCTEST JSON CLI11 FORMAT: the names of what is
# missing here.
packages() {
  for word in $missing; do
    case $word in
      compiler) echo "$1" ;;
      cmake) echo "$2" ;;
      ninja) echo "$3" ;;
      pkg-config) echo "$4" ;;
      openblas) echo "$5" ;;
      fmt) echo "$6" ;;
      doctest) echo "$7" ;;
      json) echo "$8" ;;
      cli11) echo "$9" ;;
      clang-format) shift 9; echo "$1" ;;
    esac
  done
}

echo "installing:$missing" >&2
if command -v apt-get >/dev/null 2>&1; then
  export DEBIAN_FRONTEND=noninteractive
  $as_root apt-get update -qq
  # shellcheck disable=SC2046
  $as_root apt-get install -y -qq --no-install-recommends $(packages \
    "g++ libc6-dev" cmake ninja-build pkg-config libopenblas-dev libfmt-dev doctest-dev \
    nlohmann-json3-dev libcli11-dev clang-format-14) >/dev/null
elif command -v dnf >/dev/null 2>&1; then
  # shellcheck disable=SC2046
  $as_root dnf install -y -q $(packages \
    gcc-c++ cmake ninja-build pkgconf-pkg-config openblas-devel fmt-devel doctest-devel json-devel \
    cli11-devel clang-tools-extra)
elif command -v pacman >/dev/null 2>&1; then
  # shellcheck disable=SC2046
  $as_root pacman -S --noconfirm --needed $(packages \
    gcc cmake ninja pkgconf openblas fmt doctest nlohmann-json cli11 clang)
elif command -v brew >/dev/null 2>&1; then
  # shellcheck disable=SC2046
  brew install $(packages gcc cmake ninja pkg-config openblas fmt doctest nlohmann-json cli11 clang-format)
else
  echo "attune needs:$missing. No package manager known here (apt, dnf, pacman, brew): install them by hand." >&2
  exit 1
fi
