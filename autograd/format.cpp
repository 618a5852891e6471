// Tensors as text, laid out as NumPy prints arrays.
//
// Floating numbers show the fewest digits that tell them from every other number of their type, but
// no more than 4 after the point; all in scientific notation if one is 1e8 or more, or less than
// 1e-4, or if the largest is more than 1000 times the smallest. A scalar shows all its digits.
// Beyond 1000 elements only 3 at either end of a dimension are shown.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <ostream>

#include "autograd/tensor.h"

namespace attune {
namespace {

constexpr int max_decimals = 4;
constexpr std::size_t line_width = 75;
constexpr std::int64_t most_elements = 1000;
constexpr std::int64_t edge = 3;

// "-12.5e+03", apart: "-12", "5" and "e+03". Zeros at the end of the fraction are left out.
struct Decimal {
  std::string whole, fraction, exponent;
};

template <class T>
Decimal decimal(T value, std::chars_format format) {
  std::array<char, 64> buffer;
  const auto write = [&](auto... precision) {
    const auto result = std::to_chars(buffer.begin(), buffer.end(), value, format, precision...);
    const std::string text(buffer.begin(), result.ptr);
    const std::size_t e = std::min(text.find('e'), text.size());
    const std::size_t point = std::min(text.find('.'), e);
    const std::size_t after = std::min(point + 1, e);
    Decimal parts{text.substr(0, point), text.substr(after, e - after), text.substr(e)};
    parts.fraction.erase(parts.fraction.find_last_not_of('0') + 1);
    return parts;
  };
  const Decimal shortest = write();
  return shortest.fraction.size() <= max_decimals ? shortest : write(max_decimals);
}

template <class T>
std::chars_format notation(const std::vector<T>& values) {
  T largest = 0;
  T smallest = std::numeric_limits<T>::infinity();
  for (const T value : values) {
    if (!std::isfinite(value) || value == 0) continue;
    largest = std::max(largest, std::abs(value));
    smallest = std::min(smallest, std::abs(value));
  }
  const bool wide = largest >= T(1e8) || smallest < T(1e-4) || largest / smallest > 1000;
  return wide ? std::chars_format::scientific : std::chars_format::fixed;
}

// The numbers, all of one width, their points below each other.
template <class T>
std::vector<std::string> aligned(const std::vector<T>& values) {
  const std::chars_format format = notation(values);
  const bool scientific = format == std::chars_format::scientific;
  std::vector<Decimal> decimals;
  std::size_t whole = 0, fraction = 0, exponent = 0, width = 0;
  for (const T value : values) {
    if (!std::isfinite(value)) {
      width = std::max(width, fmt::format("{}", value).size());
      continue;
    }
    const Decimal& parts = decimals.emplace_back(decimal(value, format));
    whole = std::max(whole, parts.whole.size());
    fraction = std::max(fraction, parts.fraction.size());
    exponent = std::max(exponent, parts.exponent.size());
  }
  width = std::max(width, whole + 1 + fraction + exponent);
  std::vector<std::string> words;
  auto next = decimals.begin();
  for (const T value : values) {
    if (!std::isfinite(value)) {
      words.push_back(fmt::format("{:>{}}", value, width));
      continue;
    }
    Decimal& parts = *next++;
    parts.fraction.resize(fraction, scientific ? '0' : ' ');
    if (scientific) parts.exponent.insert(2, exponent - parts.exponent.size(), '0');
    words.push_back(fmt::format("{:>{}}.{}{}", parts.whole, width - 1 - fraction - exponent,
                                parts.fraction, parts.exponent));
  }
  return words;
}

std::vector<std::string> aligned(const std::vector<std::int64_t>& values) {
  std::size_t width = 0;
  for (const auto value : values) width = std::max(width, fmt::format("{}", value).size());
  std::vector<std::string> words;
  for (const auto value : values) words.push_back(fmt::format("{:>{}}", value, width));
  return words;
}

std::vector<std::string> aligned(const std::vector<bool>& values) {
  std::vector<std::string> words;
  for (const bool value : values) words.push_back(value ? " True" : "False");
  return words;
}

template <class T>
std::string plain(T value) {
  const std::string text = fmt::format("{}", value);
  const bool looks_whole = text.find_first_not_of("-0123456789") == std::string::npos;
  return looks_whole ? text + ".0" : text;
}
std::string plain(std::int64_t value) {
  return fmt::format("{}", value);
}
std::string plain(bool value) {
  return value ? "True" : "False";
}

// The text of a tensor of one dimension or more, element by element in row-major order.
class Layout {
 public:
  explicit Layout(const Tensor& tensor) : tensor_(tensor) {
    dispatch(tensor.dtype(), [&]<class T>(T) {
      std::vector<T> values;
      collect(tensor.raw<T>(), 0, values);
      words_ = aligned(values);
    });
  }

  // Dimension `dim` and those within it, in brackets, from the next word on.
  std::string brackets(std::size_t dim = 0) {
    if (dim + 1 == tensor_.rank()) return row();
    const std::string gap = std::string(tensor_.rank() - 1 - dim, '\n') + std::string(dim + 1, ' ');
    std::string text = "[";
    for (std::int64_t i = 0; i < shown(dim); ++i) {
      if (i > 0) text += gap;
      if (i == edge && abbreviated(dim)) text += "..." + gap;
      text += brackets(dim + 1);
    }
    return text + "]";
  }

 private:
  bool abbreviated(std::size_t dim) const {
    return tensor_.numel() > most_elements && tensor_.shape()[dim] > 2 * edge;
  }
  std::int64_t shown(std::size_t dim) const {
    return abbreviated(dim) ? 2 * edge : tensor_.shape()[dim];
  }

  template <class T>
  void collect(const T* from, std::size_t dim, std::vector<T>& values) const {
    if (dim == tensor_.rank()) {
      values.push_back(*from);
      return;
    }
    const std::int64_t left_out = tensor_.shape()[dim] - shown(dim);
    for (std::int64_t i = 0; i < shown(dim); ++i) {
      const std::int64_t index = i < edge ? i : i + left_out;
      collect(from + index * tensor_.strides()[dim], dim + 1, values);
    }
  }

  // The last dimension, on as many lines as it needs.
  std::string row() {
    const std::size_t indent = tensor_.rank();
    const std::size_t last = tensor_.rank() - 1;
    std::string text = "[";
    std::size_t column = indent;
    const auto append = [&](const std::string& word) {
      if (column > indent && column + 1 + word.size() > line_width - tensor_.rank()) {
        text.erase(text.find_last_not_of(' ') + 1);
        text.append(1, '\n').append(indent, ' ');
        column = indent;
      }
      if (column > indent) {
        text += " ";
        ++column;
      }
      text += word;
      column += word.size();
    };
    for (std::int64_t i = 0; i < shown(last); ++i) {
      if (i == edge && abbreviated(last)) append("...");
      append(words_[next_word_++]);
    }
    return text + "]";
  }

  const Tensor& tensor_;
  std::vector<std::string> words_;
  std::size_t next_word_ = 0;
};

}  // namespace

std::string to_string(const Tensor& tensor) {
  if (!tensor.defined()) return "undefined";
  if (tensor.numel() == 0) return fmt::format("[] of shape {}", to_string(tensor.shape()));
  if (tensor.rank() > 0) return Layout(tensor).brackets();
  return dispatch(tensor.dtype(), [&]<class T>(T) { return plain(*tensor.raw<T>()); });
}

std::ostream& operator<<(std::ostream& out, const Tensor& tensor) {
  return out << to_string(tensor);
}

}  // namespace attune
