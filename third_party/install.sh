#!/bin/sh
# Installs what attune needs to build, if it is missing. Needs root or sudo for that.
#   third_party/install.sh [--for-ci]    also what only CI needs: clang-format for the layout check,
#                                        Clang to compile with besides, PyTorch for the tests that
#                                        exchange parameters with it, and Chromium for the test of
#                                        the explorer's pages
set -eu

for_ci=no
[ "${1:-}" = --for-ci ] && for_ci=yes

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
need cairo pkg-config --exists cairo
if [ $for_ci = yes ]; then
  need clang-format command -v clang-format-14
  need clang command -v clang++-16
  need torch /usr/bin/python3 -c 'import torch, numpy'
  need chromium command -v chromium
fi
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ]; then
  as_root=
elif command -v sudo >/dev/null 2>&1; then
  as_root=sudo
else
  echo "attune needs:$missing. Installing them takes root, and there is no sudo: install them by hand." >&2
  exit 1
fi

# packages WORD=NAMES...: the names of what is missing here.
packages() {
  for word in $missing; do
    for entry in "$@"; do
      case $entry in "$word="*) echo "${entry#*=}" ;; esac
    done
  done
}

echo "installing:$missing" >&2
if command -v apt-get >/dev/null 2>&1; then
  export DEBIAN_FRONTEND=noninteractive
  $as_root apt-get update -qq
  # shellcheck disable=SC2046
  $as_root apt-get install -y -qq --no-install-recommends $(packages \
    "compiler=g++ libc6-dev" cmake=cmake ninja=ninja-build pkg-config=pkg-config \
    openblas=libopenblas-dev fmt=libfmt-dev doctest=doctest-dev json=nlohmann-json3-dev \
    cli11=libcli11-dev cairo=libcairo2-dev clang-format=clang-format-14 clang=clang-16 \
    "torch=python3-torch python3-numpy" chromium=chromium) >/dev/null
elif command -v dnf >/dev/null 2>&1; then
  # shellcheck disable=SC2046
  $as_root dnf install -y -q $(packages \
    compiler=gcc-c++ cmake=cmake ninja=ninja-build pkg-config=pkgconf-pkg-config \
    openblas=openblas-devel fmt=fmt-devel doctest=doctest-devel json=json-devel cli11=cli11-devel \
    cairo=cairo-devel clang-format=clang-tools-extra clang=clang torch=python3-torch chromium=chromium)
elif command -v pacman >/dev/null 2>&1; then
  # shellcheck disable=SC2046
  $as_root pacman -S --noconfirm --needed $(packages \
    compiler=gcc cmake=cmake ninja=ninja pkg-config=pkgconf openblas=openblas fmt=fmt \
    doctest=doctest json=nlohmann-json cli11=cli11 cairo=cairo clang-format=clang clang=clang \
    torch=python-pytorch chromium=chromium)
elif command -v brew >/dev/null 2>&1; then
  # shellcheck disable=SC2046
  brew install $(packages \
    compiler=gcc cmake=cmake ninja=ninja pkg-config=pkg-config openblas=openblas fmt=fmt \
    doctest=doctest json=nlohmann-json cli11=cli11 cairo=cairo clang-format=clang-format clang=llvm \
    torch=pytorch chromium=chromium)
else
  echo "attune needs:$missing. No package manager known here (apt, dnf, pacman, brew): install them by hand." >&2
  exit 1
fi
