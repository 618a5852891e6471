// Sums of products by Einstein's convention. The operands are taken from the left: every pair of
// them comes down to one batched matrix product, so that nothing larger than its result is made.

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <map>

#include "autograd/op.h"

namespace attune {
namespace {

// What names a dimension: a letter, or for those of "..." -1 the last, -2 the last but one, ...
using Label = int;
using Labels = std::vector<Label>;

bool contains(const Labels& labels, Label label) {
  return std::find(labels.begin(), labels.end(), label) != labels.end();
}

std::string to_string(Label label) {
  return label < 0 ? fmt::format("dimension {} of '...'", label)
                   : fmt::format("'{}'", static_cast<char>(label));
}

// A tensor with the name of every dimension, no two the same.
struct Term {
  Tensor tensor;
  Labels labels;
};

constexpr std::string_view dots = "...";

// The labels of one term of an equation, in which "..." stands for so many dimensions, once.
Labels parse_term(std::string_view term, std::int64_t dotted, const Site& site) {
  Labels labels;
  while (!term.empty()) {
    if (term.starts_with(dots) && dotted >= 0) {
      for (auto d = static_cast<Label>(dotted); d > 0; --d) labels.push_back(-d);
      term.remove_prefix(dots.size());
      dotted = -1;
    } else if (std::isalpha(static_cast<unsigned char>(term[0])) != 0) {
      labels.push_back(term[0]);
      term.remove_prefix(1);
    } else {
      misuse("einsum", site, fmt::format("'{}' names no dimension", term[0]),
             "An equation has letters, commas, \"...\" and one \"->\": \"bij,bjk->bik\".");
    }
  }
  return labels;
}

std::vector<std::string> split_at_commas(const std::string& text) {
  std::vector<std::string> terms(1);
  for (const char c : text) {
    if (c == ',') {
      terms.emplace_back();
    } else {
      terms.back() += c;
    }
  }
  return terms;
}

struct Equation {
  std::vector<Labels> operands;
  Labels result;
};

Labels implicit_result(const std::vector<Labels>& operands) {
  std::map<Label, int> uses;  // in the order of the result: "..." and then the alphabet
  for (const Labels& labels : operands) {
    for (const Label label : labels) ++uses[label];
  }
  Labels result;
  for (const auto& [label, count] : uses) {
    if (label < 0 || count == 1) result.push_back(label);
  }
  return result;
}

void check_result(const Equation& equation, const Site& site) {
  for (const Label label : equation.result) {
    const bool known =
        std::any_of(equation.operands.begin(), equation.operands.end(),
                    [label](const Labels& labels) { return contains(labels, label); });
    const auto times = std::count(equation.result.begin(), equation.result.end(), label);
    if (!known || times > 1) {
      misuse("einsum", site,
             fmt::format("{} {} in the result", to_string(label),
                         known ? "stands twice" : "is in no operand, but"),
             "The result names dimensions of the operands, each once.");
    }
  }
}

Equation parse(std::string_view text, const std::vector<Tensor>& operands, const Site& site) {
  std::string equation(text);
  equation.erase(std::remove(equation.begin(), equation.end(), ' '), equation.end());
  const std::size_t arrow = equation.find("->");
  const std::vector<std::string> terms = split_at_commas(equation.substr(0, arrow));
  if (terms.size() != operands.size()) {
    misuse("einsum", site,
           fmt::format("\"{}\" is about {} operands, and there are {}", text, terms.size(),
                       operands.size()));
  }
  Equation result;
  std::int64_t most_dotted = 0;
  for (std::size_t i = 0; i < terms.size(); ++i) {
    const bool has_dots = terms[i].find(dots) != std::string::npos;
    const auto named = static_cast<std::int64_t>(terms[i].size() - (has_dots ? dots.size() : 0));
    const auto rank = static_cast<std::int64_t>(operands[i].rank());
    if (named > rank || (named < rank && !has_dots)) {
      misuse("einsum", site,
             fmt::format("\"{}\" names {} dimensions, but operand {} is {}", terms[i], named, i,
                         attune::to_string(operands[i].shape())));
    }
    result.operands.push_back(parse_term(terms[i], rank - named, site));
    most_dotted = std::max(most_dotted, rank - named);
  }
  result.result = arrow == std::string::npos
                      ? implicit_result(result.operands)
                      : parse_term(equation.substr(arrow + 2), most_dotted, site);
  check_result(result, site);
  return result;
}

using Sizes = std::map<Label, std::int64_t>;

// The size of every label. A size of 1 gives way to any other.
Sizes sizes_of(const std::vector<Labels>& labels, const std::vector<Tensor>& operands,
               const Site& site) {
  Sizes sizes;
  for (std::size_t i = 0; i < operands.size(); ++i) {
    for (std::size_t d = 0; d < labels[i].size(); ++d) {
      const std::int64_t size = operands[i].shape()[d];
      std::int64_t& known = sizes.try_emplace(labels[i][d], size).first->second;
      if (known == 1) known = size;
      if (size != known && size != 1) {
        misuse("einsum", site,
               fmt::format("{} is {} in one place and {} in another, operand {} of shape {}",
                           to_string(labels[i][d]), known, size, i,
                           attune::to_string(operands[i].shape())));
      }
    }
  }
  return sizes;
}

// Dimension `other` goes: of it and `kept` only the elements of equal index remain.
Tensor diagonal(const Tensor& x, std::size_t kept, std::size_t other) {
  const std::int64_t n = x.shape()[kept];
  Shape shape = Shape::filled(x.rank(), 1);
  shape[kept] = shape[other] = n;
  const Tensor on_diagonal = reshape(to(eye(n), DType::boolean), shape);
  return sum(where(on_diagonal, x, 0), {static_cast<std::int64_t>(other)});
}

// An operand as a term: the diagonal where a label stands twice, and without the dimensions of size
// 1 that are to be repeated, for the product repeats what a factor does not have.
Term term_of(Tensor x, Labels labels, const Sizes& sizes, const Site& site) {
  for (std::size_t d = labels.size(); d-- > 0;) {
    const auto first = std::find(labels.begin(), labels.end(), labels[d]);
    const auto other = static_cast<std::size_t>(first - labels.begin());
    if (x.shape()[d] != x.shape()[other]) {
      misuse("einsum", site,
             fmt::format("{} stands for sizes {} and {} of one operand, which has no diagonal",
                         to_string(labels[d]), x.shape()[other], x.shape()[d]));
    }
    if (x.shape()[d] != sizes.at(labels[d])) {
      x = squeeze(x, static_cast<std::int64_t>(d));
    } else if (other != d) {
      x = diagonal(x, other, d);
    } else {
      continue;
    }
    labels.erase(labels.begin() + static_cast<std::ptrdiff_t>(d));
  }
  return {x, labels};
}

// Sums over the labels that are not to be kept.
Term summed(const Term& term, const Labels& keep) {
  Dims gone;
  Labels labels;
  for (std::size_t d = 0; d < term.labels.size(); ++d) {
    if (contains(keep, term.labels[d])) {
      labels.push_back(term.labels[d]);
    } else {
      gone.push_back(static_cast<std::int64_t>(d));
    }
  }
  return gone.empty() ? term : Term{sum(term.tensor, gone), labels};
}

// The tensor with its dimensions in the order of `labels`, size 1 for those it does not have.
Tensor aligned(const Term& term, const Labels& labels) {
  Dims order;
  Shape shape;
  for (const Label label : labels) {
    const auto found = std::find(term.labels.begin(), term.labels.end(), label);
    shape.push_back(1);
    if (found == term.labels.end()) continue;
    order.push_back(found - term.labels.begin());
    shape.back() = term.tensor.size(order.back());
  }
  return reshape(permute(term.tensor, order), shape);
}

Labels join(std::initializer_list<Labels> lists) {
  Labels all;
  for (const Labels& labels : lists) all.insert(all.end(), labels.begin(), labels.end());
  return all;
}

// The product of two terms, summed over the labels that both have and that are not to be kept.
Term contract(const Term& left, const Term& right, const Labels& keep, const Sizes& sizes) {
  const Term a = summed(left, join({keep, right.labels}));
  const Term b = summed(right, join({keep, left.labels}));
  Labels batch;
  Labels rows;
  Labels inner;
  Labels columns;
  for (const Label label : a.labels) {
    const bool shared = contains(b.labels, label);
    (!shared ? rows : contains(keep, label) ? batch : inner).push_back(label);
  }
  for (const Label label : b.labels) {
    if (!contains(a.labels, label)) columns.push_back(label);
  }
  const Labels result = join({batch, rows, columns});
  if (inner.empty()) return {aligned(a, result) * aligned(b, result), result};

  const auto count = [&](const Labels& labels) {
    std::int64_t product = 1;
    for (const Label label : labels) product *= sizes.at(label);
    return product;
  };
  const std::int64_t matrices = count(batch);
  const std::int64_t k = count(inner);
  const Tensor a_matrices =
      reshape(aligned(a, join({batch, rows, inner})), {matrices, count(rows), k});
  const Tensor b_matrices =
      reshape(aligned(b, join({batch, inner, columns})), {matrices, k, count(columns)});
  Shape shape;
  for (const Label label : result) shape.push_back(sizes.at(label));
  return {reshape(matmul(a_matrices, b_matrices), shape), result};
}

}  // namespace

Tensor einsum(std::string_view equation, const std::vector<Tensor>& operands, Site site) {
  if (operands.empty()) misuse("einsum", site, "there are no operands");
  for (const Tensor& operand : operands) {
    detail::check_floating("einsum", {operand, site});
    detail::check_same_dtype("einsum", {operands[0], site}, {operand, site});
  }
  const Equation parsed = parse(equation, operands, site);
  const Sizes sizes = sizes_of(parsed.operands, operands, site);
  Term product = term_of(operands[0], parsed.operands[0], sizes, site);
  for (std::size_t i = 1; i < operands.size(); ++i) {
    Labels keep = parsed.result;
    for (std::size_t later = i + 1; later < operands.size(); ++later) {
      keep = join({keep, parsed.operands[later]});
    }
    product = contract(product, term_of(operands[i], parsed.operands[i], sizes, site), keep, sizes);
  }
  return aligned(summed(product, parsed.result), parsed.result);
}

}  // namespace attune
