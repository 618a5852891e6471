#include "nn/verify.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <ostream>
#include <unordered_set>

#include "autograd/gradcheck.h"
#include "autograd/kernels/parallel.h"
#include "autograd/node.h"
#include "autograd/random.h"
#include "nn/safetensors.h"

namespace attune::nn {

Verification::operator bool() const {
  return std::none_of(findings.begin(), findings.end(), [](const Finding& finding) {
    return finding.result == Finding::Result::failed;
  });
}

std::ostream& operator<<(std::ostream& out, const Verification& verification) {
  std::string sentences;
  for (const Finding& finding : verification.findings) {
    const bool failed = finding.result == Finding::Result::failed;
    const bool skipped = finding.result == Finding::Result::skipped;
    out << fmt::format("{:<16}  {}\n", finding.check,
                       failed    ? "FAILED"
                       : skipped ? "skipped: " + finding.sentence
                                 : "passed");
    if (failed) sentences += fmt::format("{}: {}\n", finding.check, finding.sentence);
  }
  return out << sentences;
}

namespace {

// What a check throws when there is nothing to examine.
struct Skip {
  std::string why;
};

// What a check throws when the layer fails it.
struct Failure {
  std::string sentence;
};

[[noreturn]] void fail(std::string sentence) {
  throw Failure{std::move(sentence)};
}

// Puts the module back as it was.
class Restored {
 public:
  explicit Restored(Module& module)
      : module_(module), training_(module.training()), random_(default_generator()) {
    for (const Tensor& parameter : module.parameters()) {
      values_.push_back(parameter.detach().clone());
    }
  }
  Restored(const Restored&) = delete;
  Restored& operator=(const Restored&) = delete;
  ~Restored() {
    std::vector<Tensor> parameters = module_.parameters();
    for (std::size_t i = 0; i < parameters.size(); ++i) parameters[i].set_data(values_[i]);
    module_.train(training_);
    default_generator() = random_;
  }

 private:
  Module& module_;
  bool training_;
  Generator random_;
  Tensors values_;
};

bool floating(const Tensor& tensor) {
  return is_floating(tensor.dtype());
}

// The largest element of |a - b|; infinite where one is not a number.
double distance(const Tensor& a, const Tensor& b) {
  if (a.shape() != b.shape()) return INFINITY;
  const std::vector<double> x = a.detach().to_vector<double>(), y = b.detach().to_vector<double>();
  double largest = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (x[i] == y[i]) continue;
    const double apart = std::abs(x[i] - y[i]);
    largest = std::isnan(apart) ? INFINITY : std::max(largest, apart);
  }
  return largest;
}

double magnitude(const Tensor& tensor) {
  return std::max(1.0, distance(tensor, zeros(tensor.shape(), tensor.dtype())));
}

bool all_finite(const Tensor& tensor) {
  const std::vector<double> values = tensor.detach().to_vector<double>();
  return std::all_of(values.begin(), values.end(), [](double x) { return std::isfinite(x); });
}

class Examination {
 public:
  Examination(Module& module, const TensorFunction& forward, const std::vector<Example>& examples,
              const VerifyOptions& options)
      : module_(module), forward_(forward), examples_(examples), options_(options) {}

  void gradients() const;
  void second_order() const;
  void reach() const;
  void float32() const;
  void single_rows() const;
  void padding() const;
  void causality() const;
  void empty_row() const;
  void save_and_load() const;
  void repetition() const;
  void threads() const;

 private:
  // The examples as inputs, floating ones in that dtype.
  Tensors inputs(DType dtype = DType::float64) const;
  Tensors run(const Tensors& in) const;
  // The outputs, and the gradients of a random projection of them by floating inputs and by
  // parameters.
  Tensors run_both_ways(const Tensors& in) const;
  Role output_role(std::size_t k) const {
    return k < options_.outputs.size() ? options_.outputs[k] : Role::rows;
  }
  // The place of the first example of a role; the number of examples if there is none.
  std::size_t find(Role role) const;
  bool has(Role role) const { return find(role) < examples_.size(); }
  std::int64_t batch() const;
  std::int64_t time() const;
  // How many steps of each row are real.
  std::vector<std::int64_t> lengths() const;
  // The inputs with row `row` all padding.
  Tensors with_empty_row(std::int64_t row) const;
  // A float64 mask of a sequence's shape: 1 at and past each row's length.
  Tensor past_the_end(const Tensor& sequence) const;
  void compare_real_parts(const Tensors& found, const Tensors& expected,
                          const std::string& sentence) const;

