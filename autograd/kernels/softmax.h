#pragma once
// Softmax, its logarithm and the cross-entropy over rows of contiguous memory.

#include <cstdint>

namespace attune {

// out[r, :] = e^(in[r, :] - max) / sum.
template <class T>
void softmax_rows(T* out, const T* in, std::int64_t rows, std::int64_t n);

// out[r, :] = in[r, :] - log sum e^in[r, :].
template <class T>
void log_softmax_rows(T* out, const T* in, std::int64_t rows, std::int64_t n);

// best[r] is the first place of the largest of in[r, :], and log_probability[r] log softmax there.
// n is positive.
template <class T>
void most_probable_rows(std::int64_t* best, T* log_probability, const T* in, std::int64_t rows,
                        std::int64_t n);

// loss[r] = -sum_c q[c] log softmax(logits[r])[c], with q = (1 - smoothing) one-hot(target[r]) +
// smoothing / n, and the log sum e^logits[r] that softmax needs again in the backward pass. Rows
// whose target is `ignored` have loss 0. Targets have been checked.
template <class T>
void cross_entropy_rows(T* loss, T* logsumexp, const T* logits, const std::int64_t* targets,
                        std::int64_t rows, std::int64_t n, std::int64_t ignored, double smoothing);

// gradient[r, :] = g[r] (softmax(logits[r]) - q), 0 for ignored rows.
template <class T>
void cross_entropy_backward_rows(T* gradient, const T* g, const T* logits, const T* logsumexp,
                                 const std::int64_t* targets, std::int64_t rows, std::int64_t n,
                                 std::int64_t ignored, double smoothing);

// Both where no row is ignored and every row's g is the same: the gradient takes the place of the
// logits.
template <class T>
void cross_entropy_gradient_rows(T* loss, T* logits, T g, const std::int64_t* targets,
                                 std::int64_t rows, std::int64_t n, double smoothing);

}  // namespace attune
