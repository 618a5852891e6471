// Products with a packed matrix against BLAS, for sizes on both sides of every tile's.
#include "autograd/kernels/packed.h"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <vector>

#include "autograd/kernels/parallel.h"
#include "tests/autograd/kernels/products.h"

using namespace attune;

namespace {

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

namespace {

// Sizes of products that are cut for threads: long, wide and narrow ones.
const std::vector<std::array<std::int64_t, 3>> products_to_cut{
    {300, 200, 100}, {40, 1000, 64}, {1, 3000, 900}, {2000, 17, 65},  {2000, 1, 512},
    {77, 5000, 33},  {5, 3000, 300}, {5, 4816, 200}, {128, 128, 128}, {512, 24, 512},
    {3000, 3, 200},  {64, 768, 256}, {1000, 300, 70}};

// What `multiply` computes with each number of threads.
template <class T, class Multiply>
std::vector<std::vector<T>> by_threads(std::int64_t size, const Multiply& multiply) {
  std::vector<std::vector<T>> results;
  for (const int count : {1, 2, 3, 8}) {
    const Threads threads(count);
    multiply(results.emplace_back(static_cast<std::size_t>(size)).data());
  }
  return results;
}

}  // namespace

TEST_CASE_TEMPLATE("any number of threads gives the same bits", T, float, double) {
  Generator generator(10);
  for (const auto& [m, n, k] : products_to_cut) {
    const auto a = random_numbers<T>(m * k, generator), b = random_numbers<T>(k * n, generator);
    for (const bool transposed : {false, true}) {
      CAPTURE(m);
      CAPTURE(n);
      CAPTURE(k);
      CAPTURE(transposed);
      const Matrix<T> matrix = transposed ? Matrix<T>{b.data(), 1, k} : Matrix<T>{b.data(), n, 1};
      const auto results = by_threads<T>(m * n, [&, m = m, n = n, k = k](T* c) {
        gemm<T>(m, n, k, {a.data(), k, 1}, matrix, {}, c, n);
      });
      for (const auto& result : results) CHECK(result == results.front());
    }
  }
}

TEST_CASE("tiles give the bits of a packed matrix, with any number of threads") {
  Generator generator(11);
  for (const auto& [m, n, k] : products_to_cut) {
    CAPTURE(m);
    CAPTURE(n);
    CAPTURE(k);
    const auto a = random_numbers<float>(m * k, generator);
    const auto b = random_numbers<float>(k * n, generator);
    const Matrix<float> matrix{b.data(), n, 1};
    std::vector<float> expected(static_cast<std::size_t>(m * n));
    PackedMatrix<float>(k, n, matrix).multiply(m, a.data(), k, {}, expected.data(), n);
    const auto packed = by_threads<float>(m * n, [&, m = m, n = n, k = k](float* c) {
      PackedMatrix<float>(k, n, matrix).multiply_in_parallel(m, a.data(), k, {}, c, n);
    });
    const auto in_tiles = by_threads<float>(m * n, [&, m = m, n = n, k = k](float* c) {
      gemm_in_tiles(m, n, k, {a.data(), k, 1}, matrix, {}, c, n);
    });
    for (const auto& result : packed) CHECK(result == expected);
    for (const auto& result : in_tiles) CHECK(result == expected);
  }
}

TEST_CASE("without a sum there is nothing to add") {
  for (const Adds adds : addends) check_product<float>(3, 0, 5, false, adds, 0);
}

TEST_CASE("a product in tiles without rows or columns sets nothing, and without terms zeros") {
  const std::vector<float> x(6, 1);
  std::vector<float> c(3, 7);
  const auto multiply = [&](std::int64_t m, std::int64_t n, std::int64_t k) {
    gemm_in_tiles(m, n, k, {x.data(), k, 1}, {x.data(), n, 1}, {}, c.data(), n);
  };
  multiply(0, 3, 2);
  multiply(3, 0, 2);
  multiply(0, 0, 2);
  CHECK(c == std::vector<float>(3, 7));
  multiply(1, 3, 0);
  CHECK(c == std::vector<float>(3, 0));
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
