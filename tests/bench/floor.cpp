// What a training step must cost at least: its matrix products alone, by OpenBLAS and by kernels
// whose weights are packed once, and beside them the pointwise work as fused kernels do it. Nothing
// is recorded, copied or accumulated between them. floor CONFIG THREADS [SECONDS].

#include <cblas.h>
#include <fmt/format.h>

#include <map>

#include "autograd/fused/adam.h"
#include "autograd/fused/attention.h"
#include "autograd/fused/attention_gru.h"
#include "autograd/kernels/gru.h"
#include "autograd/kernels/parallel.h"
#include "autograd/kernels/softmax.h"
#include "autograd/ops.h"
#include "autograd/random.h"
#include "tests/bench/measure.h"

namespace {

using namespace attune;

double seconds = 0.05;  // for each piece

template <class Work>
double time_of(const Work& work) {
  std::vector<double> times = bench::repeat(seconds, work);
  std::nth_element(times.begin(), times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2),
                   times.end());
  return times[times.size() / 2];
}

// y [rows, out] = x [rows, in] W^T, so many times a step.
struct Layer {
  std::int64_t rows, in, out;
  std::int64_t times = 1;
  // A layer inside a recurrence has its weight's gradient computed once, of all steps.
  bool recurrent = false;
};

struct Product {
  std::int64_t m, n, k;
  auto operator<=>(const Product&) const = default;
};

// The products of a step, with their number.
std::map<Product, std::int64_t> products_of(const std::vector<Layer>& layers) {
  std::map<Product, std::int64_t> result;
  for (const Layer& x : layers) {
    result[{x.rows, x.out, x.in}] += x.times;  // forward
    result[{x.rows, x.in, x.out}] += x.times;  // by x
    if (x.recurrent) {
      ++result[{x.out, x.in, x.rows * x.times}];
    } else {
      result[{x.out, x.in, x.rows}] += x.times;
    }
  }
  return result;
}

double by_blas(const Product& p) {
  const Tensor a = randn({p.m, p.k}), b = randn({p.k, p.n}), c = empty({p.m, p.n});
  return time_of([&] {
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, static_cast<blasint>(p.m),
                static_cast<blasint>(p.n), static_cast<blasint>(p.k), 1, a.raw<float>(),
                static_cast<blasint>(p.k), b.raw<float>(), static_cast<blasint>(p.n), 0,
                c.raw<float>(), static_cast<blasint>(p.n));
  });
}

double by_packed(const Product& p) {
  const Tensor a = randn({p.m, p.k}), b = randn({p.k, p.n}), c = empty({p.m, p.n});
  const PackedMatrix<float> packed(p.k, p.n, {b.raw<float>(), p.n, 1});
  const std::int64_t part = (p.m + num_threads() - 1) / num_threads();
  return time_of([&] {
    parallel_for(p.m, part, [&](std::int64_t begin, std::int64_t end) {
      packed.multiply(end - begin, a.raw<float>() + begin * p.k, p.k, {},
                      c.raw<float>() + begin * p.n, p.n);
    });
  });
}

template <class Time>
double sum_of_products(const std::vector<Layer>& layers, const Time& time) {
  double total = 0;
  for (const auto& [product, count] : products_of(layers)) {
    total += time(product) * static_cast<double>(count);
  }
  return total;
}

double gates(std::int64_t rows, std::int64_t hidden) {
  const Tensor input = randn({rows, 3 * hidden}), recurrent = randn({rows, 3 * hidden});
  const Tensor state = randn({rows, hidden}), kept = empty({rows, 4 * hidden});
  const Tensor next = empty({rows, hidden});
  const std::int64_t part = (rows + num_threads() - 1) / num_threads();
  return time_of([&] {
    parallel_for(rows, part, [&](std::int64_t begin, std::int64_t end) {
      const auto of = [&](const Tensor& x) { return x.raw<float>() + begin * x.size(1); };
      const std::int64_t n = end - begin;
      gru_gates_forward<float>(
          {n, hidden, of(input), of(recurrent), of(state), of(kept), of(next)});
      gru_gates_backward<float>(
          {n, hidden, of(state), of(kept), of(input), of(recurrent), of(next)});
    });
  });
}

// The look of every step, both ways: the decoder without a hidden unit.
double looks(const bench::Config& c, const Steps& steps, const Tensor& mask) {
  const auto leaf = [](const Shape& shape) { return randn(shape).requires_grad_(); };
  const AttentionGRUInputs in{zeros({steps.count(), 0}),
                              zeros({c.batch, 0}),
                              leaf({c.batch, c.source, c.attention}),
                              leaf({c.batch, c.source, 2 * c.hidden}),
                              zeros({c.attention, 0}),
                              leaf({c.attention}),
                              zeros({0, 2 * c.hidden}),
                              zeros({0, 0}),
                              zeros({0}),
                              mask};
  return time_of([&] { sum(attention_gru(in, steps).output).backward(); });
}

double loss(std::int64_t rows, std::int64_t classes) {
  const Tensor logits = randn({rows, classes}), losses = empty({rows});
  const Tensor targets = zeros({rows}, DType::int64);
  return time_of([&] {
    cross_entropy_gradient_rows(losses.raw<float>(), logits.raw<float>(), 1.0F,
                                targets.raw<std::int64_t>(), rows, classes, 0);
  });
}

double optimiser(std::int64_t parameters) {
  Tensor p = randn({parameters}), m = zeros({parameters}), v = zeros({parameters});
  const Tensor g = randn({parameters});
  return time_of([&] {
    const double scale = 1 / std::sqrt(sum_of_squares(g));
    adam_step(p, g, m, v, {1e-3, 0.9, 0.999, 1e-8, 0, false, scale, 1});
  });
}