  Module& module_;
  const TensorFunction& forward_;
  const std::vector<Example>& examples_;
  const VerifyOptions& options_;
};

// The dimension that counts the rows; -1 if none does.
std::int64_t batch_dim(Role role) {
  if (role == Role::shared) return -1;
  return role == Role::states ? 1 : 0;
}

Tensors Examination::inputs(DType dtype) const {
  Tensors result;
  for (const Example& example : examples_) {
    const Tensor value = example.value.detach();
    result.push_back(floating(value) ? value.to(dtype).clone() : value.clone());
  }
  return result;
}

Tensors Examination::run(const Tensors& in) const {
  const NoGrad no_grad;
  return forward_(in);
}

Tensors Examination::run_both_ways(const Tensors& in) const {
  Tensors leaves = in;
  Tensors by = module_.parameters();
  for (Tensor& leaf : leaves) {
    if (!floating(leaf)) continue;
    leaf = leaf.detach().clone().requires_grad_();
    by.push_back(leaf);
  }
  Tensors results = forward_(leaves);
  Tensors weights;
  Generator generator(17);
  for (const Tensor& output : results) {
    std::vector<double> values(static_cast<std::size_t>(output.numel()));
    for (double& value : values) value = generator.uniform() - 0.5;
    weights.push_back(from_vector(values, output.shape()).to(output.dtype()));
  }
  const Tensors gradients = functional::pull_back(results, by, weights);
  results.insert(results.end(), gradients.begin(), gradients.end());
  return results;
}

std::size_t Examination::find(Role role) const {
  const auto found = std::find_if(examples_.begin(), examples_.end(),
                                  [&](const Example& example) { return example.role == role; });
  return static_cast<std::size_t>(found - examples_.begin());
}

std::int64_t Examination::batch() const {
  for (const Example& example : examples_) {
    if (const std::int64_t dim = batch_dim(example.role); dim >= 0) return example.value.size(dim);
  }
  throw Skip{"no example has a batch dimension"};
}

std::int64_t Examination::time() const {
  if (!has(Role::sequence)) throw Skip{"no example is a sequence"};
  return examples_[find(Role::sequence)].value.size(1);
}

std::vector<std::int64_t> Examination::lengths() const {
  if (has(Role::lengths)) {
    return examples_[find(Role::lengths)].value.to_vector<std::int64_t>();
  }
  if (!has(Role::padding_mask)) throw Skip{"no example is lengths or a padding mask"};
  const Tensor mask = examples_[find(Role::padding_mask)].value;
  const std::vector<double> padded = sum(mask.to(DType::float64), {1}).to_vector<double>();
  std::vector<std::int64_t> result;
  for (const double count : padded) result.push_back(mask.size(1) - std::llround(count));
  return result;
}

// The function whose derivatives are examined, of all floating inputs and all parameters: these are
// moved where they lie, so it need not look at its arguments.
struct Examinee {
  Tensors inputs, leaves;
};

Examinee leaves_of(Tensors inputs, const Module& module) {
  Examinee examinee{std::move(inputs), {}};
  for (Tensor& tensor : examinee.inputs) {
    if (floating(tensor)) examinee.leaves.push_back(tensor.requires_grad_());
  }
  for (const Tensor& parameter : module.parameters()) examinee.leaves.push_back(parameter);
  if (examinee.leaves.empty()) throw Skip{"nothing here can be differentiated by"};
  return examinee;
}

void Examination::gradients() const {
  const Examinee examinee = leaves_of(inputs(), module_);
  const auto f = [&](const Tensors&) { return forward_(examinee.inputs); };
  if (const GradcheckReport report = gradcheck(f, examinee.leaves); !report) fail(report.message);
}

void Examination::second_order() const {
  if (!options_.second_order) throw Skip{"it was not asked for"};
  const Examinee examinee = leaves_of(inputs(), module_);
  const auto f = [&](const Tensors&) { return forward_(examinee.inputs); };
  if (const GradcheckReport report = gradgradcheck(f, examinee.leaves); !report) {
    fail(report.message);
  }
}

void Examination::reach() const {
  const NamedTensors parameters = module_.named_parameters();
  if (parameters.empty()) throw Skip{"the layer has no parameters"};
  Tensors by;
  for (const auto& [name, parameter] : parameters) by.push_back(parameter);
  const Tensors outputs = forward_(inputs());
  Tensor loss = scalar(0, DType::float64);
  for (const Tensor& output : outputs) loss = loss + sum(output * output * output + output);
  const Tensors gradients = functional::pull_back({loss}, by, {scalar(1, DType::float64)});
  for (std::size_t i = 0; i < by.size(); ++i) {
    if (distance(gradients[i], zeros(by[i].shape(), DType::float64)) > 0) continue;
    fail(fmt::format(
        "no gradient reaches {}: forward() does not use it, or loses the graph on the way "
        "(detach(), a conversion to numbers, NoGrad).",
        parameters[i].first));
  }
}

void Examination::float32() const {
  const Tensors exact = run(inputs());
  module_.to(DType::float32);
  const Tensors found = run(inputs(DType::float32));
  for (std::size_t k = 0; k < exact.size(); ++k) {
    if (found[k].dtype() != DType::float32) {
      fail(
          fmt::format("output {} is {} for float32 inputs and parameters: some constant in "
                      "forward() has a dtype of its own.",
                      k, name(found[k].dtype())));
    }
    const double apart = distance(found[k].to(DType::float64), exact[k]) / magnitude(exact[k]);
    if (apart <= options_.float32_tolerance) continue;
    fail(fmt::format(
        "output {} in float32 differs from float64 by {:.2g} of its size, more than {:.2g}: "
        "something in it cancels, or overflows.",
        k, apart, options_.float32_tolerance));
  }
}

// Row `row` of a tensor as a batch of one.
Tensor row_of(const Tensor& tensor, Role role, std::int64_t row) {
  const std::int64_t dim = batch_dim(role);
  return dim < 0 ? tensor : slice(tensor, dim, row, row + 1);
}

void Examination::single_rows() const {
  const std::int64_t rows = batch();
  const Tensors whole = run(inputs());
  for (std::int64_t row = 0; row < rows; ++row) {
    Tensors in = inputs();
    for (std::size_t i = 0; i < in.size(); ++i) in[i] = row_of(in[i], examples_[i].role, row);
    const Tensors alone = run(in);
    for (std::size_t k = 0; k < whole.size(); ++k) {
      if (output_role(k) == Role::shared) continue;
      const Tensor expected = row_of(whole[k], output_role(k), row);
      const double apart = distance(alone[k], expected);
      if (apart <= 1e-10 * magnitude(expected)) continue;
      fail(
          fmt::format("row {} of output {} differs by {:.3g} when it is computed alone: rows "
                      "see each other, or output {} has its batch elsewhere than said.",
                      row, k, apart, k));
    }
  }
}

Tensor Examination::past_the_end(const Tensor& sequence) const {
  const std::vector<std::int64_t> real = lengths();
  const Tensor ends = from_vector(real, {static_cast<std::int64_t>(real.size()), 1});
  Shape shape = Shape::filled(sequence.rank(), 1);
  shape[0] = sequence.size(0);
  shape[1] = sequence.size(1);
  const Tensor steps = arange(0, static_cast<double>(sequence.size(1)));
  return expand(reshape(ge(steps, ends), shape), sequence.shape());
}

// Every element where `where` is true becomes another one: numbers far away, ids of other rows.
Tensor disturbed(const Tensor& tensor, const Tensor& mask) {
  if (floating(tensor)) return where(mask, tensor * -3 + 50, tensor);
  return where(mask, flip(flip(tensor, 0), 1), tensor);
}

void Examination::compare_real_parts(const Tensors& found, const Tensors& expected,
                                     const std::string& sentence) const {
  for (std::size_t k = 0; k < expected.size(); ++k) {
    Tensor a = found[k], b = expected[k];
    if (output_role(k) == Role::sequence) {
      a = slice(a, 1, 0, b.size(1));
      const Tensor padding = past_the_end(b);
      a = masked_fill(a, padding, 0);
      b = masked_fill(b, padding, 0);
    }
    const double apart = distance(a, b);
    if (apart <= 1e-12 * magnitude(b)) continue;
    fail(fmt::format("output {} changes by {:.3g} when {}.", k, apart, sentence));
  }
}

// One step more of padding behind a sequence or a mask of one.
Tensor lengthened(const Tensor& tensor, Role role) {
  if (role == Role::padding_mask) {
    return cat({tensor, full({tensor.size(0), 1}, 1, DType::boolean)}, 1);
  }
  if (role == Role::sequence) return cat({tensor, slice(tensor, 1, 0, 1)}, 1);
  return tensor;
}

void Examination::padding() const {
  time();
  lengths();
  const Tensors expected = run(inputs());
  Tensors other = inputs(), longer = inputs();
  for (std::size_t i = 0; i < other.size(); ++i) {
    longer[i] = lengthened(longer[i], examples_[i].role);
    if (examples_[i].role != Role::sequence) continue;
    other[i] = disturbed(other[i], past_the_end(other[i]));
  }
  compare_real_parts(run(other), expected, "what stands in the padding is changed");
  compare_real_parts(run(longer), expected, "the sequences are padded by one step more");

  Tensors leaves = inputs();
  for (Tensor& leaf : leaves) {
    if (floating(leaf)) leaf.requires_grad_();
  }
  const Tensors outputs = forward_(leaves);
  Tensor loss = scalar(0, DType::float64);
  for (std::size_t k = 0; k < outputs.size(); ++k) {
    const bool steps = output_role(k) == Role::sequence;
    loss = loss + sum(steps ? masked_fill(outputs[k], past_the_end(outputs[k]), 0) : outputs[k]);
  }
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    if (examples_[i].role != Role::sequence || !floating(leaves[i])) continue;
    const Tensor g =
        functional::pull_back({loss}, {leaves[i]}, {scalar(1, DType::float64)}, true)[0];
    const Tensor leaked = where(past_the_end(g), g.detach(), 0);
    if (distance(leaked, zeros(g.shape(), DType::float64)) > 0) {
      fail(fmt::format("a gradient reaches the padding of input {}.", i));
    }
  }
}

