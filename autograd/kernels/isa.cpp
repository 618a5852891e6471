#include "autograd/kernels/isa.h"

#include <cstdlib>
#include <string_view>

namespace attune {
namespace {

#if defined(__x86_64__)
Isa detect() {
  // ATTUNE_ISA=baseline|avx2 asks for less than the machine has, for tests and comparisons.
  const char* const wish = std::getenv("ATTUNE_ISA");
  const std::string_view limit = wish ? wish : "";
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  if (avx512 && limit.empty()) return Isa::avx512;
  if (avx2 && limit != "baseline") return Isa::avx2;
  return Isa::baseline;
}
#else
Isa detect() {
  return Isa::baseline;
}
#endif

}  // namespace

Isa isa() {
  static const Isa found = detect();
  return found;
}

}  // namespace attune
