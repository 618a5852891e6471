#include "autograd/fused/linear_cross_entropy.h"

#include <fmt/format.h>

#include <algorithm>

#include "autograd/fused/fused.h"
#include "autograd/kernels/gemm.h"
#include "autograd/kernels/rounding.h"
#include "autograd/kernels/softmax.h"

namespace attune {
namespace {

// The most rows of logits that exist at a time.
constexpr std::int64_t most_rows_a_chunk = 512;

struct Options {
  std::int64_t ignored;
  double smoothing;
};

}  // namespace

Tensor linear_cross_entropy_composition(const Tensor& x, const Tensor& weight, const Tensor& bias,
                                        const Tensor& targets, std::int64_t ignore_index,
                                        double label_smoothing) {
  return cross_entropy(linear(x, weight, bias), targets, ignore_index, label_smoothing);
}

namespace {

void check(Operand x, Operand weight, Operand bias, Operand targets) {
  detail::check_floating("linear_cross_entropy", x);
  detail::check_same_dtype("linear_cross_entropy", x, weight);
  detail::check_same_dtype("linear_cross_entropy", x, bias);
  Shape of_rows = x->shape();
  if (x->rank() > 0) of_rows.erase(x->rank() - 1);
  if (x->rank() > 0 && weight->rank() == 2 && weight->size(1) == x->size(-1) &&
      bias->shape() == Shape{weight->size(0)} && targets->shape() == of_rows &&
      targets->dtype() == DType::int64) {
    return;
  }
  misuse("linear_cross_entropy", x.site(),
         fmt::format("x {}, the weight {}, the bias {} and the targets {} {} do not fit each other",
                     to_string(x->shape()), to_string(weight->shape()), to_string(bias->shape()),
                     name(targets->dtype()), to_string(targets->shape())),
         "They are [.., features], [classes, features], [classes] and int64 [..].");
}

// The places of the targets that count; Error for one that is no class.
std::vector<std::int64_t> counted(const Tensor& targets, std::int64_t ignored, std::int64_t classes,
                                  const Site& site) {
  std::vector<std::int64_t> places;
  const std::vector<std::int64_t> values = targets.to_vector<std::int64_t>();
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (values[i] == ignored) continue;
    if (values[i] < 0 || values[i] >= classes) {
      misuse("linear_cross_entropy", site,
             fmt::format("target {} is {}, and there are {} classes", i, values[i], classes));
    }
    places.push_back(static_cast<std::int64_t>(i));
  }
  return places;
}

// The loss, and its gradients by the counted rows of x, the weight and the bias; these undefined if
// not asked for.
struct Found {
  Tensor loss, by_x, by_weight, by_bias;
};

// The rows of one chunk: x [rows, features].
template <class T>
struct Chunk {
  std::int64_t rows, features, classes;
  const T* x;
  const T* weight;
  const T* bias;
  const std::int64_t* targets;
  T share;    // of one row in the mean
  T* losses;  // [rows]
  T* logits;  // [rows, classes]; their gradient takes their place if it is asked for
};

template <class T>
void compute(const Chunk<T>& c, T* logsumexps, Options options, bool with_gradient) {
  gemm<T>(c.rows, c.classes, c.features, {c.x, c.features, 1}, {c.weight, 1, c.features},
          {c.bias, 0}, c.logits, c.classes);
  if (with_gradient) {
    cross_entropy_gradient_rows(c.losses, c.logits, c.share, c.targets, c.rows, c.classes,
                                options.smoothing);
  } else {
    cross_entropy_rows(c.losses, logsumexps, c.logits, c.targets, c.rows, c.classes,
                       options.ignored, options.smoothing);
  }
}

// The rows of x at those places.
Tensor rows_at(const Tensor& x, const Tensor& places) {
  return places.numel() == x.size(0) ? x.contiguous() : index_select(x, 0, places);
}

// Rows [n, features] at their places among the rows of `shape`; the others are zero.
Tensor spread(const Tensor& rows, const Tensor& places, const Shape& shape) {
  if (rows.numel() == numel(shape)) return reshape(rows, shape);
  const Tensor all = zeros(shape, rows.dtype());
  const auto* const place = places.data<std::int64_t>();
  dispatch_floating(rows.dtype(), [&]<class T>(T) {
    const std::int64_t features = rows.size(1);
    for (std::int64_t i = 0; i < rows.size(0); ++i) {
      std::copy_n(rows.raw<T>() + i * features, features, all.raw<T>() + place[i] * features);
    }
  });
  return all;
}

Found find(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& targets,
           Options options, bool with_gradients) {
  const std::int64_t rows = x.size(0), features = x.size(1), classes = weight.size(0);
  const std::int64_t most = equal_part(rows, most_rows_a_chunk);
  const DType dtype = x.dtype();
  const Tensor losses = empty({rows}, dtype), logsumexps = empty({most}, dtype);
  const Tensor logits = empty({most, classes}, dtype);
  Found found;
  if (with_gradients) {
    found.by_x = empty({rows, features}, dtype);
    found.by_weight =
        rows > 0 ? empty({classes, features}, dtype) : zeros({classes, features}, dtype);
    found.by_bias = zeros({classes}, dtype);
  }
  dispatch_floating(dtype, [&]<class T>(T) {
    for (std::int64_t begin = 0; begin < rows; begin += most) {
      const std::int64_t n = std::min(most, rows - begin);
      const Chunk<T> chunk{n,
                           features,
                           classes,
                           x.raw<T>() + begin * features,
                           weight.raw<T>(),
                           bias.raw<T>(),
                           targets.raw<std::int64_t>() + begin,
                           T{1} / static_cast<T>(rows),
                           losses.raw<T>() + begin,
                           logits.raw<T>()};
      compute(chunk, logsumexps.raw<T>(), options, with_gradients);
      if (!with_gradients) continue;
      gemm<T>(n, features, classes, {chunk.logits, classes, 1}, {chunk.weight, features, 1}, {},
              found.by_x.raw<T>() + begin * features, features);
      T* const by_weight = found.by_weight.raw<T>();
      const Addend<T> before = begin > 0 ? Addend<T>{by_weight, features} : Addend<T>{};
      gemm<T>(classes, features, n, {chunk.logits, 1, classes}, {chunk.x, features, 1}, before,
              by_weight, features);
      found.by_bias.add_(sum(slice(logits, 0, 0, n), {0}));
    }
  });
  found.loss = mean(losses);
  return found;
}

}  // namespace

