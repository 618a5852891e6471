#pragma once
// Attention: a weighted mean of values, the weights being a softmax of how well each key answers a
// query. One function serves every model; what differs between them is the score.

#include <memory>
#include <optional>
#include <string_view>

#include "autograd/steps.h"
#include "nn/dropout.h"
#include "nn/init.h"
#include "nn/linear.h"
#include "nn/module.h"

namespace attune::nn {

// How well keys answer queries. The work that depends on the keys alone is set apart, so that a
// decoder does it once a sentence and not once a step.
class Score : public Module {
 public:
  // The keys [.., keys, key_size] in the form that scores() takes.
  virtual Tensor prepare(const Tensor& keys) const = 0;
  // queries [.., queries, query_size] and prepared keys -> scores [.., queries, keys].
  virtual Tensor scores(const Tensor& queries, const Tensor& prepared) const = 0;
  // c, if the scores are c queries . prepared with vectors of `size`, which has a kernel of its
  // own.
  virtual std::optional<double> dot_factor(std::int64_t) const { return std::nullopt; }
};

// v . tanh(W q + U k) (Bahdanau, Cho & Bengio 2015): a hidden layer of `size` units that sees both.
class AdditiveScore : public Score {
 public:
  AdditiveScore(std::int64_t query_size, std::int64_t key_size, std::int64_t size);
  Tensor prepare(const Tensor& keys) const override;
  Tensor scores(const Tensor& queries, const Tensor& prepared) const override;

  Tensor query_weight;  // W [size, query_size]
  Tensor key_weight;    // U [size, key_size]
  Tensor v;             // [size]
};

// q . k (Luong, Pham & Manning 2015); queries and keys have one size.
class DotScore : public Score {
 public:
  Tensor prepare(const Tensor& keys) const override;
  Tensor scores(const Tensor& queries, const Tensor& prepared) const override;
  std::optional<double> dot_factor(std::int64_t) const override { return 1; }
};

// q W k (Luong, Pham & Manning 2015).
class GeneralScore : public Score {
 public:
  GeneralScore(std::int64_t query_size, std::int64_t key_size);
  Tensor prepare(const Tensor& keys) const override;
  Tensor scores(const Tensor& queries, const Tensor& prepared) const override;
  std::optional<double> dot_factor(std::int64_t) const override { return 1; }

  Tensor weight;  // W [query_size, key_size]
};

// q . k / sqrt(size) (Vaswani et al. 2017); queries and keys have one size.
class ScaledDotScore : public Score {
 public:
  Tensor prepare(const Tensor& keys) const override;
  Tensor scores(const Tensor& queries, const Tensor& prepared) const override;
  std::optional<double> dot_factor(std::int64_t size) const override;
};

struct Attended {
  Tensor context;  // [.., queries, value_size]
  Tensor weights;  // [.., queries, keys]; each row sums to 1
};

// context = softmax(scores) values. `mask` (bool, broadcast to [.., queries, keys]; undefined for
// none) is true where a query must not look; a query that may look nowhere gets weights and context
// 0.
Attended attend(const Score& score, const Tensor& queries, const Tensor& keys, const Tensor& values,
                const Tensor& mask = {});
// The same with keys that score.prepare() has seen. `dropout`, if there is one, falls on the
// weights that the values are summed with.
Attended attend_prepared(const Score& score, const Tensor& queries, const Tensor& prepared,
                         const Tensor& values, const Tensor& mask = {},
                         const Dropout* dropout = nullptr);

// Softmax over the last dimension that gives weight 0 where the mask is true, everywhere if need
// be.
Tensor masked_softmax(Operand scores, const Tensor& mask);

// The mask that lets no query look ahead: [queries, keys], true where the key stands after the
// query. The last query stands beside the last key.
Tensor causal_mask(std::int64_t queries, std::int64_t keys);

// The mask of padding: [batch, 1, time], true at and past each row's length (int64 [batch]).
Tensor padding_mask(const Tensor& lengths, std::int64_t time);

// The scores, none of them, several scaled ones at once (MultiheadAttention), or what there was
// before attention: one fixed vector, shown at every step (Cho et al. 2014).
enum class Attention { none, additive, dot, general, scaled, multihead, fixed };
// "none", "additive" and so on; Error with the list for another name.
Attention attention_by_name(std::string_view name);
std::string_view name_of(Attention attention);
// Whether it looks at the source at all.
inline bool attends_by(Attention attention) {
  return attention != Attention::none && attention != Attention::fixed;
}

// A new score; dot and scaled need query_size == key_size, and only additive uses `size`.
std::shared_ptr<Score> make_score(Attention attention, std::int64_t query_size,
                                  std::int64_t key_size, std::int64_t size);

struct MultiheadOptions {
  std::int64_t key_size = 0;    // features of keys; 0: those of queries
  std::int64_t value_size = 0;  // features of values; 0: those of queries
  Attention score = Attention::scaled;
  double dropout = 0;  // on the weights
  bool bias = true;
};

// Attention by several heads at once, each in a subspace of its own (Vaswani et al. 2017):
//
//     head_i = attend(Q W_i^Q, K W_i^K, V W_i^V),   output = [head_1; ..; head_h] W^O
//
// with any score. Parameters are named as PyTorch's nn.MultiheadAttention names them; those of an
// additive or general score, which the heads share, begin with "score.".
class MultiheadAttention : public Module {
 public:
  // `features` is a multiple of `heads`.
  MultiheadAttention(std::int64_t features, std::int64_t heads,
                     const MultiheadOptions& options = {});

  // Keys and values as the heads see them, [batch, heads, keys, features / heads]: what a decoder
  // keeps from step to step.
  struct Projected {
    Tensor keys, values;
  };
  Projected project(const Tensor& keys, const Tensor& values) const;
  // queries [batch, queries, features] -> context of that shape, and weights [batch, heads,
  // queries, keys]. The mask broadcasts to the weights; true where a query must not look.
  Attended forward(const Tensor& queries, const Projected& to, const Tensor& mask = {}) const;
  Attended forward(const Tensor& queries, const Tensor& keys, const Tensor& values,
                   const Tensor& mask = {}) const;
  // The same over the real steps of two batches alone, packed row by row: queries [steps, features]
  // look at a memory [steps', key_size == value_size], and in a causal one at nothing later than
  // themselves. Returns the contexts [steps, features].
  Tensor forward(const Tensor& queries, const Steps& of_queries, const Tensor& memory,
                 const Steps& of_memory, bool causal) const;

 private:
  struct Rows {
    Tensor queries, keys, values;
  };
  // Of queries and a memory, packed; self-attention is seen by both being one Tensor.
  Rows project_rows(const Tensor& queries, const Tensor& memory) const;
  // Rows [first, first + features) of the input projection, for queries, keys or values.
  Tensor project_part(const Tensor& x, const Tensor& weight, std::int64_t part) const;
  // [batch, time, features] -> [batch, heads, time, features / heads].
  Tensor by_heads(const Tensor& x) const;

  std::int64_t features_, heads_;
  Tensor in_proj_weight_;                                 // [3 features, features], or these three:
  Tensor q_proj_weight_, k_proj_weight_, v_proj_weight_;  // [features, size]
  Tensor in_proj_bias_;                                   // [3 features]
  Linear out_proj_;
  std::shared_ptr<Score> score_;
  Dropout dropout_;
};

}  // namespace attune::nn
