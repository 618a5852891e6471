// An Explanation as a page: the template of autograd/explain/page with the graph as JSON in it.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "autograd/explain.h"
#include "autograd/explain/embedded.h"

namespace attune {
namespace {

// Writes JSON that may stand within a <script>.
class Json {
 public:
  Json& begin(char bracket) {
    separate();
    text_ += bracket;
    first_ = true;
    return *this;
  }
  Json& end(char bracket) {
    text_ += bracket;
    first_ = false;
    return *this;
  }
  Json& key(std::string_view name) {
    value(name);
    text_ += ':';
    first_ = true;
    return *this;
  }
  Json& value(std::string_view text) {
    separate();
    text_ += '"';
    for (const char c : text) add_escaped(c);
    text_ += '"';
    return *this;
  }
  Json& value(const std::string& text) { return value(std::string_view(text)); }
  Json& value(const char* text) { return value(std::string_view(text)); }
  // JSON has no infinities and no NaN: they are strings.
  Json& value(double number) {
    if (!std::isfinite(number)) {
      return value(std::isnan(number) ? "NaN" : number > 0 ? "Infinity" : "-Infinity");
    }
    separate();
    fmt::format_to(std::back_inserter(text_), "{:.6g}", number);
    return *this;
  }
  Json& value(std::int64_t number) {
    separate();
    fmt::format_to(std::back_inserter(text_), "{}", number);
    return *this;
  }
  // A place in a list, or -1.
  Json& value(std::size_t place) { return value(static_cast<std::int64_t>(place)); }
  Json& value(bool yes) {
    separate();
    text_ += yes ? "true" : "false";
    return *this;
  }
  template <class T>
  Json& field(std::string_view name, const T& what) {
    return key(name).value(what);
  }
  std::string text() && { return std::move(text_); }

 private:
  void separate() {
    if (!first_) text_ += ',';
    first_ = false;
  }
  void add_escaped(char c) {
    const auto byte = static_cast<unsigned char>(c);
    // '<' could end the script.
    if (byte < 0x20 || c == '<') {
      fmt::format_to(std::back_inserter(text_), "\\u{:04x}", byte);
    } else {
      if (c == '"' || c == '\\') text_ += '\\';
      text_ += c;
    }
  }

  std::string text_;
  bool first_ = true;
};

// A list of texts that are the same again and again, each written once.
class Texts {
 public:
  std::size_t place_of(const std::string& text) {
    const auto [found, is_new] = places_.try_emplace(text, texts_.size());
    if (is_new) texts_.push_back(text);
    return found->second;
  }
  const std::vector<std::string>& all() const { return texts_; }

 private:
  std::map<std::string, std::size_t> places_;
  std::vector<std::string> texts_;
};

class Writer {
 public:
  explicit Writer(const Explanation& graph) : graph_(graph) {}

  std::string write() {
    json_.begin('{').field("title", graph_.title).field("note", graph_.note);
    json_.field("parameters", graph_.parameters);
    json_.key("nodes").begin('[');
    for (const Explanation::Node& node : graph_.nodes) write_node(node);
    json_.end(']').key("order").begin('[');
    for (const std::size_t place : graph_.backward) json_.value(place);
    json_.end(']').key("formulas").begin('[');
    for (const Formula& formula : graph_.formulas) write_formula(formula);
    json_.end(']').key("texts").begin('[');
    for (const std::string& text : texts_.all()) json_.value(text);
    json_.end(']').end('}');
    return std::move(json_).text();
  }

 private:
  void write_statistics(const Statistics& s) {
    json_.begin('[').value(s.count).value(s.nans).value(s.infinities).value(s.zeros);
    json_.value(s.min).value(s.max).value(s.mean).value(s.deviation).value(s.norm);
    json_.begin('[');
    for (const std::int64_t count : s.histogram) json_.value(count);
    json_.end(']').end(']');
  }
  void write_statistics(std::string_view name, const std::optional<Statistics>& statistics) {
    if (!statistics) return;
    json_.key(name);
    write_statistics(*statistics);
  }

  void write_like(const Shape& shape, DType dtype) {
    json_.field("shape", texts_.place_of(to_string(shape)));
    json_.field("dtype", texts_.place_of(name(dtype)));
  }