Tensor linear_cross_entropy(Operand x, Operand weight, Operand bias, Operand targets,
                            std::int64_t ignore_index, double label_smoothing) {
  check(x, weight, bias, targets);
  if (!(label_smoothing >= 0 && label_smoothing <= 1)) {
    misuse("linear_cross_entropy", x.site(),
           fmt::format("the label smoothing is {}, and must lie between 0 and 1", label_smoothing));
  }
  const std::vector<std::int64_t> places =
      counted(*targets, ignore_index, weight->size(0), x.site());
  const Options options{ignore_index, label_smoothing};
  const bool with_gradients = needs_recording(std::array{x, weight, bias});
  Found found;
  const Tensor counted_places = from_vector(places, {static_cast<std::int64_t>(places.size())});
  {
    const NoGrad no_grad;
    const Tensor rows = reshape(*x, {targets->numel(), x->size(-1)});
    found = find(rows_at(rows, counted_places), weight->contiguous(), bias->contiguous(),
                 rows_at(reshape(*targets, {targets->numel()}), counted_places), options,
                 with_gradients);
  }
  if (!with_gradients) return found.loss;
  const auto backward = [by_x = save(found.by_x), by_weight = save(found.by_weight),
                         by_bias = save(found.by_bias), at = save(counted_places),
                         shape = x->shape()](std::span<const Tensor> g, const Needs&) {
    // Nearly always the loss is what is differentiated, and its own gradient is 1.
    const auto scaled = [&, one = g[0].item() == 1](const Tensor& x) { return one ? x : x * g[0]; };
    return std::vector{spread(scaled(by_x()), at(), shape), scaled(by_weight()), scaled(by_bias())};
  };
  const auto composition = [targets = save(*targets), options](const std::vector<Tensor>& in) {
    return std::vector{linear_cross_entropy_composition(in[0], in[1], in[2], targets(),
                                                        options.ignored, options.smoothing)};
  };
  const std::vector<Operand> inputs{x, weight, bias};
  return apply("linear_cross_entropy", inputs, found.loss,
               fused_rule(inputs, backward, composition));
}

}  // namespace attune
