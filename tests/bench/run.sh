#!/bin/sh
# tests/bench/run.sh [ROUNDS [SECONDS [CONFIG...]]]: attune and its peers on the same work, one after the
# other, for so many rounds (3) of so many seconds (3) each; then a table of medians and ratios. The
# measurements themselves, a JSON line each, are left in build/release/bench.jsonl. BENCH_WHAT="train fwd greedy
# greedy1" measures only some of these. A CONFIG is toy, medium, large or transformer, or `micro`: single pieces of
# work, from one small op to Adam over ten million parameters, of which the table tells the time instead.
#
# libtorch is run as an expert sets it up (OpenBLAS with OpenMP, AVX-512 kernels, tcmalloc where it is
# installed, and OpenBLAS told what the CPU is where it is older than the CPU and takes it for a small one:
# "tuned"), and as the distribution installs it ("default"); PyTorch from Python, where the
# system's has it, is tuned too, and trains only. Before the table stands what a step must cost at least
# (floor.cpp), after it where ours goes (where.sh, if perf is installed).
set -eu
cd "$(dirname "$0")/../.."
rounds=${1:-3}
seconds=${2:-3}
[ $# -le 2 ] || { shift 2; configs="$*"; }
configs=${configs:-toy medium large transformer micro}
models=$(echo "$configs" | tr ' ' '\n' | grep -v '^micro$' || true)

third_party/install.sh
cmake --preset release -DATTUNE_BUILD_BENCH=ON >/dev/null
cmake --build --preset release >/dev/null
bench=build/release/tests/bench
lines=build/release/bench.jsonl
: >"$lines"

openmp=$(ls -d /usr/lib/*/openblas-openmp 2>/dev/null | head -n 1)
tcmalloc=$(ls /usr/lib/*/libtcmalloc_minimal.so.4 2>/dev/null | head -n 1)
# An OpenBLAS that does not know the CPU multiplies at a fifth of its speed.
core=
if grep -q avx512bw /proc/cpuinfo && OPENBLAS_VERBOSE=2 "$bench/floor" none 1 2>&1 | grep -qi 'core: *prescott'; then
  core=SkylakeX
fi
tuned() { # THREADS COMMAND...
  threads_of_tuned=$1
  shift
  OPENBLAS_CORETYPE=${OPENBLAS_CORETYPE:-$core} BENCH_SETTING=tuned ATEN_CPU_CAPABILITY=avx512 OMP_NUM_THREADS=$threads_of_tuned LD_PRELOAD=$tcmalloc \
    LD_LIBRARY_PATH=$openmp${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} "$@"
}
python=
for each in python3 /usr/bin/python3; do
  [ -n "$python" ] || ! "$each" -c 'import torch' 2>/dev/null || python=$each
done

round=0
while [ $round -lt "$rounds" ]; do
  round=$((round + 1))
  for config in $models; do
    for what in ${BENCH_WHAT:-train fwd greedy greedy1}; do
      case "$config $what" in transformer\ greedy*) continue ;; esac
      for threads in 1 2; do
        echo "round $round of $rounds: $config $what, $threads threads" >&2
        "$bench/seq2seq_bench" "$config" $threads "$seconds" $what >>"$lines"
        case "$python $what $config" in
          " "* | *transformer) ;;
          *" train "*) tuned $threads "$python" tests/bench/seq2seq_torch.py "$config" $threads "$seconds" $what >>"$lines" ;;
        esac
        [ -x "$bench/seq2seq_libtorch" ] || continue
        tuned $threads "$bench/seq2seq_libtorch" "$config" $threads "$seconds" $what >>"$lines"
        BENCH_SETTING=default "$bench/seq2seq_libtorch" "$config" $threads "$seconds" $what >>"$lines"
      done
    done
  done
  case " $configs " in *" micro "*) ;; *) continue ;; esac
  for threads in 1 2; do
    echo "round $round of $rounds: single pieces of work, $threads threads" >&2
    OPENBLAS_CORETYPE=${OPENBLAS_CORETYPE:-$core} "$bench/micro" $threads "$seconds" >>"$lines"
    [ ! -x "$bench/micro_libtorch" ] || tuned $threads "$bench/micro_libtorch" $threads "$seconds" >>"$lines"
  done
  "$bench/small_op" >>"$lines"
  [ ! -x "$bench/small_op_libtorch" ] || tuned 1 "$bench/small_op_libtorch" >>"$lines"
done

for config in $models; do
  for threads in 1 2; do
    OPENBLAS_CORETYPE=${OPENBLAS_CORETYPE:-$core} "$bench/floor" "$config" $threads
  done
done
echo

# Medians over the rounds, their spread, and attune's over each peer's; then the median of the rounds' own ratios,
# which a machine that is slower for some rounds disturbs less.
awk -F'[:,]' '
  function field(name,  i) {
    for (i = 1; i < NF; ++i) if ($i ~ "\"" name "\"") return $(i + 1)
  }
  function sorted(list, values,  n, i, j, t) {
    n = split(list, values, " ")
    for (i = 2; i <= n; ++i)
      for (j = i; j > 1 && values[j - 1] + 0 > values[j] + 0; --j) {
        t = values[j]; values[j] = values[j - 1]; values[j - 1] = t
      }
    return n
  }
  function middle(values, n) {
    return n % 2 ? values[(n + 1) / 2] : (values[n / 2] + values[n / 2 + 1]) / 2
  }
  # More a second, or less time.
  function times_better(ours, theirs) {
    return unit ~ /\/s/ ? ours / theirs : theirs / ours
  }
  function ratios(ours, theirs,  n, i, a, b, result) {
    n = split(ours, a, " ")
    split(theirs, b, " ")
    for (i = 1; i <= n; ++i) result = result " " times_better(a[i], b[i])
    return result
  }
  {
    peer = field("peer"); gsub(/["{]/, "", peer)
    bench = field("bench"); gsub(/"/, "", bench)
    key = bench " " field("threads")
    if (!(key in known)) { known[key] = 1; order[++keys] = key }
    if (!(peer in peers)) { peers[peer] = 1; names[++count] = peer }
    list[key, peer] = list[key, peer] " " field("median")
    units[key] = field("unit"); gsub(/"/, "", units[key])
    memory = field("peak_mib"); sub(/}.*/, "", memory)
    if (memory + 0 > peak[key, peer] + 0) peak[key, peer] = memory
  }
  END {
    printf "%-26s %7s  %-18s %12s %-11s %19s %9s %7s %9s\n", "bench", "threads", "peer", "median", "", "spread", "peak MiB", "ratio", "by round"
    for (k = 1; k <= keys; ++k) {
      split(order[k], part, " ")
      unit = units[order[k]]
      for (p = 1; p <= count; ++p) {
        if (!((order[k], names[p]) in list)) continue
        n = sorted(list[order[k], names[p]], v)
        median = middle(v, n)
        if (p == 1) ours = median
        rounds = sorted(ratios(list[order[k], names[1]], list[order[k], names[p]]), r)
        printf "%-26s %7s  %-18s %12.5g %-11s %9.4g-%-9.4g %9.0f %6.2fx %8.2fx\n", part[1], part[2], names[p], median, unit, v[1], v[n], peak[order[k], names[p]], times_better(ours, median), middle(r, rounds)
      }
    }
  }' "$lines"

if [ -n "$models" ] && command -v perf >/dev/null; then
  echo
  tests/bench/where.sh $models
fi
