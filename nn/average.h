#pragma once
// A moving average of the parameters over the steps of a training. It often does better than any of
// the parameters it is made of (Polyak & Juditsky 1992), as if the learning rate had been lower.

#include <cstdint>
#include <vector>

#include "nn/module.h"

namespace attune::nn {

// After step t: average = d average + (1 - d) parameter, with d = min(decay, (1 + t) / (10 + t)),
// so that the first steps are soon forgotten.
class ParameterAverage {
 public:
  // Of these parameters, which begin it. Error unless 0 <= decay < 1; with 0 it is the parameters.
  ParameterAverage(std::vector<Tensor> parameters, double decay);

  // Takes in the parameters after one more step.
  void update();

  // Puts the average in the place of the parameters for as long as it lives.
  class InPlace {
   public:
    explicit InPlace(const ParameterAverage& average) : average_(average) { average_.exchange(); }
    InPlace(const InPlace&) = delete;
    InPlace& operator=(const InPlace&) = delete;
    ~InPlace() { average_.exchange(); }

   private:
    const ParameterAverage& average_;
  };

  bool on() const { return decay_ > 0; }
  // The averages, numbered in the order of the parameters; none if it is off.
  NamedTensors state_dict() const;
  // `steps` have been taken in. Error where the state is not that of such parameters.
  void load_state_dict(const NamedTensors& state, std::int64_t steps);

 private:
  // Of the values behind the handles.
  void exchange() const;

  std::vector<Tensor> parameters_;
  std::vector<Tensor> averages_;
  double decay_;
  std::int64_t steps_ = 0;
};

}  // namespace attune::nn
