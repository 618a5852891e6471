#pragma once
// Numbers too small to be normal, below 1e-38 in float32: they stand for nothing, and yet on x86
// each costs a multiplication many times over. The gradients of a model that has learned its
// task, and the weights of an attention that is sure of itself, are full of them.

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace attune {

#if defined(__x86_64__)

// While it lives, this thread takes subnormal numbers for zero, and makes none.
class SubnormalsAreZero {
 public:
  SubnormalsAreZero() : before_(_mm_getcsr()) { _mm_setcsr(before_ | as_input | as_result); }
  ~SubnormalsAreZero() { _mm_setcsr(before_); }
  SubnormalsAreZero(const SubnormalsAreZero&) = delete;
  SubnormalsAreZero& operator=(const SubnormalsAreZero&) = delete;

 private:
  static constexpr unsigned as_input = 0x0040, as_result = 0x8000;
  unsigned before_;
};

#else

// Elsewhere they are left as they are.
class SubnormalsAreZero {
 public:
  SubnormalsAreZero() {}
};

#endif

}  // namespace attune
