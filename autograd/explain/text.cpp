// An Explanation as plain text and as DOT.

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "autograd/explain.h"

namespace attune {
namespace {

std::string milliseconds(const std::optional<double>& seconds) {
  return seconds ? fmt::format("{:.3f}", *seconds * 1e3) : "-";
}

std::string norm_of(const std::optional<Statistics>& statistics) {
  return statistics ? fmt::format("{:.4g}", statistics->norm) : "-";
}

std::string inputs_of(const Explanation& graph, const Explanation::Node& node) {
  std::string text;
  for (const Explanation::Input& input : node.inputs) {
    if (input.node == Explanation::none) continue;
    text += fmt::format("{}#{}", text.empty() ? "" : " ", graph.nodes[input.node].number);
  }
  return text;
}

std::string title_of(const Explanation::Node& node) {
  return node.label.empty() ? node.op : fmt::format("{} {}", node.op, node.label);
}

// How wide the columns are whose texts are of any length.
struct Widths {
  std::size_t title = 12, shape = 8;

  explicit Widths(const Explanation& graph) {
    for (const Explanation::Node& node : graph.nodes) {
      title = std::max(title, title_of(node).size());
      shape = std::max(shape, to_string(node.outputs.front().shape).size());
    }
  }
};

std::string row_of(const Explanation& graph, const Explanation::Node& node, const Widths& widths) {
  const Explanation::Value& first = node.outputs.front();
  const std::string inputs = inputs_of(graph, node);
  return fmt::format("  #{:<6} {:<{}} {:<{}} {:>10} {:>10} {:>10} {:>9} {:>9}  {}{}{}\n",
                     node.number, title_of(node), widths.title, to_string(first.shape),
                     widths.shape, norm_of(first.value), norm_of(first.gradient), node.saved_bytes,
                     milliseconds(node.forward), milliseconds(node.backward), node.site,
                     inputs.empty() ? "" : "  ", inputs);
}

std::string joined(const std::vector<std::string>& scope) {
  std::string path;
  for (const std::string& name : scope) path += (path.empty() ? "" : ".") + name;
  return path;
}

// In the text of a DOT string.
std::string dot_escaped(const std::string& text) {
  std::string result;
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    result += c == '\n' ? ' ' : c;
  }
  return result;
}

// The scopes as a tree, with the nodes that stand in each.
struct Cluster {
  std::map<std::string, Cluster> inner;
  std::vector<const Explanation::Node*> nodes;
};

std::string dot_of(const Cluster& cluster, const std::string& name, const std::string& path,
                   int depth) {
  const std::string indent(static_cast<std::size_t>(2 * depth), ' ');
  std::string text;
  if (depth > 1) {
    text += fmt::format("{}subgraph \"cluster{}\" {{\n{}  label=\"{}\"; color=\"#8888aa\";\n",
                        indent, dot_escaped(path), indent, dot_escaped(name));
  }
  for (const Explanation::Node* const node : cluster.nodes) {
    text += fmt::format("{}  n{} [label=\"{}\\n{}\"{}];\n", indent, node->number,
                        dot_escaped(title_of(*node)), to_string(node->outputs.front().shape),
                        node->op == "leaf" ? ", shape=ellipse" : "");
  }
  for (const auto& [inner_name, inner] : cluster.inner) {
    text += dot_of(inner, inner_name, path + "." + inner_name, depth + 1);
  }
  if (depth > 1) text += indent + "}\n";
  return text;
}

}  // namespace

std::string Explanation::text() const {
  std::int64_t saved = 0;
  for (const Explanation::Node& node : nodes) saved += node.saved_bytes;
  std::string text = fmt::format("{}: {} nodes, {} elements in leaves, {} bytes saved\n", title,
                                 nodes.size(), parameters, saved);
  if (!note.empty()) text += note + '\n';
  const Widths widths(*this);
  text += fmt::format("  {:<7} {:<{}} {:<{}} {:>10} {:>10} {:>10} {:>9} {:>9}  {}\n", "node", "op",
                      widths.title, "shape", widths.shape, "|value|", "|gradient|", "saved B", "ms",
                      "back ms", "called at, inputs");
  const std::vector<std::string>* scope = nullptr;
  for (const Explanation::Node& node : nodes) {
    if (scope == nullptr || *scope != node.scope) {
      text += node.scope.empty() ? "(no scope)\n" : joined(node.scope) + '\n';
      scope = &node.scope;
    }
    text += row_of(*this, node, widths);
  }
  return text;
}

std::string Explanation::dot() const {
  Cluster root;
  for (const Explanation::Node& node : nodes) {
    Cluster* cluster = &root;
    for (const std::string& name : node.scope) cluster = &cluster->inner[name];
    cluster->nodes.push_back(&node);
  }
  std::string text = fmt::format("digraph \"{}\" {{\n  node [shape=box];\n", dot_escaped(title));
  text += dot_of(root, "", "", 1);
  for (const Explanation::Node& node : nodes) {
    for (const Input& input : node.inputs) {
      if (input.node == none) continue;
      text += fmt::format("  n{} -> n{} [label=\"{}\"];\n", nodes[input.node].number, node.number,
                          to_string(input.shape));
    }
  }
  return text + "}\n";
}

}  // namespace attune
