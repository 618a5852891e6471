#pragma once
// One loop, compiled for several instruction sets and chosen at run time. A kernel is a struct with
// a static run(): ordinary C++ that the compiler vectorises. vectorised<Kernel>(args...) runs the
// version for this machine, so that one binary is fast everywhere.

namespace attune {

enum class Isa { baseline, avx2, avx512 };

// The best instruction set that both this machine and this build know.
Isa isa();

#if defined(__x86_64__)

#if defined(__clang__)
#define ATTUNE_AVX512 "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,bmi,bmi2,lzcnt,popcnt"
#else
#define ATTUNE_AVX512 "arch=x86-64-v4,prefer-vector-width=512"
#endif

// `flatten` inlines everything that run() calls, for what is not inlined is not compiled anew.
template <class Kernel, class... Args>
[[gnu::target(ATTUNE_AVX512), gnu::flatten]] void run_avx512(Args... args) {
  Kernel::run(args...);
}
template <class Kernel, class... Args>
[[gnu::target("avx2,fma,bmi,bmi2,lzcnt,popcnt"), gnu::flatten]] void run_avx2(Args... args) {
  Kernel::run(args...);
}

#undef ATTUNE_AVX512

// `best` is the best instruction set to compile for.
template <class Kernel, Isa best = Isa::avx512, class... Args>
void vectorised(Args... args) {
  switch (isa()) {
    case Isa::avx512:
      if constexpr (best == Isa::avx512) return run_avx512<Kernel>(args...);
      [[fallthrough]];
    case Isa::avx2:
      return run_avx2<Kernel>(args...);
    case Isa::baseline:
      return Kernel::run(args...);
  }
}

#else

template <class Kernel, Isa best = Isa::baseline, class... Args>
void vectorised(Args... args) {
  Kernel::run(args...);
}

#endif

}  // namespace attune
