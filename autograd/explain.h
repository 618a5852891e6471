#pragma once
// explain(): the recorded graph behind a tensor, for people to look at, as text, as DOT and as one
// self-contained HTML page:
//
//     const Recording recording;                   // optional: values and times too
//     const Tensor loss = model.loss(batch);
//     explain(loss).write("graph.html");
//
// The page needs no network and no server. It shows the nodes by scope, each with the very source
// of its op and derivatives, the line that made it, shapes, what it saved, statistics of values and
// gradients, and plays the backward pass in the order of the engine.

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "autograd/tensor.h"

namespace attune {

// What the elements of a tensor are like.
struct Statistics {
  std::int64_t count = 0;
  std::int64_t nans = 0;
  std::int64_t infinities = 0;
  std::int64_t zeros = 0;
  // Of the finite elements; 0 if there are none.
  double min = 0;
  double max = 0;
  double mean = 0;
  double deviation = 0;
  double norm = 0;                              // Euclidean
  std::array<std::int64_t, 24> histogram = {};  // in bins of equal width from min to max
};
Statistics statistics_of(const Tensor& tensor);

// The formulas of an op, cut out of the source that defines it.
struct Formula {
  struct Derivative {
    std::string by;    // an input, or "all inputs"
    std::string rule;  // from the gradient of the output to that of the input
  };
  std::string file;  // as in "autograd/ops/matmul.cpp"; of a file of the user's own, its last part
  std::uint32_t line = 0;
  std::string definition;  // the whole function
  std::string forward;
  std::vector<Derivative> derivatives;
  std::string composition;  // of a fused op: the ordinary ops that it equals
};
// The formulas of the op that stands in the source at `definition` (see OpName). Undefined if that
// source is neither a part of the library nor a file that can be read.
std::optional<Formula> formula_at(const Site& definition, const std::string& op);

// The graph behind a tensor as it was when explain() looked at it.
struct Explanation {
  static constexpr std::size_t none = static_cast<std::size_t>(-1);

  struct Value {
    Shape shape;
    DType dtype = DType::float32;
    std::optional<Statistics> value;     // known from a Recording, or to those who saved it
    std::optional<Statistics> gradient;  // that arrived; none if none did
    std::string elements;                // of a small tensor whose value is known
    std::string gradient_elements;       // of a small gradient
  };
  struct Input {
    std::size_t node = none;  // that made it; none for a constant
    std::uint32_t output = 0;
    Shape shape;
    DType dtype = DType::float32;
    // What the node's rules gave this input, before it was added to what others gave.
    std::optional<Statistics> gradient;
  };
  struct Saved {
    Shape shape;
    DType dtype = DType::float32;
    std::int64_t bytes = 0;   // of the tensor
    std::size_t node = none;  // that made it
    bool counted = false;     // the first node to save these elements, which are no leaf's
  };
  // One finite-difference check: along a random direction, the change of the outputs against what
  // the rules say.
  struct Check {
    std::string of;  // which inputs were moved
    double analytic = 0;
    double numeric = 0;
    double tolerance = 0;  // of their difference
    bool agrees() const;
  };
  struct Node {
    std::uint64_t number = 0;
    std::string op;     // "leaf" for a tensor that the user made
    std::string label;  // a leaf's name, if the options have one
    // The outermost first; of a leaf, where it is used, within "shared parameters" where many are
    // used in several scopes.
    std::vector<std::string> scope;
    std::string site;            // "my_model.cpp:42"
    std::string line;            // the text there, if the file can be read
    std::size_t formula = none;  // its place in `formulas`
    std::vector<Input> inputs;
    std::vector<Value> outputs;
    std::vector<Saved> saved;
    std::int64_t saved_bytes = 0;    // of those that are counted
    std::optional<double> forward;   // seconds since the node before it was recorded
    std::optional<double> backward;  // seconds
    std::vector<Check> checks;
  };

  std::string title;
  std::string note;                   // what could not be found out, and why
  std::vector<Node> nodes;            // the oldest first; the last made the tensor explained
  std::vector<std::size_t> backward;  // nodes, in the order in which the engine ran them
  std::vector<Formula> formulas;
  std::int64_t parameters = 0;  // elements of all leaves

  std::string text() const;
  std::string dot() const;
  std::string html() const;
  // Writes html(), or text() or dot() where the path ends with ".txt" or ".dot". Error if the file
  // cannot be written.
  void write(const std::string& path) const;
};

struct ExplainOptions {
  std::string title = "graph";
  // Names of leaves, as Module::named_parameters() gives them.
  std::vector<std::pair<std::string, Tensor>> names = {};
  // Run the backward pass, to show gradients. It keeps the graph and touches no .grad(), but calls
  // the hooks that are registered. A tensor of several elements gets the gradient 1 for each.
  bool backward = true;
  // Hold every node's rules against finite differences. Needs explain() of a function.
  bool check = false;
};

// While one lives, ops on this thread that record themselves also leave the statistics of their
// values and the time they took with it, for explain(). Several tensors may be explained from one.
class [[nodiscard]] Recording {
 public:
  Recording();
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;
  ~Recording();

  class Notes;  // autograd/explain/recording.h

 private:
  std::unique_ptr<Notes> notes_;
};

// Error if the tensor depends on nothing that requires a gradient.
Explanation explain(const Tensor& output, const ExplainOptions& options = {},
                    Site site = Site::current());
// Records what `make` computes and explains that. To check the derivatives `make` is called six
// times for every input of the op that has most; it must compute the same at every call (random
// numbers are rewound). The rules of each node are then held against the change of its outputs when
// its inputs, and nothing else, are moved a little. In float32 only gross errors can be told from
// rounding.
Explanation explain(const std::function<Tensor()>& make, const ExplainOptions& options = {},
                    Site site = Site::current());

}  // namespace attune
