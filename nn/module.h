#pragma once
// Module: what all layers have in common. A layer registers its parameters and the layers it is
// made of as it declares them, and gets names, a mode, a state to save and a summary for it:
//
//     class Linear : public Module {
//      public:
//       Linear(std::int64_t in, std::int64_t out)
//           : weight(parameter("weight", init::uniform({out, in}, 1 / std::sqrt(in)))) {}
//       Tensor forward(const Tensor& x) const;  // begins with: const Scope in = scope();
//       Tensor weight;
//     };
//
// Like a Tensor, a Module is a handle: a copy shares parameters and mode with the original.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "autograd/ops.h"
#include "autograd/scope.h"

namespace attune::nn {

using NamedTensors = std::vector<std::pair<std::string, Tensor>>;

class Module {
 public:
  Module();
  virtual ~Module() = default;

  // Every parameter of this module and, below it, of its parts, each in the order of registration,
  // with dotted names such as "encoder.weight_ih_l0". A tensor that is registered twice (tied
  // weights) appears twice here, once in parameters().
  NamedTensors named_parameters() const;
  std::vector<Tensor> parameters() const;
  std::int64_t parameter_count() const;

  // Training mode switches dropout on; a new module is in it.
  void train(bool on = true);
  void eval() { train(false); }
  bool training() const;

  void zero_grad();
  // Converts all parameters, in every copy of the module. Gradients are dropped.
  void to(DType dtype);

  // Copies of all parameters by name, cut off from the graph, and their return. Loading checks
  // every name, shape and dtype (any floating one will do) before it changes anything; missing,
  // unknown and unfit tensors are an Error that lists them.
  NamedTensors state_dict() const;
  void load_state_dict(const NamedTensors& state);

  // A table of the parameters: name, shape, count, and the total.
  std::string summary() const;

 protected:
  // Registers a tensor as trainable, and returns it. Error, here and for parts, if the name is
  // taken.
  Tensor parameter(const std::string& name, Tensor initial);
  // Registers a part, and returns it. The parameters of a part without a name, "", are named as if
  // they were this module's own.
  template <class M>
  M child(const std::string& name, M module) {
    adopt(name, module);
    return module;
  }
  template <class M>
  std::shared_ptr<M> child(const std::string& name, std::shared_ptr<M> module) {
    adopt(name, *module);
    return module;
  }
  // Opens the scope of this module's name; the first line of every forward().
  Scope scope() const;

 private:
  struct State;
  void adopt(const std::string& name, const Module& part);

  std::shared_ptr<State> state_;
};

}  // namespace attune::nn
