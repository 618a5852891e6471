#pragma once
// Products by the tiles of tiles.h, with the right operand packed block after block as they go.

#include <cstdint>

#include "autograd/kernels/gemm.h"

namespace attune {

// Whether packed_gemm() is to compute a product of these sizes: it is the faster one, or nearly,
// where there is work for several threads, and gives the same bits for any number of them.
bool better_packed(std::int64_t m, std::int64_t n, std::int64_t k);

// c = a b + add as gemm() computes it, on the thread that calls. The bits of an element of c depend
// on its row of a, its column of b, and k.
void packed_gemm(std::int64_t m, std::int64_t n, std::int64_t k, Matrix<float> a, Matrix<float> b,
                 Addend<float> add, float* c, std::int64_t ldc);
// The same product on all threads, each with some of the rows.
void packed_gemm_in_parallel(std::int64_t m, std::int64_t n, std::int64_t k, Matrix<float> a,
                             Matrix<float> b, Addend<float> add, float* c, std::int64_t ldc);

}  // namespace attune
