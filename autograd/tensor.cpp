#include "autograd/tensor.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cmath>

#include "autograd/engine.h"
#include "autograd/kernels/elementwise.h"
#include "autograd/kernels/parallel.h"
#include "autograd/kernels/random.h"
#include "autograd/node.h"
#include "autograd/ops.h"
#include "autograd/random.h"

namespace attune {

TensorBody::TensorBody() = default;

TensorBody::TensorBody(Ref<Storage> elements, const Shape& of_shape, DType of_dtype)
    : storage(std::move(elements)),
      shape(of_shape),
      strides(contiguous_strides(of_shape)),
      dtype(of_dtype) {}

TensorBody::~TensorBody() = default;

void Tensor::throw_undefined() {
  throw Error(
      "this Tensor is undefined: it was default-constructed, or is a gradient that was never "
      "computed. Check defined() first.");
}

void Tensor::throw_dtype(DType wanted, const Site& site) const {
  misuse("data", site,
         fmt::format("this tensor of shape {} holds {}, not {}", attune::to_string(shape()),
                     name(dtype()), name(wanted)),
         "Convert it with to().");
}

void Operand::throw_undefined(const Site& site) {
  throw Error(fmt::format(
      "an op was given an undefined Tensor, called at {}. It was default-constructed, moved from, "
      "or is a gradient that was never computed: check defined() first.",
      to_string(site)));
}

std::int64_t Tensor::size(std::int64_t dim, Site site) const {
  return shape()[wrap_dim("size", site, dim, rank())];
}

namespace {

double element(const Tensor& tensor, std::int64_t index) {
  return dispatch(tensor.dtype(),
                  [&]<class T>(T) { return static_cast<double>(tensor.raw<T>()[index]); });
}

}  // namespace

double Tensor::item(Site site) const {
  if (numel() != 1) {
    misuse("item", site,
           fmt::format("a tensor of shape {} has {} elements, not one", attune::to_string(shape()),
                       numel()),
           "Reduce it, or read one element with at().");
  }
  return element(*this, 0);
}

double Tensor::at(std::initializer_list<std::int64_t> index, Site site) const {
  const Dims at(index);
  if (at.size() != rank()) {
    misuse("at", site,
           fmt::format("{} indices for the {} dimensions of shape {}", at.size(), rank(),
                       attune::to_string(shape())));
  }
  std::int64_t offset = 0;
  for (std::size_t d = 0; d < rank(); ++d) {
    const std::int64_t i = at[d] < 0 ? at[d] + shape()[d] : at[d];
    if (i < 0 || i >= shape()[d]) {
      misuse("at", site,
             fmt::format("index {} is out of range in dimension {} of shape {}", at[d], d,
                         attune::to_string(shape())));
    }
    offset += i * strides()[d];
  }
  return element(*this, offset);
}

template <class T>
std::vector<T> Tensor::to_vector() const {
  const Tensor rows = empty(shape(), dtype());
  copy_strided(shape(), rows.bytes(), {bytes(), &strides(), item_size(dtype()), is_contiguous()});
  std::vector<T> values(static_cast<std::size_t>(numel()));
  dispatch(dtype(), [&]<class U>(U) {
    const U* const elements = rows.raw<U>();
    std::transform(elements, elements + numel(), values.begin(),
                   [](U value) { return static_cast<T>(value); });
  });
  return values;
}
template std::vector<float> Tensor::to_vector() const;
template std::vector<double> Tensor::to_vector() const;
template std::vector<std::int64_t> Tensor::to_vector() const;
template std::vector<bool> Tensor::to_vector() const;

Tensor Tensor::alias() const {
  auto body = Ref<TensorBody>::adopt(new TensorBody);
  body->storage = body_->storage;
  body->offset = body_->offset;
  body->shape = body_->shape;
  body->strides = body_->strides;
  body->dtype = body_->dtype;
  body->contiguous = body_->contiguous;
  return Tensor(std::move(body));
}

// Changes in place.

void Tensor::changed_in_place(const char* op, const Site& site) {
  if (requires_grad() && grad_enabled()) {
    misuse(
        op, site,
        fmt::format("a change in place of a tensor of shape {} that requires a gradient would not "
                    "be recorded",
                    attune::to_string(shape())),
        "Do it under NoGrad if no derivative of it is wanted, else compute a new tensor.");
  }
  for (std::size_t d = 0; d < rank(); ++d) {
    if (strides()[d] == 0 && shape()[d] > 1) {
      misuse(op, site,
             fmt::format("this tensor of shape {} was expanded: along dimension {} it shows one "
                         "element many times",
                         attune::to_string(shape()), d),
             "Change a clone() of it.");
    }
  }
  body().storage->changed_by(op, site);
}

namespace {

// Where element i of a view lies, counted in row-major order.
std::int64_t place(const Tensor& view, std::int64_t i) {
  std::int64_t offset = 0;
  for (std::size_t d = view.rank(); d-- > 0; i /= view.shape()[d]) {
    offset += i % view.shape()[d] * view.strides()[d];
  }
  return offset;
}

constexpr std::int64_t grain = 16 * 1024;

// this[i] = formula(this[i]). Views that are not contiguous are changed one by one.
template <class F>
void change(Tensor& target, F formula) {
  dispatch(target.dtype(), [&]<class T>(T) {
    T* const out = target.raw<T>();
    if (target.is_contiguous()) {
      parallel_for(target.numel(), grain, [&](std::int64_t begin, std::int64_t end) {
        std::transform(out + begin, out + end, out + begin, formula);
      });
      return;
    }
    for (std::int64_t i = 0; i < target.numel(); ++i) {
      T& element = out[place(target, i)];
      element = formula(element);
    }
  });
}

// this[i] = formula(this[i], values[i]), where the values are as operand_in_place() returns them.
template <class F>
void change(Tensor& target, const Tensor& values, F formula) {
  dispatch(target.dtype(), [&]<class T>(T) {
    T* const out = target.raw<T>();
    const T* const in = values.raw<T>();
    if (target.is_contiguous()) {
      parallel_for(target.numel(), grain, [&](std::int64_t begin, std::int64_t end) {
        vectorised<UpdateLoop<F, T>>(&formula, out + begin, in + begin, end - begin);
      });
      return;
    }
    for (std::int64_t i = 0; i < target.numel(); ++i) {
      T& element = out[place(target, i)];
      element = static_cast<T>(formula(element, in[i]));
    }
  });
}

// Whether the elements of `other` can be read as they lie, one for each of the target's.
bool match(const Tensor& target, const Tensor& other) {
  return other.shape() == target.shape() && other.dtype() == target.dtype() &&
         other.is_contiguous() && other.body().storage != target.body().storage;
}

// Checks that `other` can change the target, and returns it if the two match; else `made`, with its
// elements copied so that they do.
const Tensor& operand_in_place(const char* op, const Tensor& target, const Tensor& other,
                               Tensor& made, const Site& site) {
  if (other.requires_grad() && grad_enabled()) {
    misuse(op, site,
           "its argument requires a gradient, which would be lost, for a change in place is not "
           "recorded",
           "Pass its detach() if no derivative is wanted, else compute a new tensor.");
  }
  if (match(target, other)) return other;
  if (!broadcasts_to(other.shape(), target.shape())) {
    misuse(op, site,
           fmt::format("{} does not broadcast to {}", to_string(other.shape()),
                       to_string(target.shape())),
           "", draw_expansion(other.shape(), target.shape()));
  }
  const NoGrad no_grad;
  made = contiguous(expand(to(other, target.dtype()), target.shape()));
  if (made.body().storage == target.body().storage) made = made.clone();
  return made;
}

// Checks that a dtype can hold a number, to the precision that it has.
void check_holds(const char* op, DType dtype, double value, const Site& site) {
  if (dtype != DType::int64) return;
  if (std::trunc(value) != value || std::abs(value) >= 0x1p63) {
    misuse(op, site, fmt::format("{} is not an int64", value),
           "Use float32 or float64, or convert a tensor with to().");
  }
}

}  // namespace

Tensor& Tensor::fill_(double value, Site site) {
  check_holds("fill_", dtype(), value, site);
  changed_in_place("fill_", site);
  change(*this, [value](auto old) { return static_cast<decltype(old)>(value); });
  return *this;
}

Tensor& Tensor::zero_(Site site) {
  changed_in_place("zero_", site);
  change(*this, [](auto old) { return decltype(old){}; });
  return *this;
}

Tensor& Tensor::copy_(const Tensor& other, Site site) {
  Tensor made;
  const Tensor& values = operand_in_place("copy_", *this, other, made, site);
  changed_in_place("copy_", site);
  change(*this, values, [](auto, auto v) { return v; });
  return *this;
}

Tensor& Tensor::add_(const Tensor& other, double scale, Site site) {
  check_holds("add_", dtype(), scale, site);
  Tensor made;
  const Tensor& values = operand_in_place("add_", *this, other, made, site);
  changed_in_place("add_", site);
  if (scale == 1) {
    change(*this, values, [](auto a, auto b) { return a + b; });
  } else {
    change(*this, values, [scale](auto a, auto b) {
      return a + static_cast<decltype(a)>(static_cast<decltype(a)>(scale) * b);
    });
  }
  return *this;
}

Tensor& Tensor::mul_(double factor, Site site) {
  check_holds("mul_", dtype(), factor, site);
  changed_in_place("mul_", site);
  change(*this, [factor](auto old) {
    return static_cast<decltype(old)>(old * static_cast<decltype(old)>(factor));
  });
  return *this;
}

// The graph.

Tensor& Tensor::requires_grad_(bool on, Site site) {
  if (on && !is_floating(dtype())) {
    misuse("requires_grad_", site, fmt::format("a tensor of {} has no derivative", name(dtype())),
           "Only float32 and float64 do.");
  }
  if (!is_leaf()) {
    misuse("requires_grad_", site, "this tensor is the result of a recorded op",
           "detach() it first, to make it a leaf.");
  }
  if (on == requires_grad()) return *this;
  body_->node = nullptr;
  body_->output = 0;
  if (on) body_->node = Ref<Node>::adopt(new LeafNode(*this, site));
  return *this;
}

bool Tensor::is_leaf() const {
  return !requires_grad() || dynamic_cast<LeafNode*>(body_->node.get()) != nullptr;
}

namespace {

LeafNode& leaf(const char* op, const Tensor& tensor, const Site& site) {
  auto* const node = dynamic_cast<LeafNode*>(tensor.body().node.get());
  if (!node) {
    misuse(op, site,
           tensor.requires_grad() ? "only leaves keep a gradient, and this tensor was computed"
                                  : "this tensor does not require a gradient",
           tensor.requires_grad() ? "Use grad() or register_hook() to see it."
                                  : "Call requires_grad_() on it first.");
  }
  return *node;
}

}  // namespace

Tensor Tensor::grad(Site site) const {
  return leaf("grad", *this, site).gradient;
}

void Tensor::set_grad(Tensor gradient, Site site) {
  LeafNode& node = leaf("set_grad", *this, site);
  if (gradient.defined() && (gradient.shape() != shape() || gradient.dtype() != dtype())) {
    misuse("set_grad", site,
           fmt::format("a gradient of {} {} for a tensor of {} {}", name(gradient.dtype()),
                       attune::to_string(gradient.shape()), name(dtype()),
                       attune::to_string(shape())));
  }
  node.gradient = std::move(gradient);
}

void Tensor::set_data(const Tensor& other, Site site) {
  if (!is_leaf()) misuse("set_data", site, "this tensor is the result of a recorded op");
  if (requires_grad() && !is_floating(other.dtype())) {
    misuse("set_data", site, fmt::format("a tensor of {} has no derivative", name(other.dtype())));
  }
  body();
  const Tensor shown = other.alias();
  TensorBody& mine = *body_;
  mine.storage = shown.body_->storage;
  mine.offset = shown.body_->offset;
  mine.shape = shown.body_->shape;
  mine.strides = shown.body_->strides;
  mine.dtype = shown.body_->dtype;
  mine.contiguous = shown.body_->contiguous;
  ++mine.rebound;
  if (requires_grad()) leaf("set_data", *this, site).stand_for(*this);
}

Tensor Tensor::detach() const {
  body();
  return alias();
}

void Tensor::backward(BackwardOptions options, Site site) const {
  attune::backward({*this}, {}, options, site);
}

void Tensor::backward(const Tensor& gradient, BackwardOptions options, Site site) const {
  attune::backward({*this}, {gradient}, options, site);
}

std::size_t Tensor::register_hook(Hook hook, Site site) {
  if (!requires_grad()) {
    misuse("register_hook", site, "this tensor does not require a gradient, so none will arrive");
  }
  static std::atomic<std::size_t> next = 0;
  const std::size_t number = next++;
  body_->node->hooks().push_back({number, body_->output, std::move(hook)});
  return number;
}

void Tensor::remove_hook(std::size_t number) {
  if (!requires_grad()) return;
  std::erase_if(body_->node->hooks(), [&](const auto& hook) { return hook.number == number; });
}

Tensor Tensor::to(DType dtype, Site site) const {
  return attune::to({*this, site}, dtype);
}
Tensor Tensor::contiguous(Site site) const {
  return attune::contiguous({*this, site});
}
Tensor Tensor::clone(Site site) const {
  return attune::clone({*this, site});
}

namespace {

constinit thread_local bool recording = true;

}  // namespace

bool grad_enabled() {
  return recording;
}
GradMode::GradMode(bool enabled) : before_(recording) {
  recording = enabled;
}
GradMode::~GradMode() {
  recording = before_;
}

// Factories.

namespace {

[[noreturn, gnu::noinline]] void throw_negative(const Shape& shape, const Site& site) {
  misuse("shape", site,
         fmt::format("a tensor cannot have shape {}: sizes are not negative", to_string(shape)));
}

[[noreturn, gnu::noinline]] void throw_too_large(const Shape& shape, const Site& site) {
  misuse("shape", site,
         fmt::format("a tensor of {} elements is larger than any memory", to_string(shape)));
}

// What the elements of a tensor of that shape take.
std::size_t bytes_of(const Shape& shape, DType dtype, const Site& site) {
  auto bytes = static_cast<std::int64_t>(item_size(dtype));
  bool nothing = false;
  for (const auto size : shape) {
    if (size < 0) throw_negative(shape, site);
    nothing |= size == 0;
    if (__builtin_mul_overflow(bytes, std::max<std::int64_t>(size, 1), &bytes)) {
      throw_too_large(shape, site);
    }
  }
  return nothing ? 0 : static_cast<std::size_t>(bytes);
}

}  // namespace

Tensor empty(const Shape& shape, DType dtype, Site site) {
  auto storage = Storage::make(bytes_of(shape, dtype, site));
  return Tensor(Ref<TensorBody>::adopt(new TensorBody(std::move(storage), shape, dtype)));
}

Tensor full(const Shape& shape, double value, DType dtype, Site site) {
  check_holds("full", dtype, value, site);
  Tensor result = empty(shape, dtype, site);
  dispatch(dtype, [&]<class T>(T) {
    parallel_for(result.numel(), 2 * grain, [&](std::int64_t begin, std::int64_t end) {
      std::fill(result.raw<T>() + begin, result.raw<T>() + end, static_cast<T>(value));
    });
  });
  return result;
}

Tensor zeros(const Shape& shape, DType dtype, Site site) {
  return full(shape, 0, dtype, site);
}
Tensor ones(const Shape& shape, DType dtype, Site site) {
  return full(shape, 1, dtype, site);
}
Tensor scalar(double value, DType dtype, Site site) {
  return full({}, value, dtype, site);
}

Tensor arange(double start, double end, double step, DType dtype, Site site) {
  const double count = std::max(0.0, std::ceil((end - start) / step));
  const bool finite = std::isfinite(start) && std::isfinite(end) && std::isfinite(step);
  if (!finite || step == 0 || count > 0x1p53) {
    misuse("arange", site,
           fmt::format("there is no way from {} to {} in steps of {}", start, end, step));
  }
  check_holds("arange", dtype, start, site);
  check_holds("arange", dtype, step, site);
  Tensor result = empty({static_cast<std::int64_t>(count)}, dtype, site);
  dispatch(dtype, [&]<class T>(T) {
    for (std::int64_t i = 0; i < result.numel(); ++i) {
      result.raw<T>()[i] = static_cast<T>(start + static_cast<double>(i) * step);
    }
  });
  return result;
}

Tensor eye(std::int64_t n, DType dtype, Site site) {
  Tensor result = zeros({n, n}, dtype, site);
  dispatch(dtype, [&]<class T>(T) {
    for (std::int64_t i = 0; i < n; ++i) result.raw<T>()[i * (n + 1)] = T{1};
  });
  return result;
}

template <Element T>
Tensor from_vector(const std::vector<T>& values, const Shape& shape, Site site) {
  Tensor result = empty(shape, dtype_of<T>(), site);
  if (static_cast<std::int64_t>(values.size()) != result.numel()) {
    misuse("from_vector", site,
           fmt::format("{} values for shape {}, which holds {}", values.size(), to_string(shape),
                       result.numel()));
  }
  std::copy(values.begin(), values.end(), result.raw<T>());
  return result;
}
template Tensor from_vector(const std::vector<float>&, const Shape&, Site);
template Tensor from_vector(const std::vector<double>&, const Shape&, Site);
template Tensor from_vector(const std::vector<std::int64_t>&, const Shape&, Site);
template Tensor from_vector(const std::vector<bool>&, const Shape&, Site);

namespace {

// Appends the numbers below `row` and checks that the braces are as deep and as long everywhere.
void flatten(const NestedNumbers& row, const Shape& shape, std::size_t depth,
             std::vector<double>& numbers, const Site& site) {
  const bool regular =
      depth == shape.size()
          ? !row.is_list
          : row.is_list && static_cast<std::int64_t>(row.list.size()) == shape[depth];
  if (!regular) misuse("tensor", site, "the nested braces are not all of one length and depth");
  if (!row.is_list) numbers.push_back(row.value);
  for (const NestedNumbers& inner : row.list) flatten(inner, shape, depth + 1, numbers, site);
}

}  // namespace

Tensor tensor(std::initializer_list<NestedNumbers> rows, DType dtype, Site site) {
  const NestedNumbers root(rows);
  Shape shape;
  for (const NestedNumbers* row = &root; row->is_list; row = &row->list.front()) {
    shape.push_back(static_cast<std::int64_t>(row->list.size()), site);
    if (row->list.empty()) break;
  }
  std::vector<double> numbers;
  flatten(root, shape, 0, numbers, site);
  for (const double number : numbers) check_holds("tensor", dtype, number, site);
  return from_vector(numbers, shape).to(dtype);
}

}  // namespace attune