void Examination::causality() const {
  if (!options_.causal) throw Skip{"the layer is not said to be causal"};
  const std::int64_t steps = time();
  const Tensors expected = run(inputs());
  for (std::int64_t t = 1; t < steps; ++t) {
    Tensors other = inputs();
    for (std::size_t i = 0; i < other.size(); ++i) {
      if (examples_[i].role != Role::sequence) continue;
      const Tensor later = ge(arange(0, static_cast<double>(steps)), static_cast<double>(t));
      Shape shape = Shape::filled(other[i].rank(), 1);
      shape[1] = steps;
      other[i] = disturbed(other[i], expand(reshape(later, shape), other[i].shape()));
    }
    const Tensors found = run(other);
    for (std::size_t k = 0; k < expected.size(); ++k) {
      if (output_role(k) != Role::sequence) continue;
      const double apart = distance(slice(found[k], 1, 0, t), slice(expected[k], 1, 0, t));
      if (apart == 0) continue;
      fail(
          fmt::format("output {} before step {} changes by {:.3g} with the inputs from step {} "
                      "on: it looks ahead.",
                      k, t, apart, t));
    }
  }
}

Tensors Examination::with_empty_row(std::int64_t row) const {
  Tensors in = inputs();
  const std::int64_t rows = batch();
  for (std::size_t i = 0; i < in.size(); ++i) {
    const Tensor here = eq(arange(0, static_cast<double>(rows)), static_cast<double>(row));
    if (examples_[i].role == Role::lengths) {
      in[i] = where(here, zeros({rows}, DType::int64), in[i]);
    } else if (examples_[i].role == Role::padding_mask) {
      in[i] = logical_or(in[i], expand(reshape(here, {rows, 1}), in[i].shape()));
    }
  }
  return in;
}

