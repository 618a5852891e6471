#!/bin/sh
# tests/bench/where.sh [CONFIG...]: where the time of a training step goes, in percent, by sampling
# (perf, from the distribution's linux-perf) one thread at work on each configuration.
set -eu
cd "$(dirname "$0")/../.."
command -v perf >/dev/null || { echo "where.sh: install perf first (Debian: linux-perf)." >&2; exit 1; }
cmake --preset release -DATTUNE_BUILD_BENCH=ON >/dev/null
cmake --build --preset release --target seq2seq_bench >/dev/null
samples=$(mktemp)
trap 'rm -f "$samples"' EXIT

printf '%-12s' config
printf '%11s' products packing pointwise attention softmax optimiser copies kernel other
echo
for config in "${@:-toy medium large transformer}"; do
  for each in $config; do
    perf record -q -o "$samples" build/release/tests/bench/seq2seq_bench "$each" 1 4 train >/dev/null 2>&1
    perf report -i "$samples" --no-children --stdio 2>/dev/null | awk -v config="$each" '
      /%/ && !/^#/ {
        share = $1 + 0
        if (/PackPanel|copy_SKYLAKEX|PackedMatrix/) kind = "packing"
        else if (/ProductLoop|gemm|gemv/) kind = "products"
        else if (/LookForward|LookBackward|SoftmaxRows/) kind = "attention"
        else if (/CrossEntropy|Softmax/) kind = "softmax"
        else if (/AdamLoop|SquaresLoop/) kind = "optimiser"
        else if (/memmove|memset|gather|copy_strided|UpdateLoop/) kind = "copies"
        else if (/\[k\]/) kind = "kernel"
        else if (/FormulaLoop|Gates|Row<|Reduce|Columns/) kind = "pointwise"
        else kind = "other"
        sum[kind] += share
      }
      END {
        printf "%-12s", config
        n = split("products packing pointwise attention softmax optimiser copies kernel other", kinds, " ")
        for (i = 1; i <= n; ++i) printf "%11.1f", sum[kinds[i]]
        print ""
      }'
  done
done
