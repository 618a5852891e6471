#pragma once
// Tensor: a handle to a strided view of a typed buffer, and to the place it has in the recorded
// graph. Copying a Tensor copies the handle; the elements are shared.

#include <concepts>
#include <functional>
#include <initializer_list>
#include <iosfwd>
#include <memory>
#include <string>
#include <vector>

#include "autograd/allocator.h"
#include "autograd/dtype.h"
#include "autograd/error.h"
#include "autograd/ref.h"
#include "autograd/shape.h"
#include "autograd/storage.h"

namespace attune {

class Node;
class Tensor;

// What a handle points to: where the elements lie, and which output of which node they are. The
// node is null for a tensor that needs no gradient.
struct TensorBody : RefCounted {
  TensorBody();
  // All elements of a storage, in row-major order.
  TensorBody(Ref<Storage> elements, const Shape& of_shape, DType of_dtype);
  ~TensorBody();

  Ref<Storage> storage;
  std::int64_t offset = 0;  // of the first element, in elements
  Shape shape;
  Strides strides;  // in elements
  DType dtype = DType::float32;
  bool contiguous = true;
  std::uint32_t output = 0;
  std::uint32_t rebound = 0;  // how often set_data() has given the handle other elements
  Ref<Node> node;

  static void destroy(TensorBody* body) { delete body; }
  static void* operator new(std::size_t bytes) { return allocate(bytes); }
  static void operator delete(void* block, std::size_t bytes) { deallocate(block, bytes); }
};

struct BackwardOptions {
  // Keep what the graph saved, so that backward can run through it again.
  bool retain_graph = false;
  // Record the backward pass too, so that the gradients can be differentiated. Implies
  // retain_graph. The leaves' gradients then refer to the graph, which refers to the leaves: none
  // is freed before zero_grad(). grad() has no such circle.
  bool create_graph = false;
};

class Tensor {
 public:
  // A handle to nothing; only defined() and assignment make sense on it.
  Tensor() = default;
  explicit Tensor(Ref<TensorBody> body) : body_(std::move(body)) {}

  bool defined() const { return static_cast<bool>(body_); }

  const Shape& shape() const { return body().shape; }
  const Strides& strides() const { return body().strides; }
  std::size_t rank() const { return body().shape.size(); }
  // The size of one dimension; -1 is the last.
  std::int64_t size(std::int64_t dim, Site site = Site::current()) const;
  std::int64_t numel() const { return attune::numel(body().shape); }
  DType dtype() const { return body().dtype; }
  // Whether the elements lie in row-major order without gaps.
  bool is_contiguous() const { return body().contiguous; }

  // The first element. T must be the C++ type of dtype().
  template <class T>
  const T* data(Site site = Site::current()) const {
    check_dtype(dtype_of<T>(), site);
    return reinterpret_cast<const T*>(bytes());
  }
  // The first element, to be written: counts as a change in place made at `site`.
  template <class T>
  T* mutable_data(Site site = Site::current()) {
    check_dtype(dtype_of<T>(), site);
    changed_in_place("mutable_data", site);
    return reinterpret_cast<T*>(const_cast<std::byte*>(bytes()));
  }
  // The value of a tensor of one element.
  double item(Site site = Site::current()) const;
  // One element, by its index along every dimension.
  double at(std::initializer_list<std::int64_t> index, Site site = Site::current()) const;
  // All elements in row-major order, converted to T.
  template <class T>
  std::vector<T> to_vector() const;

  // Changes in place. They are not recorded: with tensors that take part in a gradient they are
  // allowed under NoGrad only. An expanded tensor, whose elements are several in one, cannot be
  // changed, nor can int64 become a fraction. `other` broadcasts to the shape of this tensor.
  Tensor& fill_(double value, Site site = Site::current());
  Tensor& zero_(Site site = Site::current());
  Tensor& copy_(const Tensor& other, Site site = Site::current());
  Tensor& add_(const Tensor& other, double scale = 1, Site site = Site::current());
  Tensor& mul_(double factor, Site site = Site::current());

  // Whether gradients flow to this tensor.
  bool requires_grad() const { return defined() && static_cast<bool>(body_->node); }
  // Makes a leaf whose gradient backward() accumulates, or a constant again. Floating dtypes only.
  Tensor& requires_grad_(bool on = true, Site site = Site::current());
  // True unless an op that recorded itself made this tensor.
  bool is_leaf() const;
  // The gradient accumulated so far; undefined before the first backward(). Leaves only.
  Tensor grad(Site site = Site::current()) const;
  void set_grad(Tensor gradient, Site site = Site::current());
  void zero_grad(Site site = Site::current()) { set_grad(Tensor(), site); }
  // Makes this tensor, in every copy of the handle, show the elements of `other`, of any shape and
  // dtype. A leaf with gradient stays one, with its hooks, and loses the gradient it had; a graph
  // that saved its elements cannot run backward any more. Leaves only.
  void set_data(const Tensor& other, Site site = Site::current());
  // The same elements, cut off from the graph.
  Tensor detach() const;

  // Accumulates into .grad() of every leaf the derivative of this scalar, or of
  // sum(this * gradient) if `gradient` is given.
  void backward(BackwardOptions options = {}, Site site = Site::current()) const;
  void backward(const Tensor& gradient, BackwardOptions options = {},
                Site site = Site::current()) const;
  // Calls `hook` with the gradient of this tensor whenever a backward pass has it complete. A
  // defined result replaces the gradient. Returns a number for remove_hook.
  using Hook = std::function<Tensor(const Tensor&)>;
  std::size_t register_hook(Hook hook, Site site = Site::current());
  void remove_hook(std::size_t number);