void Examination::empty_row() const {
  lengths();
  const std::int64_t rows = batch();
  const Tensors expected = run(inputs());
  const Tensors in = with_empty_row(0);
  const Tensors found = run_both_ways(in);
  for (std::size_t k = 0; k < found.size(); ++k) {
    if (all_finite(found[k])) continue;
    const bool output = k < expected.size();
    fail(fmt::format("{} {} is not finite when a row is all padding.",
                     output ? "output" : "gradient", output ? k : k - expected.size()));
  }
  for (std::size_t k = 0; k < expected.size(); ++k) {
    for (std::int64_t row = 1; row < rows && output_role(k) != Role::shared; ++row) {
      const Tensor a = row_of(found[k], output_role(k), row);
      const Tensor b = row_of(expected[k], output_role(k), row);
      if (distance(a, b) <= 1e-12 * magnitude(b)) continue;
      fail(fmt::format("row {} of output {} changes when row 0 is all padding.", row, k));
    }
  }
}

// A file that goes when this does.
class TemporaryFile {
 public:
  TemporaryFile()
      : path_((std::filesystem::temp_directory_path() /
               fmt::format("attune-verify-{}.safetensors", getpid()))
                  .string()) {}
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// The leaves that the graph behind the outputs grows from.
std::unordered_set<const Node*> leaves_behind(const Tensors& outputs) {
  std::unordered_set<const Node*> seen, leaves;
  std::vector<const Node*> waiting;
  const auto follow = [&](const Edge& edge) {
    if (edge.node && seen.insert(edge.node.get()).second) waiting.push_back(edge.node.get());
  };
  for (const Tensor& output : outputs) {
    if (output.requires_grad()) follow(edge_to(output));
  }
  while (!waiting.empty()) {
    const Node* const node = waiting.back();
    waiting.pop_back();
    if (node->edges().empty()) leaves.insert(node);
    for (const Edge& edge : node->edges()) follow(edge);
  }
  return leaves;
}

void Examination::save_and_load() const {
  std::unordered_set<const Node*> unregistered = leaves_behind(forward_(inputs()));
  for (const Tensor& parameter : module_.parameters()) {
    unregistered.erase(edge_to(parameter).node.get());
  }
  if (!unregistered.empty()) {
    fail(fmt::format(
        "forward() uses a tensor that requires a gradient and is not registered, made at {}, so "
        "that no file will hold it. Register it with parameter(), or its layer with child().",
        to_string((*unregistered.begin())->site())));
  }
  if (module_.parameters().empty()) throw Skip{"the layer has no parameters"};
  const Tensors expected = run(inputs());
  const TemporaryFile file;
  save_safetensors(file.path(), {module_.state_dict(), {}});
  {
    const NoGrad no_grad;
    for (Tensor& parameter : module_.parameters()) parameter.fill_(0.125);
  }
  const Tensors overwritten = run(inputs());
  const auto unchanged = [](const Tensor& a, const Tensor& b) { return distance(a, b) == 0; };
  if (std::equal(expected.begin(), expected.end(), overwritten.begin(), unchanged)) {
    fail("overwriting all parameters changes nothing: forward() computes with copies of them.");
  }
  module_.load_state_dict(load_safetensors(file.path()).tensors);
  const Tensors found = run(inputs());
  for (std::size_t k = 0; k < expected.size(); ++k) {
    if (distance(found[k], expected[k]) == 0) continue;
    fail(
        fmt::format("output {} is another after the parameters were saved, overwritten and "
                    "loaded: the layer keeps something that the file does not hold.",
                    k));
  }
}

void Examination::repetition() const {
  for (const bool training : {false, true}) {
    module_.train(training);
    manual_seed(23);
    const Tensors first = run_both_ways(inputs());
    manual_seed(23);
    const Tensors second = run_both_ways(inputs());
    module_.eval();
    for (std::size_t k = 0; k < first.size(); ++k) {
      if (distance(first[k], second[k]) == 0) continue;
      fail(
          fmt::format("two equal calls in {} mode, with equal seeds, give different results: the "
                      "layer keeps something from one call to the next, or draws random numbers "
                      "that no seed governs.",
                      training ? "training" : "evaluation"));
    }
  }
}

void Examination::threads() const {
  Tensors expected;
  for (const int count : {1, 2, 3}) {
    const Threads threads(count);
    const Tensors found = run_both_ways(inputs());
    if (expected.empty()) expected = found;
    for (std::size_t k = 0; k < found.size(); ++k) {
      if (distance(found[k], expected[k]) == 0) continue;
      fail(fmt::format("{} threads give other bits than one.", count));
    }
  }
}

struct Check {
  const char* name;
  void (Examination::*examine)() const;
};

constexpr Check checks[] = {
    {"gradcheck", &Examination::gradients},
    {"gradgradcheck", &Examination::second_order},
    {"gradients reach", &Examination::reach},
    {"float32", &Examination::float32},
    {"single rows", &Examination::single_rows},
    {"padding", &Examination::padding},
    {"causality", &Examination::causality},
    {"empty row", &Examination::empty_row},
    {"save and load", &Examination::save_and_load},
    {"repetition", &Examination::repetition},
    {"threads", &Examination::threads},
};

Finding finding_of(const Check& check, const Examination& examination) {
  try {
    (examination.*check.examine)();
    return {check.name};
  } catch (const Skip& skip) {
    return {check.name, Finding::Result::skipped, skip.why};
  } catch (const Failure& failure) {
    return {check.name, Finding::Result::failed, failure.sentence};
  } catch (const std::exception& error) {
    return {check.name, Finding::Result::failed, fmt::format("it threw: {}", error.what())};
  }
}

}  // namespace

Verification verify(Module& module, const TensorFunction& forward,
                    const std::vector<Example>& examples, const VerifyOptions& options) {
  const Restored restored(module);
  const EnableGrad recording;
  const Examination examination(module, forward, examples, options);
  Verification verification;
  for (const Check& check : checks) {
    module.to(DType::float64);
    module.eval();
    manual_seed(29);
    verification.findings.push_back(finding_of(check, examination));
  }
  return verification;
}

}  // namespace attune::nn
