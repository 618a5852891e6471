// Products with a packed matrix against BLAS, for sizes on both sides of every tile's.
#include "autograd/kernels/packed.h"

#include <doctest/doctest.h>

#include <array>
#include <cmath>

#include "autograd/kernels/parallel.h"
#include "autograd/random.h"

using namespace attune;

namespace {

template <class T>
std::vector<T> random_numbers(std::int64_t count, Generator& generator) {
  std::vector<T> values(static_cast<std::size_t>(count));
  for (T& value : values) value = static_cast<T>(generator.uniform() - 0.5);
  return values;
}

// What a product is added to: nothing, what is there, or one row for all.
enum class Adds { nothing, itself, row };
constexpr std::array addends{Adds::nothing, Adds::itself, Adds::row};

template <class T>
Addend<T> addend_of(Adds adds, const T* c, std::int64_t ldc, const T* row) {
  if (adds == Adds::nothing) return {};
  return adds == Adds::itself ? Addend<T>{c, ldc} : Addend<T>{row, 0};
}

template <class T>
void check_product(std::int64_t m, std::int64_t k, std::int64_t n, bool transposed, Adds adds,
                   double tolerance) {
  CAPTURE(m);
  CAPTURE(k);
  CAPTURE(n);
  CAPTURE(transposed);
  Generator generator(7);
  const std::int64_t lda = k + 3, ldc = n + 2;
  const auto a = random_numbers<T>(m * lda, generator), b = random_numbers<T>(k * n, generator);
  auto c = random_numbers<T>(m * ldc, generator);
  auto expected = c;
  const Matrix<T> matrix = transposed ? Matrix<T>{b.data(), 1, k} : Matrix<T>{b.data(), n, 1};
  const auto row = random_numbers<T>(n, generator);
  gemm<T>(m, n, k, {a.data(), lda, 1}, matrix, addend_of(adds, expected.data(), ldc, row.data()),
          expected.data(), ldc);
  PackedMatrix<T>(k, n, matrix)
      .multiply(m, a.data(), lda, addend_of(adds, c.data(), ldc, row.data()), c.data(), ldc);
  double largest = 0;
  for (std::size_t i = 0; i < c.size(); ++i) {
    largest = std::max(largest, std::abs(static_cast<double>(c[i] - expected[i])));
  }
  CHECK(largest <= tolerance);
}

}  // namespace

TEST_CASE("a packed product is BLAS's") {
  for (const std::int64_t m : {0, 1, 3, 7, 8, 9, 32, 33}) {
    for (const std::int64_t n : {1, 15, 16, 17, 47, 48, 49, 64, 65, 96, 100, 112}) {
      for (const std::int64_t k : {1, 5, 64}) {
        for (const bool transposed : {false, true}) {
          for (const Adds adds : addends) check_product<float>(m, k, n, transposed, adds, 1e-5);
        }
      }
    }
  }
  for (const Adds adds : addends) {
    check_product<float>(10, 1100, 50, true, adds, 1e-4);  // more than one block of k
    check_product<double>(5, 7, 9, true, adds, 1e-14);
  }
}

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

TEST_CASE("any number of threads gives the same bits") {
  Generator generator(10);
  const int threads = num_threads();
  for (const auto& [m, n, k] : {std::array<std::int64_t, 3>{300, 200, 100},
                                {40, 1000, 64},
                                {1, 3000, 900},
                                {2000, 17, 65},
                                {77, 5000, 33},
                                {5, 3000, 300},
                                {5, 4816, 200}}) {
    CAPTURE(m);
    const auto a = random_numbers<float>(m * k, generator);
    const auto b = random_numbers<float>(k * n, generator);
    std::vector<float> first(static_cast<std::size_t>(m * n)), kept = first;
    PackedMatrix<float>(k, n, {b.data(), n, 1}).multiply(m, a.data(), k, {}, kept.data(), n);
    for (const int count : {1, 2, 3, 8}) {
      set_num_threads(count);
      const PackedMatrix<float> packed(k, n, {b.data(), n, 1});
      std::vector<float> c(first.size()), d = c;
      gemm<float>(m, n, k, {a.data(), k, 1}, {b.data(), n, 1}, {}, c.data(), n);
      packed.multiply_in_parallel(m, a.data(), k, {}, d.data(), n);
      if (count == 1) first = c;
      CHECK(std::equal(c.begin(), c.end(), first.begin()));
      CHECK(std::equal(d.begin(), d.end(), kept.begin()));
    }
  }
  set_num_threads(threads);
}

TEST_CASE("without a sum there is nothing to add") {
  for (const Adds adds : addends) check_product<float>(3, 0, 5, false, adds, 0);
}

TEST_CASE("a row's result does not depend on the rows beside it") {
  Generator generator(9);
  const std::int64_t k = 40, n = 70;
  const auto a = random_numbers<float>(33 * k, generator),
             b = random_numbers<float>(k * n, generator);
  const PackedMatrix<float> packed(k, n, {b.data(), n, 1});
  std::vector<float> all(33 * static_cast<std::size_t>(n)), one(static_cast<std::size_t>(n));
  packed.multiply(33, a.data(), k, {}, all.data(), n);
  for (std::int64_t row = 0; row < 33; ++row) {
    packed.multiply(1, a.data() + row * k, k, {}, one.data(), n);
    CHECK(std::equal(one.begin(), one.end(), all.begin() + row * n));
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

TEST_CASE("threads that share a packing compute the bits of one thread") {
  Generator generator(238);
  const std::vector<float> x = random_numbers<float>(600 * 1000, generator);
  const std::vector<float> y = random_numbers<float>(600 * 1000, generator);
  const int threads = num_threads();
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
            set_num_threads(count);
            std::fill(found.begin(), found.end(), 0.0F);
            packed_gemm_in_parallel(m, n, k, a, b, {x.data(), 0}, found.data(), n);
            CHECK(found == expected);
          }
          set_num_threads(threads);
        }
      }
    }
  }
}