  // Conversions; recorded, and free where nothing is to be done.
  Tensor to(DType dtype, Site site = Site::current()) const;
  Tensor contiguous(Site site = Site::current()) const;
  Tensor clone(Site site = Site::current()) const;

  // For authors of ops: the parts of the handle.
  const TensorBody& body() const {
    if (!body_) throw_undefined();
    return *body_;
  }
  const Ref<TensorBody>& handle() const { return body_; }
  std::byte* bytes() const {
    return body().storage->data() +
           static_cast<std::size_t>(body_->offset) * item_size(body_->dtype);
  }
  // The elements for an op that is filling a tensor it has just made: unlike mutable_data(), not
  // counted as a change. T must have the size of the dtype.
  template <class T>
  T* raw() const {
    return reinterpret_cast<T*>(bytes());
  }
  // A second handle's worth of the same elements, outside the graph.
  Tensor alias() const;
  // Checks that the elements may be changed here, and counts the change.
  void changed_in_place(const char* op, const Site& site);

 private:
  [[noreturn]] static void throw_undefined();
  void check_dtype(DType wanted, const Site& site) const {
    if (dtype() != wanted) throw_dtype(wanted, site);
  }
  [[noreturn]] void throw_dtype(DType wanted, const Site& site) const;

  Ref<TensorBody> body_;
};

// How ops take their tensors: a Tensor together with the source line that passed it. It converts by
// itself, so callers write matmul(a, b) and x + y; an op hands it on to the ops it is made of, and
// their errors then name the user's line. It does not own: save(x) what outlives the call.
class Operand {
 public:
  // Error if the tensor is undefined.
  Operand(const Tensor& tensor, Site site = Site::current()) : tensor_(&tensor), site_(site) {
    if (!tensor.defined()) throw_undefined(site);
  }
  operator const Tensor&() const { return *tensor_; }
  const Tensor& operator*() const { return *tensor_; }
  const Tensor* operator->() const { return tensor_; }
  const Site& site() const { return site_; }

 private:
  [[noreturn]] static void throw_undefined(const Site& site);

  const Tensor* tensor_;
  Site site_;
};

// A number that stands where a tensor could: x + 1, 2 * x. It takes the dtype of the tensor.
struct Scalar {
  template <class T>
  requires std::is_arithmetic_v<T> Scalar(T number) : value(static_cast<double>(number)) {}
  double value;
};

// Factories. All results are leaves without gradient. Errors: a negative size, more elements than
// memory holds, a number that the dtype has no room for.
Tensor empty(const Shape& shape, DType dtype = DType::float32,
             Site site = Site::current());  // uninitialised
Tensor zeros(const Shape& shape, DType dtype = DType::float32, Site site = Site::current());
Tensor ones(const Shape& shape, DType dtype = DType::float32, Site site = Site::current());
Tensor full(const Shape& shape, double value, DType dtype = DType::float32,
            Site site = Site::current());
Tensor scalar(double value, DType dtype = DType::float32, Site site = Site::current());
// start, start + step, ... below end (above, if the step is negative).
Tensor arange(double start, double end, double step = 1, DType dtype = DType::int64,
              Site site = Site::current());
// The identity matrix [n, n].
Tensor eye(std::int64_t n, DType dtype = DType::float32, Site site = Site::current());
// The numbers, which must be numel(shape) many, in row-major order. The dtype is that of T.
template <Element T>
Tensor from_vector(const std::vector<T>& values, const Shape& shape, Site site = Site::current());
// Drawn from the default generator (autograd/random.h): uniform in [low, high), or normal. Floating
// dtypes only.
Tensor rand(const Shape& shape, double low = 0, double high = 1, DType dtype = DType::float32,
            Site site = Site::current());
Tensor randn(const Shape& shape, double mean = 0, double deviation = 1,
             DType dtype = DType::float32, Site site = Site::current());

// Numbers in nested braces: tensor({{1, 2}, {3, 4}}) has shape [2, 2].
struct NestedNumbers {
  template <class T>
  requires std::is_arithmetic_v<T> NestedNumbers(T number) : value(static_cast<double>(number)) {}
  NestedNumbers(std::initializer_list<NestedNumbers> rows) : is_list(true), list(rows) {}
  double value = 0;
  bool is_list = false;
  std::vector<NestedNumbers> list;
};
Tensor tensor(std::initializer_list<NestedNumbers> rows, DType dtype = DType::float32,
              Site site = Site::current());

// Whether ops on this thread record themselves: true unless a NoGrad is alive.
bool grad_enabled();

// Switches recording off, or on again, on this thread for as long as it lives.
class [[nodiscard]] GradMode {
 public:
  explicit GradMode(bool enabled);
  GradMode(const GradMode&) = delete;
  GradMode& operator=(const GradMode&) = delete;
  ~GradMode();

 private:
  bool before_;
};
class [[nodiscard]] NoGrad : GradMode {
 public:
  NoGrad() : GradMode(false) {}
};
class [[nodiscard]] EnableGrad : GradMode {
 public:
  EnableGrad() : GradMode(true) {}
};

// As NumPy prints: brackets nested, columns aligned, long dimensions abbreviated; floating numbers
// with at most four digits after the point. "undefined" for a Tensor that is.
std::string to_string(const Tensor& tensor);
std::ostream& operator<<(std::ostream& out, const Tensor& tensor);

}  // namespace attune
