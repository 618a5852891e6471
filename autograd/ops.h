#pragma once
// The table of contents: every public op, one line each. Ops take Operands, that is Tensors; they
// broadcast by the usual rules, take dimensions counted from the front or (negative) from the back,
// and throw Error with the op's name, the shapes and the caller's line when they are misused.

#include <string_view>
#include <vector>

#include "autograd/tensor.h"

namespace attune {

// Arithmetic (ops/arithmetic.cpp): elementwise, broadcasting; floating or int64 where it makes
// sense.
Tensor add(Operand a, Operand b);        // a + b
Tensor sub(Operand a, Operand b);        // a - b
Tensor mul(Operand a, Operand b);        // a * b
Tensor div(Operand a, Operand b);        // a / b; floating only
Tensor neg(Operand x);                   // -x
Tensor pow(Operand x, Scalar exponent);  // x^exponent; floating only
Tensor pow(Operand x,
           Operand exponent);          // x^exponent for x > 0 where the exponent needs a gradient
Tensor maximum(Operand a, Operand b);  // the larger; ties share the gradient
Tensor minimum(Operand a, Operand b);  // the smaller; ties share the gradient
Tensor add(Operand a, Scalar b);
Tensor sub(Operand a, Scalar b);
Tensor sub(Scalar a, Operand b);
Tensor mul(Operand a, Scalar b);
Tensor div(Operand a, Scalar b);
Tensor div(Scalar a, Operand b);

inline Tensor operator+(Operand a, Operand b) {
  return add(a, b);
}
inline Tensor operator+(Operand a, Scalar b) {
  return add(a, b);
}
inline Tensor operator+(Scalar a, Operand b) {
  return add(b, a);
}
inline Tensor operator-(Operand a, Operand b) {
  return sub(a, b);
}
inline Tensor operator-(Operand a, Scalar b) {
  return sub(a, b);
}
inline Tensor operator-(Scalar a, Operand b) {
  return sub(a, b);
}
inline Tensor operator*(Operand a, Operand b) {
  return mul(a, b);
}
inline Tensor operator*(Operand a, Scalar b) {
  return mul(a, b);
}
inline Tensor operator*(Scalar a, Operand b) {
  return mul(b, a);
}
inline Tensor operator/(Operand a, Operand b) {
  return div(a, b);
}
inline Tensor operator/(Operand a, Scalar b) {
  return div(a, b);
}
inline Tensor operator/(Scalar a, Operand b) {
  return div(a, b);
}
inline Tensor operator-(Operand x) {
  return neg(x);
}

// Comparison (ops/compare.cpp): elementwise masks of dtype boolean, without gradient.
Tensor eq(Operand a, Operand b);  // a == b
Tensor ne(Operand a, Operand b);  // a != b
Tensor lt(Operand a, Operand b);  // a < b
Tensor le(Operand a, Operand b);  // a <= b
Tensor gt(Operand a, Operand b);  // a > b
Tensor ge(Operand a, Operand b);  // a >= b
Tensor eq(Operand a, Scalar b);
Tensor ne(Operand a, Scalar b);
Tensor lt(Operand a, Scalar b);
Tensor le(Operand a, Scalar b);
Tensor gt(Operand a, Scalar b);
Tensor ge(Operand a, Scalar b);
Tensor logical_not(Operand mask);          // of a boolean tensor
Tensor logical_and(Operand a, Operand b);  // of boolean tensors
Tensor logical_or(Operand a, Operand b);   // of boolean tensors

inline Tensor operator<(Operand a, Operand b) {
  return lt(a, b);
}
inline Tensor operator<(Operand a, Scalar b) {
  return lt(a, b);
}
inline Tensor operator<=(Operand a, Operand b) {
  return le(a, b);
}
inline Tensor operator<=(Operand a, Scalar b) {
  return le(a, b);
}
inline Tensor operator>(Operand a, Operand b) {
  return gt(a, b);
}
inline Tensor operator>(Operand a, Scalar b) {
  return gt(a, b);
}
inline Tensor operator>=(Operand a, Operand b) {
  return ge(a, b);
}
inline Tensor operator>=(Operand a, Scalar b) {
  return ge(a, b);
}

// Functions of one number (ops/unary.cpp): elementwise, floating.
Tensor exp(Operand x);                                       // e^x
Tensor expm1(Operand x);                                     // e^x - 1, exact near 0
Tensor log(Operand x);                                       // natural logarithm
Tensor log1p(Operand x);                                     // log(1 + x), exact near 0
Tensor sqrt(Operand x);                                      // x^(1/2)
Tensor reciprocal(Operand x);                                // 1 / x
Tensor square(Operand x);                                    // x^2
Tensor abs(Operand x);                                       // |x|; derivative 0 at 0
Tensor sin(Operand x);                                       // sine, x in radians
Tensor cos(Operand x);                                       // cosine, x in radians
Tensor tanh(Operand x);                                      // hyperbolic tangent
Tensor sigmoid(Operand x);                                   // 1 / (1 + e^-x)
Tensor erf(Operand x);                                       // error function
Tensor relu(Operand x);                                      // max(x, 0); derivative 0 at 0
Tensor leaky_relu(Operand x, double negative_slope = 0.01);  // x if x > 0, else negative_slope x
Tensor silu(Operand x);                                      // x sigmoid(x)
Tensor softplus(Operand x);                                  // log(1 + e^x)
Tensor gelu(Operand x);                                      // x P(normal < x), with erf
Tensor gelu_tanh(Operand x);                                 // the same approximately, with tanh
Tensor clamp(Operand x, double low, double high);            // x held within [low, high]

// Reductions (ops/reduce.cpp): over the dimensions named, all if none is; keepdim leaves size 1.
Tensor sum(Operand x, const Dims& dims = {}, bool keepdim = false);
Tensor mean(Operand x, const Dims& dims = {}, bool keepdim = false);
Tensor amax(Operand x, const Dims& dims = {}, bool keepdim = false);  // ties share the gradient
Tensor amin(Operand x, const Dims& dims = {}, bool keepdim = false);  // ties share the gradient
Tensor var(Operand x, const Dims& dims = {}, bool unbiased = true,
           bool keepdim = false);  // mean squared deviation; unbiased divides by n - 1
Tensor logsumexp(Operand x, const Dims& dims,
                 bool keepdim = false);                            // log sum e^x, without overflow
Tensor cumsum(Operand x, std::int64_t dim);                        // sums of the first 1, 2, ...
Tensor argmax(Operand x, std::int64_t dim, bool keepdim = false);  // int64; the first of ties
// The k largest along a dimension, largest first (NaN above all), and where they stood (int64; the
// first of ties).
struct TopK {
  Tensor values, indices;
};
TopK topk(Operand x, std::int64_t k, std::int64_t dim = -1);
// Sums x down to a shape that broadcasts to x's: the derivative of broadcasting.
Tensor sum_to(Operand x, const Shape& shape);

// Products (ops/matmul.cpp): [.., m, k] x [.., k, n] -> [.., m, n]. Leading dimensions broadcast; a
// vector stands for a row on the left and a column on the right.
Tensor matmul(Operand a, Operand b);
// x W^T, and + b unless it is undefined: [.., in], W [out, in], b [out] -> [.., out].
Tensor linear(Operand x, Operand weight, const Tensor& bias = {});
// a W_o b for every o, and + bias: [.., n], [.., m], W [out, n, m], bias [out] -> [.., out].
Tensor bilinear(Operand a, Operand b, Operand weight);
Tensor bilinear(Operand a, Operand b, Operand weight, Operand bias);
// Sums of products by Einstein's convention (ops/einsum.cpp): in "bij,bjk->bik" a letter names a
// dimension; those not in the result are summed over. Without "->" the result has the letters that
// stand once, in the order of the alphabet. A letter twice in one operand takes the diagonal; "..."
// stands for dimensions without a letter, which broadcast.
Tensor einsum(std::string_view equation, const std::vector<Tensor>& operands,
              Site site = Site::current());

// Shape (ops/shape.cpp): views where the strides allow it.
Tensor reshape(Operand x, const Shape& shape);  // one size may be -1: whatever is left
Tensor transpose(Operand x, std::int64_t dim0 = -2,
                 std::int64_t dim1 = -1);       // swaps two dimensions
Tensor permute(Operand x, const Dims& dims);    // dimension i of the result is dims[i] of x
Tensor expand(Operand x, const Shape& shape);   // repeats size-1 and new leading dimensions
Tensor squeeze(Operand x, std::int64_t dim);    // drops a dimension of size 1
Tensor unsqueeze(Operand x, std::int64_t dim);  // inserts a dimension of size 1 before `dim`
Tensor slice(Operand x, std::int64_t dim, std::int64_t start, std::int64_t end,
             std::int64_t step = 1);  // start, start + step, ... before end
Tensor select(Operand x, std::int64_t dim, std::int64_t index);  // one index; the dimension goes
Tensor flip(Operand x, std::int64_t dim);  // in reverse order along a dimension
Tensor contiguous(Operand x);              // x itself, or a row-major copy
Tensor clone(Operand x);                   // a copy
Tensor to(Operand x, DType dtype);         // converted; x itself if nothing changes

// Joining and parting (ops/join.cpp).
Tensor cat(const std::vector<Tensor>& tensors, std::int64_t dim = 0, Site site = Site::current());
Tensor stack(const std::vector<Tensor>& tensors, std::int64_t dim = 0, Site site = Site::current());
// Consecutive pieces of those sizes; views.
std::vector<Tensor> split(Operand x, const std::vector<std::int64_t>& sizes, std::int64_t dim = 0);
// Every index of a dimension as a tensor of its own; views.
std::vector<Tensor> unbind(Operand x, std::int64_t dim = 0);

// Selection (ops/select.cpp).
Tensor where(Operand mask, Operand a, Operand b);  // a where the mask is true, else b
Tensor where(Operand mask, Operand a, Scalar b);
Tensor where(Operand mask, Scalar a, Operand b);
Tensor masked_fill(Operand x, Operand mask, Scalar value);  // value where the mask is true, else x
Tensor tril(Operand x, std::int64_t diagonal = 0);  // zero above that diagonal of each matrix
Tensor triu(Operand x, std::int64_t diagonal = 0);  // zero below that diagonal of each matrix

// Indexing (ops/index.cpp): indices are int64.
Tensor gather(Operand x, std::int64_t dim, Operand index);  // x at index along one dimension
Tensor scatter_add(Operand x, std::int64_t dim, Operand index, Operand source);  // gather's adjoint
Tensor index_select(Operand x, std::int64_t dim, Operand index);  // whole slices, by a 1-d index
Tensor index_add(Operand x, std::int64_t dim, Operand index, Operand source);  // its adjoint
// Row ids[..] of the table: [n, features], [..] -> [.., features]. The row padding_id, if it is not
// negative, gets no gradient.
Tensor embedding(Operand table, Operand ids, std::int64_t padding_id = -1);

// Softmax (ops/softmax.cpp).
Tensor softmax(Operand x, std::int64_t dim = -1);      // e^x / sum e^x along a dimension
Tensor log_softmax(Operand x, std::int64_t dim = -1);  // x - logsumexp x

// Normalisation over the last dimension (fused/norm.cpp); weight and bias [features] or undefined.
// (x - mean) / sqrt(variance + eps) weight + bias (Ba, Kiros & Hinton 2016).
Tensor layer_norm(Operand x, const Tensor& weight = {}, const Tensor& bias = {}, double eps = 1e-5);
// x / sqrt(mean x^2 + eps) weight (Zhang & Sennrich 2019).
Tensor rms_norm(Operand x, const Tensor& weight = {}, double eps = 1e-6);

// Losses (ops/loss.cpp): of every element, or their sum, mean, or sum over the size of dimension 0.
// Predictions and targets have one shape.
enum class Reduction { none, sum, mean, batchmean };
// (prediction - target)^2
Tensor mse_loss(Operand prediction, Operand target, Reduction reduction = Reduction::mean);
// |prediction - target|
Tensor l1_loss(Operand prediction, Operand target, Reduction reduction = Reduction::mean);
// d^2 / (2 beta) where d = |prediction - target| is below beta, else d - beta / 2 (Girshick 2015).
Tensor smooth_l1_loss(Operand prediction, Operand target, double beta = 1,
                      Reduction reduction = Reduction::mean);
// -t log sigmoid(x) - (1 - t) log(1 - sigmoid(x)) for logits x and targets t within [0, 1].
Tensor binary_cross_entropy_with_logits(Operand logits, Operand targets,
                                        Reduction reduction = Reduction::mean);
// t (log t - log p) for log p and probabilities t; 0 where t is.
Tensor kl_div(Operand log_probabilities, Operand targets, Reduction reduction = Reduction::mean);
// -log p[target] for log p [.., classes] and int64 targets [..]. Positions whose target is
// ignore_index count neither in the sum nor in the mean.
Tensor nll_loss(Operand log_probabilities, Operand targets, std::int64_t ignore_index = -100,
                Reduction reduction = Reduction::mean);
// nll_loss of log_softmax(logits), by a kernel of its own (fused/cross_entropy.cpp). With label
// smoothing s the target is (1 - s) one-hot + s / classes (Szegedy et al. 2016).
Tensor cross_entropy(Operand logits, Operand targets, std::int64_t ignore_index = -100,
                     double label_smoothing = 0, Reduction reduction = Reduction::mean);

}  // namespace attune