std::int64_t weights_of(const std::vector<Layer>& layers) {
  std::int64_t count = 0;
  for (const Layer& x : layers) count += x.in * x.out * (x.recurrent ? 1 : x.times);
  return count;
}

// What is computed: every position of a batch, or the real ones alone.
struct Positions {
  std::int64_t source, target;
  Steps of_source, of_target;
};

Positions positions_of(const bench::Config& c, bool real, StepOrder order) {
  const auto steps = [&](int time, int vocabulary, unsigned seed) {
    const auto lengths = bench::sentences(c.batch, time, vocabulary, seed).lengths;
    const std::vector<std::int64_t> values(lengths.begin(), lengths.end());
    return Steps(c.batch, time, real ? from_vector(values, {c.batch}) : Tensor(), order, c.hidden);
  };
  const Steps source = steps(c.source, c.source_vocabulary, 1);
  const Steps target = steps(c.target, c.target_vocabulary, 2);
  return {source.count(), target.count(), source, target};
}

struct Work {
  std::vector<Layer> layers;
  double pointwise;  // seconds
};

Work recurrent(const bench::Config& c, bool real) {
  const Positions at = positions_of(c, real, StepOrder::forward);
  const std::int64_t e = c.embedding, h = c.hidden, a = c.attention;
  const std::int64_t read = at.source / c.source, written = at.target / c.target;  // rows at work
  Work work;
  work.layers = {{at.source, e, 3 * h, 2},
                 {read, h, 3 * h, 2L * c.source, true},
                 {at.source, 2 * h, a},
                 {c.batch, h, h},
                 {at.target, e, 3 * h},
                 {written, h, 3 * h, c.target, true},
                 {written, 2 * h, 3 * h, c.target, true},
                 {written, h, a, c.target, true},
                 {at.target, h, c.target_vocabulary}};
  const auto embeddings = (c.source_vocabulary + c.target_vocabulary) * e;
  Tensor mask;
  if (real) {
    const Tensor past = arange(0, static_cast<double>(c.source));
    mask = ge(unsqueeze(past, 0), unsqueeze(at.of_source.lengths(), 1));
  }
  work.pointwise = gates(2 * at.source + at.target, h) + looks(c, at.of_target, mask) +
                   loss(at.target, c.target_vocabulary) +
                   optimiser(weights_of(work.layers) + embeddings);
  return work;
}

// The products of attention are a part of its kernel.
double heads(const bench::Config& c, const Steps& queries, const Steps& keys) {
  const auto leaf = [&](const Steps& steps) {
    return randn({steps.count(), c.hidden}).requires_grad_();
  };
  const Tensor q = leaf(queries), k = leaf(keys), v = leaf(keys);
  return time_of([&] { sum(row_attention(q, k, v, {queries, keys, c.heads, 0.1})).backward(); });
}

double norm_and_relu(std::int64_t rows, const bench::Config& c) {
  const Tensor x = randn({rows, c.hidden}).requires_grad_();
  const Tensor y = randn({rows, c.feedforward}).requires_grad_();
  const Tensor weight = ones({c.hidden}).requires_grad_(), bias = zeros({c.hidden});
  return time_of([&] { sum(layer_norm(x, weight, bias)).backward(); }) * 2 +
         time_of([&] { sum(relu(y)).backward(); });
}

Work transformer(const bench::Config& c, bool real) {
  const Positions at = positions_of(c, real, StepOrder::by_row);
  const std::int64_t d = c.hidden, f = c.feedforward, n = c.layers;
  Work work;
  work.layers = {{at.source, d, d, 6 * n},  // the encoder's four, and the decoder's keys and values
                 {at.target, d, d, 6 * n}, {at.source, d, f, n},
                 {at.source, f, d, n},     {at.target, d, f, n},
                 {at.target, f, d, n},     {at.target, d, c.target_vocabulary}};
  const auto embeddings = (c.source_vocabulary + c.target_vocabulary) * d;
  const double layer = heads(c, at.of_source, at.of_source) + heads(c, at.of_target, at.of_target) +
                       heads(c, at.of_target, at.of_source) + norm_and_relu(at.source, c) +
                       norm_and_relu(at.target, c);
  work.pointwise = layer * static_cast<double>(n) + loss(at.target, c.target_vocabulary) +
                   optimiser(weights_of(work.layers) + embeddings);
  return work;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3 && argc != 4) {
    fmt::print(stderr, "usage: {} toy|medium|large|transformer THREADS [SECONDS]\n", argv[0]);
    return 2;
  }
  char* as_bench[] = {argv[0], argv[1], argv[2], argv[2], argv[0]};
  const bench::Config c = bench::arguments(5, as_bench).config;
  if (argc == 4) seconds = std::atof(argv[3]);
  set_num_threads(std::atoi(argv[2]));
  manual_seed(1);
  const double slots = static_cast<double>(c.batch) * c.target;
  for (const bool real : {false, true}) {
    const Work work = c.layers > 0 ? transformer(c, real) : recurrent(c, real);
    openblas_set_num_threads(num_threads());
    const double blas = sum_of_products(work.layers, by_blas);
    openblas_set_num_threads(1);
    const double packed = sum_of_products(work.layers, by_packed);
    for (const auto& [name, products] : {std::pair("OpenBLAS", blas), {"packed", packed}}) {
      const double step = products + work.pointwise;
      fmt::print(
          "{:12} {} threads  {:14} {:9} products {:8.2f} ms, pointwise {:7.2f} ms: a step "
          "{:8.2f} ms, {:8.0f} slots/s\n",
          c.name, num_threads(), real ? "real positions" : "all positions", name, products * 1e3,
          work.pointwise * 1e3, step * 1e3, slots / step);
    }
  }
}
