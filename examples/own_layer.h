#pragma once
// A layer of one's own, in one header: attention whose score is how near query and key lie to each
// other. nn::Seq2Seq takes it in place of its own scores; see 04_own_layer.cpp.

#include "examples/own_op.h"
#include "nn/attention.h"

// score = -scale |W q - U k|^2, with W [size, query_size] and U [size, key_size]: a query sees the
// keys around it, and `scale`, which is learned, says how far.
class DistanceScore : public attune::nn::Score {
 public:
  DistanceScore(std::int64_t query_size, std::int64_t key_size, std::int64_t size)
      : query(child("query", attune::nn::Linear(query_size, size, false))),
        key(child("key", attune::nn::Linear(key_size, size, false))),
        log_scale(parameter("log_scale", attune::zeros({1}))) {}

  attune::Tensor prepare(const attune::Tensor& keys) const override {
    const attune::Scope in = scope();
    return key.forward(keys);  // [.., keys, size]
  }
  attune::Tensor scores(const attune::Tensor& queries,
                        const attune::Tensor& prepared) const override {
    const attune::Scope in = scope();
    return -exp(log_scale) * squared_distances(query.forward(queries), prepared);
  }

  attune::nn::Linear query, key;
  attune::Tensor log_scale;  // [1]
};
