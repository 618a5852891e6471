// micro.cpp for libtorch.

#include <torch/torch.h>

#include "tests/bench/measure.h"

namespace {

using torch::Tensor;
namespace F = torch::nn::functional;

int threads = 1;
double seconds = 0.5;
std::string peer = "libtorch";

template <class Work>
void measure(const std::string& name, const Work& work) {
  std::vector<double> times = bench::repeat(seconds, work);
  for (double& time : times) time *= 1e6;
  bench::print(peer.c_str(), name, threads, "us", false, times);
}

Tensor leaf(torch::IntArrayRef shape) {
  return torch::randn(shape).requires_grad_();
}

void chain() {
  const Tensor x = leaf({1}), y = torch::randn({1});
  measure("chain_1000", [&] {
    Tensor z = x;
    for (int i = 0; i < 1000; ++i) z = z + y;
    z.backward();
  });
}

void mlp() {
  torch::nn::Sequential net(torch::nn::Linear(64, 64), torch::nn::Tanh(), torch::nn::Linear(64, 64),
                            torch::nn::Tanh(), torch::nn::Linear(64, 10));
  torch::optim::Adam adam(net->parameters());
  const Tensor x = torch::randn({32, 64});
  const Tensor target = torch::zeros({32}, torch::kLong);
  measure("mlp_2x64_step", [&] {
    adam.zero_grad();
    F::cross_entropy(net->forward(x), target).backward();
    adam.step();
  });
}

void gru() {
  torch::nn::GRUCell cell(256, 256);
  const Tensor x = torch::randn({64, 256}), h = torch::randn({64, 256});
  measure("gru_step_64x256", [&] { cell(x, h).sum().backward(); });
  torch::nn::GRU layer(torch::nn::GRUOptions(256, 256).batch_first(true));
  const Tensor sequence = torch::randn({64, 30, 256});
  measure("gru_sequence_64x30x256",
          [&] { std::get<0>(layer->forward(sequence)).sum().backward(); });
}

void attention() {
  const Tensor q = leaf({16, 8, 128, 64}), k = leaf({16, 8, 128, 64}), v = leaf({16, 8, 128, 64});
  measure("attention_b16_h8_l128_d64", [&] {
    const Tensor weights = torch::softmax(torch::matmul(q, k.transpose(2, 3)) / 8, -1);
    torch::matmul(weights, v).sum().backward();
  });
}

void rows() {
  const Tensor logits = leaf({960, 8000});
  const Tensor target = torch::zeros({960}, torch::kLong);
  measure("cross_entropy_960x8000", [&] { F::cross_entropy(logits, target).backward(); });
  const Tensor x = leaf({1024, 512}), weight = leaf({512}), bias = leaf({512});
  measure("layer_norm_1024x512",
          [&] { torch::layer_norm(x, {512}, weight, bias).sum().backward(); });
  const Tensor scores = torch::randn({64, 8000});
  measure("softmax_64x8000", [&] { torch::softmax(scores, 1); });
}

void adam() {
  Tensor parameter = torch::zeros({10'000'000}).requires_grad_();
  parameter.mutable_grad() = torch::ones({10'000'000});
  torch::optim::Adam optimiser({parameter});
  measure("adam_10m", [&] { optimiser.step(); });
}

void elementwise() {
  const Tensor x = torch::randn({1'000'000});
  measure("tanh_1m", [&] { torch::tanh(x); });
  measure("exp_1m", [&] { torch::exp(x); });
  measure("copy_1m", [&] { x.clone(); });
  for (const int64_t n : {32, 64, 128, 256, 512, 1024}) {
    const Tensor a = torch::randn({n, n}), b = torch::randn({n, n});
    measure("matmul_" + std::to_string(n), [&] { torch::matmul(a, b); });
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1) threads = std::atoi(argv[1]);
  if (argc > 2) seconds = std::atof(argv[2]);
  if (const char* const setting = std::getenv("BENCH_SETTING")) peer += std::string("-") + setting;
  torch::set_num_threads(threads);
  torch::manual_seed(1);
  chain();
  mlp();
  gru();
  attention();
  rows();
  adam();
  const torch::NoGradGuard no_grad;
  elementwise();
}