  void write_input(const Explanation::Input& input) {
    json_.begin('{').field("node", input.node);
    if (input.output > 0) json_.field("output", static_cast<std::int64_t>(input.output));
    write_like(input.shape, input.dtype);
    write_statistics("gradient", input.gradient);
    json_.end('}');
  }

  void write_output(const Explanation::Value& output) {
    json_.begin('{');
    write_like(output.shape, output.dtype);
    write_statistics("value", output.value);
    write_statistics("gradient", output.gradient);
    if (!output.elements.empty()) json_.field("elements", output.elements);
    if (!output.gradient_elements.empty())
      json_.field("gradientElements", output.gradient_elements);
    json_.end('}');
  }

  void write_saved(const Explanation::Saved& saved) {
    json_.begin('{').field("node", saved.node).field("bytes", saved.bytes);
    write_like(saved.shape, saved.dtype);
    json_.field("counted", saved.counted).end('}');
  }

  void write_check(const Explanation::Check& check) {
    json_.begin('{').field("of", check.of).field("analytic", check.analytic);
    json_.field("numeric", check.numeric).field("tolerance", check.tolerance);
    json_.field("agrees", check.agrees()).end('}');
  }

  template <class T>
  void write_list(std::string_view name, const std::vector<T>& list,
                  void (Writer::*write_one)(const T&)) {
    if (list.empty()) return;
    json_.key(name).begin('[');
    for (const T& one : list) (this->*write_one)(one);
    json_.end(']');
  }

  void write_node(const Explanation::Node& node) {
    json_.begin('{').field("number", static_cast<std::int64_t>(node.number));
    json_.field("op", texts_.place_of(node.op)).key("scope").begin('[');
    for (const std::string& part : node.scope) json_.value(texts_.place_of(part));
    json_.end(']').field("site", texts_.place_of(node.site));
    json_.field("line", texts_.place_of(node.line));
    if (!node.label.empty()) json_.field("label", node.label);
    if (node.formula != Explanation::none) json_.field("formula", node.formula);
    write_list("inputs", node.inputs, &Writer::write_input);
    write_list("outputs", node.outputs, &Writer::write_output);
    write_list("saved", node.saved, &Writer::write_saved);
    write_list("checks", node.checks, &Writer::write_check);
    json_.field("bytes", node.saved_bytes);
    if (node.forward) json_.field("forward", *node.forward);
    if (node.backward) json_.field("backward", *node.backward);
    json_.end('}');
  }

  void write_derivative(const Formula::Derivative& derivative) {
    json_.begin('{').field("by", derivative.by).field("rule", derivative.rule).end('}');
  }

  void write_formula(const Formula& formula) {
    json_.begin('{').field("file", formula.file);
    json_.field("line", static_cast<std::int64_t>(formula.line));
    json_.field("definition", formula.definition).field("forward", formula.forward);
    json_.field("composition", formula.composition);
    write_list("derivatives", formula.derivatives, &Writer::write_derivative);
    json_.end('}');
  }

  const Explanation& graph_;
  Texts texts_;
  Json json_;
};

std::string_view page_part(std::string_view name) {
  for (const EmbeddedFile& file : embedded_files()) {
    if (file.path == fmt::format("autograd/explain/page/{}", name)) return file.text;
  }
  throw Error(fmt::format("explain: the library was built without its page's {}", name));
}

std::string html_escaped(const std::string& text) {
  std::string result;
  for (const char c : text) {
    if (c == '<') {
      result += "&lt;";
    } else if (c == '&') {
      result += "&amp;";
    } else {
      result += c;
    }
  }
  return result;
}

}  // namespace

std::string Explanation::html() const {
  std::string page;
  std::string_view rest = page_part("page.html");
  // Every {{name}} of the template gives way to the file of that name, the title or the graph.
  for (std::size_t open; (open = rest.find("{{")) != std::string_view::npos;) {
    const std::size_t close = rest.find("}}", open);
    const std::string_view name = rest.substr(open + 2, close - open - 2);
    page += rest.substr(0, open);
    if (name == "title") {
      page += html_escaped(title);
    } else if (name == "graph") {
      page += Writer(*this).write();
    } else {
      page += page_part(name);
    }
    rest.remove_prefix(close + 2);
  }
  return page += rest;
}

}  // namespace attune
