// Products that pack as they go, against the sums that define them.
#include "autograd/kernels/packed_gemm.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "autograd/kernels/packed.h"
#include "autograd/kernels/parallel.h"
#include "tests/autograd/kernels/products.h"

using namespace attune;

TEST_CASE("packing on the way gives the same product, however the operands lie") {
  Generator generator(8);
  for (const std::int64_t m : {1, 7, 8, 95, 97, 200}) {
    for (const std::int64_t n : {1, 16, 33, 48, 64, 481, 544}) {
      for (const std::int64_t k : {1, 16, 17, 385}) {
        CAPTURE(m);
        CAPTURE(n);
        CAPTURE(k);
        const auto a = random_numbers<float>(m * k, generator);
        const auto b = random_numbers<float>(k * n, generator);
        const auto start = random_numbers<float>(m * n, generator);
        const auto row = random_numbers<float>(n, generator);
        for (const int layout : {0, 1, 2, 3}) {
          const Matrix<float> left =
              (layout & 1) ? Matrix<float>{a.data(), 1, m} : Matrix<float>{a.data(), k, 1};
          const Matrix<float> right =
              (layout & 2) ? Matrix<float>{b.data(), 1, k} : Matrix<float>{b.data(), n, 1};
          for (const Adds adds : addends) {
            auto c = start;
            const Addend<float> add = addend_of(adds, c.data(), n, row.data());
            const Addend<float> before = addend_of(adds, start.data(), n, row.data());
            packed_gemm(m, n, k, left, right, add, c.data(), n);
            double largest = 0;
            for (std::int64_t i = 0; i < m; i += 3) {
              for (std::int64_t j = 0; j < n; j += 5) {
                double sum = before.data ? before.data[i * before.row + j] : 0;
                for (std::int64_t p = 0; p < k; ++p) {
                  sum += static_cast<double>(left.data[i * left.row + p * left.column]) *
                         right.data[p * right.row + j * right.column];
                }
                largest = std::max(largest, std::abs(sum - c[static_cast<std::size_t>(i * n + j)]));
              }
            }
            CHECK(largest < 1e-4);
          }
        }
      }
    }
  }
}

TEST_CASE("threads that share a packing compute the bits of one thread") {
  Generator generator(238);
  const std::vector<float> x = random_numbers<float>(600 * 1000, generator);
  const std::vector<float> y = random_numbers<float>(600 * 1000, generator);
  for (const std::int64_t m : {1, 7, 300}) {
    for (const std::int64_t n : {5, 480, 1000}) {
      for (const std::int64_t k : {1, 200, 600}) {
        for (const bool transposed : {false, true}) {
          CAPTURE(m);
          CAPTURE(n);
          CAPTURE(k);
          CAPTURE(transposed);
          const Matrix<float> a =
              transposed ? Matrix<float>{x.data(), 1, m} : Matrix<float>{x.data(), k, 1};
          const Matrix<float> b =
              transposed ? Matrix<float>{y.data(), 1, k} : Matrix<float>{y.data(), n, 1};
          const auto size = static_cast<std::size_t>(m * n);
          std::vector<float> expected(size), found(size);
          packed_gemm(m, n, k, a, b, {x.data(), 0}, expected.data(), n);
          for (const int count : {1, 2, 3, 8}) {
            const Threads threads(count);
            std::fill(found.begin(), found.end(), 0.0F);
            packed_gemm_in_parallel(m, n, k, a, b, {x.data(), 0}, found.data(), n);
            CHECK(found == expected);
          }
        }
      }
    }
  }
}

#if defined(__x86_64__)
TEST_CASE("products take subnormal numbers for zero, and nothing else does after them") {
  const std::vector<float> a(16 * 64, 1e-40F), b(64 * 64, 1e30F);
  std::vector<float> c(16 * 64, 1);
  const Matrix<float> matrix{b.data(), 64, 1};
  SUBCASE("packed before") {
    PackedMatrix<float>(64, 64, matrix).multiply(16, a.data(), 64, {}, c.data(), 64);
  }
  SUBCASE("packed on the way") {
    packed_gemm(16, 64, 64, {a.data(), 64, 1}, matrix, {}, c.data(), 64);
  }
  SUBCASE("by BLAS") {
    gemm<float>(1, 64, 64, {a.data(), 64, 1}, matrix, {}, c.data(), 64);
    gemm<float>(15, 8, 64, {a.data(), 64, 1}, matrix, {}, c.data() + 64, 8);
    std::fill(c.begin() + 64 + 15 * 8, c.end(), 0.0F);
  }
  CHECK(c == std::vector<float>(16 * 64, 0));
  volatile float subnormal = a[0];  // multiplied as the test runs, not as it is compiled
  CHECK(subnormal * b[0] > 0);
}
#endif
