#pragma once
// Ref<T>: a pointer that shares ownership through a count kept inside the object. Tensors, storages
// and graph nodes are all held this way: one word a handle, one allocation an object.

#include <atomic>
#include <cstdint>
#include <utility>

namespace attune {

// Base of everything a Ref can point to. A derived class T supplies `static void destroy(T*)`,
// called when the last Ref lets go.
class RefCounted {
 public:
  RefCounted() = default;
  RefCounted(const RefCounted&) = delete;
  RefCounted& operator=(const RefCounted&) = delete;

  std::uint32_t use_count() const { return count_.load(std::memory_order_acquire); }

 private:
  template <class T>
  friend class Ref;

  void retain() const { count_.fetch_add(1, std::memory_order_relaxed); }

  // True when the caller held the last reference. A count of one cannot change under us, for nobody
  // else is left to change it; that spares the common case an atomic read-modify-write.
  bool let_go() const {
    return count_.load(std::memory_order_acquire) == 1 ||
           count_.fetch_sub(1, std::memory_order_acq_rel) == 1;
  }

  mutable std::atomic<std::uint32_t> count_{1};
};

template <class T>
class Ref {
 public:
  Ref() = default;
  Ref(std::nullptr_t) {}
  Ref(const Ref& other) : object_(other.object_) {
    if (object_) object_->retain();
  }
  Ref(Ref&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  Ref& operator=(Ref other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~Ref() {
    if (object_ && object_->let_go()) T::destroy(object_);
  }

  // Takes over the reference that a freshly made object is born with.
  static Ref adopt(T* object) {
    Ref ref;
    ref.object_ = object;
    return ref;
  }
  // One more reference to an object that others hold already.
  static Ref share(T* object) {
    if (object) object->retain();
    return adopt(object);
  }

  T* get() const { return object_; }
  T* operator->() const { return object_; }
  T& operator*() const { return *object_; }
  explicit operator bool() const { return object_ != nullptr; }
  friend bool operator==(const Ref& a, const Ref& b) { return a.object_ == b.object_; }

 private:
  T* object_ = nullptr;
};

}  // namespace attune
