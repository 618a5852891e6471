// Single pieces of work, in microseconds: micro [THREADS [SECONDS]]. micro_libtorch.cpp does the
// same.

#include <cblas.h>
#include <fmt/format.h>

#include "autograd/kernels/parallel.h"
#include "autograd/random.h"
#include "nn/attention.h"
#include "nn/linear.h"
#include "nn/optim/adam.h"
#include "nn/rnn.h"
#include "tests/bench/measure.h"

namespace {

using namespace attune;

int threads = 1;
double seconds = 0.5;

template <class Work>
void measure(const std::string& name, const Work& work) {
  std::vector<double> times = bench::repeat(seconds, work);
  for (double& time : times) time *= 1e6;
  bench::print("attune", name, threads, "us", false, times);
}

Tensor leaf(const Shape& shape) {
  return randn(shape).requires_grad_();
}

void chain() {
  const Tensor x = leaf({1}), y = randn({1});
  measure("chain_1000", [&] {
    Tensor z = x;
    for (int i = 0; i < 1000; ++i) z = z + y;
    z.backward();
  });
}

void mlp() {
  nn::Linear first(64, 64), second(64, 64), last(64, 10);
  std::vector<Tensor> parameters;
  for (const nn::Linear* layer : {&first, &second, &last}) {
    for (const Tensor& parameter : layer->parameters()) parameters.push_back(parameter);
  }
  optim::Adam adam(parameters);
  const Tensor x = randn({32, 64});
  const Tensor target = zeros({32}, DType::int64);
  measure("mlp_2x64_step", [&] {
    adam.zero_grad();
    const Tensor h = tanh(second.forward(tanh(first.forward(x))));
    cross_entropy(last.forward(h), target).backward();
    adam.step();
  });
}

void gru() {
  nn::GRUCell cell(256, 256);
  const Tensor x = randn({64, 256}), h = randn({64, 256});
  measure("gru_step_64x256", [&] { sum(cell.forward(x, h)).backward(); });
  nn::GRU layer(256, 256);
  const Tensor sequence = randn({64, 30, 256});
  measure("gru_sequence_64x30x256", [&] { sum(layer.forward(sequence).output).backward(); });
}

void attention() {
  const Tensor q = leaf({16, 8, 128, 64}), k = leaf({16, 8, 128, 64}), v = leaf({16, 8, 128, 64});
  const nn::ScaledDotScore score;
  measure("attention_b16_h8_l128_d64", [&] { sum(nn::attend(score, q, k, v).context).backward(); });
}

void rows() {
  const Tensor logits = leaf({960, 8000});
  const Tensor target = zeros({960}, DType::int64);
  measure("cross_entropy_960x8000", [&] { cross_entropy(logits, target).backward(); });
  const Tensor x = leaf({1024, 512}), weight = leaf({512}), bias = leaf({512});
  measure("layer_norm_1024x512", [&] { sum(layer_norm(x, weight, bias)).backward(); });
  const Tensor scores = randn({64, 8000});
  measure("softmax_64x8000", [&] { softmax(scores); });
}

void adam() {
  Tensor parameter = zeros({10'000'000});
  parameter.requires_grad_();
  parameter.set_grad(ones({10'000'000}));
  optim::Adam optimiser({parameter});
  measure("adam_10m", [&] { optimiser.step(); });
}

void elementwise() {
  const Tensor x = randn({1'000'000});
  measure("tanh_1m", [&] { tanh(x); });
  measure("exp_1m", [&] { exp(x); });
  measure("copy_1m", [&] { x.clone(); });
}

void products() {
  for (const std::int64_t n : {32, 64, 128, 256, 512, 1024}) {
    const Tensor a = randn({n, n}), b = randn({n, n}), c = empty({n, n});
    measure(fmt::format("matmul_{}", n), [&] { matmul(a, b); });
    const auto size = static_cast<blasint>(n);
    openblas_set_num_threads(threads);  // which attune sets to 1
    std::vector<double> times = bench::repeat(seconds, [&] {
      cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, size, size, size, 1, a.data<float>(),
                  size, b.data<float>(), size, 0, c.raw<float>(), size);
    });
    openblas_set_num_threads(1);
    for (double& time : times) time *= 1e6;
    bench::print("cblas_sgemm", fmt::format("matmul_{}", n), threads, "us", false, times);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1) threads = std::atoi(argv[1]);
  if (argc > 2) seconds = std::atof(argv[2]);
  set_num_threads(threads);
  manual_seed(1);
  chain();
  mlp();
  gru();
  attention();
  rows();
  adam();
  {
    const NoGrad no_grad;
    elementwise();
    products();
  }
}
