#include "autograd/explain/formula.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <fstream>
#include <iterator>
#include <map>

#include "autograd/explain/embedded.h"

namespace attune {
namespace {

using Text = std::string_view;
constexpr std::size_t npos = Text::npos;
constexpr std::ptrdiff_t most_lines = 12;  // of a statement that is shown whole

bool in_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
}

bool space(char c) {
  return std::isspace(static_cast<unsigned char>(c)) != 0;
}

Text trimmed(Text text) {
  while (!text.empty() && space(text.front())) text.remove_prefix(1);
  while (!text.empty() && space(text.back())) text.remove_suffix(1);
  return text;
}

bool comment_at(Text text, std::size_t at) {
  return text.substr(at, 2) == "//" || text.substr(at, 2) == "/*";
}

std::size_t after(Text text, Text what, std::size_t from) {
  const std::size_t found = text.find(what, from);
  return found == npos ? text.size() : found + what.size();
}

std::size_t after_quoted(Text text, std::size_t at) {
  const char quote = text[at];
  for (++at; at < text.size() && text[at] != quote; ++at) {
    if (text[at] == '\\') ++at;
  }
  return std::min(at + 1, text.size());
}

// The place after the comment, the literal, the word or else the one character at `at`.
std::size_t after_token(Text text, std::size_t at) {
  if (text.substr(at, 2) == "//") return after(text, "\n", at);
  if (text.substr(at, 2) == "/*") return after(text, "*/", at + 2);
  if (text.substr(at, 2) == "R\"") {
    const std::size_t open = std::min(text.find('(', at), text.size() - 1);
    return after(text, fmt::format("){}\"", text.substr(at + 2, open - at - 2)), open);
  }
  if (text[at] == '"' || text[at] == '\'') return after_quoted(text, at);
  if (!in_word(text[at])) return at + 1;
  // A word, or a number with its separators.
  while (at < text.size() && (in_word(text[at]) || text[at] == '\'')) ++at;
  return at;
}

bool opens(char c) {
  return c == '(' || c == '[' || c == '{';
}
bool closes(char c) {
  return c == ')' || c == ']' || c == '}';
}

// The place after the bracket that closes the one at `at`.
std::size_t after_brackets(Text text, std::size_t at) {
  int depth = 0;
  for (; at < text.size(); at = after_token(text, at)) {
    if (opens(text[at])) ++depth;
    if (closes(text[at]) && --depth == 0) return at + 1;
  }
  return text.size();
}

bool has_word(Text text, Text word) {
  for (std::size_t at = 0; at < text.size(); at = after_token(text, at)) {
    if (!comment_at(text, at) && text.substr(at, after_token(text, at) - at) == word) return true;
  }
  return false;
}

// The end of the declaration whose code begins at `at`, or of the head of a namespace.
std::size_t after_declaration(Text text, std::size_t at) {
  const std::size_t begin = at;
  while (at < text.size() && text[at] != ';') {
    if (text[at] == '{') {
      if (has_word(text.substr(begin, at - begin), "namespace")) return at + 1;
      at = after_brackets(text, at);
      // A class, or the value of a variable, ends with a semicolon; a function does not.
      const std::size_t next = text.find_first_not_of(" \n", at);
      if (next == npos || text[next] != ';') return at;
      return next + 1;
    }
    at = opens(text[at]) ? after_brackets(text, at) : after_token(text, at);
  }
  return std::min(at + 1, text.size());
}

// The declarations at namespace scope, each with the comment above it.
std::vector<Text> declarations(Text text) {
  std::vector<Text> found;
  std::size_t begin = npos;  // of the comment above, if there is one
  for (std::size_t at = 0; at < text.size();) {
    if (space(text[at])) {
      if (text.substr(at, 2) == "\n\n") begin = npos;
      ++at;
    } else if (text[at] == '#') {
      at = after(text, "\n", at);
      begin = npos;
    } else if (text[at] == '}') {
      ++at;
      begin = npos;
    } else if (comment_at(text, at)) {
      begin = std::min(begin, at);
      at = after_token(text, at);
      if (at > 0 && text[at - 1] == '\n') --at;
    } else {
      begin = std::min(begin, at);
      at = after_declaration(text, at);
      found.push_back(text.substr(begin, at - begin));
      begin = npos;
    }
  }
  return found;
}

// The pieces between the commas of a list.
std::vector<Text> split_list(Text list) {
  std::vector<Text> pieces;
  std::size_t begin = 0;
  for (std::size_t at = 0; at < list.size();) {
    if (list[at] == ',') {
      pieces.push_back(trimmed(list.substr(begin, at - begin)));
      begin = at + 1;
    }
    at = opens(list[at]) ? after_brackets(list, at) : after_token(list, at);
  }
  pieces.push_back(trimmed(list.substr(begin)));
  return pieces;
}

// Empty where the list, of a source that is cut off, has no such piece.
Text piece_of(const std::vector<Text>& pieces, std::size_t place) {
  return place < pieces.size() ? pieces[place] : Text();
}

// f<..>(..) -> the arguments, where f is what the text begins with; none if it does not.
std::optional<std::vector<Text>> arguments_of(Text call, Text f) {
  if (!call.starts_with(f)) return std::nullopt;
  std::size_t open = f.size();
  if (open < call.size() && call[open] == '<') open = after(call, ">", open);
  if (open >= call.size() || call[open] != '(') return std::nullopt;
  return split_list(call.substr(open + 1, after_brackets(call, open) - open - 2));
}

struct Call {
  Text function;
  std::vector<Text> arguments;
  std::size_t begin = 0;  // of the function's name, in the text searched
};

// The call whose first argument stands at `argument`.
std::optional<Call> call_around(Text text, std::size_t argument) {
  std::size_t open = argument;
  while (open > 0 && space(text[open - 1])) --open;
  if (open == 0 || text[open - 1] != '(') return std::nullopt;
  --open;
  std::size_t end = open;
  if (end > 0 && text[end - 1] == '>') {
    end = text.rfind('<', end);
    if (end == npos) return std::nullopt;
  }
  std::size_t begin = end;
  while (begin > 0 && (in_word(text[begin - 1]) || text[begin - 1] == ':')) --begin;
  const std::size_t closed = after_brackets(text, open);
  return Call{text.substr(begin, end - begin), split_list(text.substr(open + 1, closed - open - 2)),
              begin};
}

// The lines without the indentation that all but the first have in common.
std::string unindented(Text text) {
  text = trimmed(text);
  std::size_t common = npos;
  for (std::size_t at = text.find('\n'); at != npos; at = text.find('\n', at + 1)) {
    const std::size_t code = text.find_first_not_of(' ', at + 1);
    if (code != npos && text[code] != '\n') common = std::min(common, code - at - 1);
  }
  std::string result(text);
  if (common == npos) return result;
  for (std::size_t at = result.find('\n'); at != npos; at = result.find('\n', at + 1)) {
    const std::size_t indent = result.find_first_not_of(' ', at + 1);
    if (indent != npos && result[indent] != '\n') result.erase(at + 1, common);
  }
  return result;
}

// The statements of a function before the one that stands at `at`, an offset into its declaration.
Text statements_before(Text function, std::size_t at) {
  std::size_t body = 0;
  while (body < function.size() && function[body] != '{') {
    body = function[body] == '(' ? after_brackets(function, body) : after_token(function, body);
  }
  body = std::min(body + 1, function.size());
  std::size_t end = body;
  for (std::size_t i = body; i < at && i < function.size();) {
    const bool nested = function[i] == '(' || function[i] == '{';
    i = nested ? after_brackets(function, i) : after_token(function, i);
    const char last = function[i - 1];
    if (i <= at && (last == ';' || last == '}')) end = i;
  }
  return function.substr(body, end - body);
}

// The statements but for those that only reject misuse.
std::string without_checks(Text statements) {
  std::string kept;
  for (std::size_t begin = 0, at = 0; at < statements.size();) {
    const bool block = statements[at] == '{';
    at = opens(statements[at]) ? after_brackets(statements, at) : after_token(statements, at);
    if (!block && statements[at - 1] != ';') continue;
    const Text statement = statements.substr(begin, at - begin);
    begin = at;
    const bool checks =
        trimmed(statement).starts_with("detail::check_") || has_word(statement, "misuse");
    if (!checks) kept += statement;
  }
  return kept;
}

// What a function of that name is declared as; empty if none is.
Text declaration_of(const std::vector<Text>& all, Text name) {
  for (const Text declaration : all) {
    for (std::size_t at = 0; at < declaration.size() && declaration[at] != '{';) {
      const std::size_t next = after_token(declaration, at);
      const bool is_body_ahead = declaration.find('{', next) != npos;
      if (declaration.substr(at, next - at) == name && is_body_ahead && next < declaration.size() &&
          declaration[next] == '(') {
        return declaration;
      }
      at = next;
    }
  }
  return {};
}

// Cuts a formula out of the function that holds the call of apply(), unary() or binary().
class Cutter {
 public:
  Cutter(const std::vector<Text>& all, Text function, Call call)
      : all_(all), function_(function), call_(std::move(call)) {}

  Formula cut() {
    formula_.definition = unindented(function_);
    read_arguments();
    if (formula_.derivatives.empty()) read_helper();
    if (formula_.forward.empty()) {
      formula_.forward = unindented(statements_before(function_, call_.begin));
    }
    find_composition();
    return formula_;
  }

 private:
  void read_arguments() {
    const std::vector<Text>& arguments = call_.arguments;
    for (std::size_t i = 1; i < arguments.size(); ++i) {
      const Text argument = arguments[i];
      if (const auto wrt = arguments_of(argument, "wrt")) {
        add(piece_of(*wrt, 0), piece_of(*wrt, 1));
      } else if (const auto joint = arguments_of(argument, "jointly")) {
        add("all inputs", (*joint)[0]);
      } else if (const auto fused = arguments_of(argument, "fused_rule")) {
        add("all inputs", piece_of(*fused, 1));
      } else if (const auto formula = arguments_of(argument, "derivative")) {
        add(piece_of(arguments, formula_.derivatives.size() + 1), (*formula)[0]);
      } else if (argument.starts_with('[')) {
        if (formula_.forward.empty()) {
          formula_.forward = unindented(argument);
        } else {
          add(arguments[1], argument);
        }
      }
    }
    if (call_.function == "apply" && arguments.size() > 2) set_value(arguments[2]);
  }

  // A value that was computed before is shown by the statements that did.
  void set_value(Text value) {
    const bool named =
        value.starts_with("std::move(") || std::all_of(value.begin(), value.end(), in_word);
    std::string before = without_checks(statements_before(function_, call_.begin));
    for (const Text rule : rules_) {
      const std::size_t at = before.find(rule);
      if (at != std::string::npos) before.erase(at, rule.size());
    }
    before = unindented(before);
    formula_.forward = named && !before.empty() ? before : unindented(value);
  }

  void add(Text by, Text rule) {
    formula_.derivatives.push_back({unindented(by), unindented(resolved(rule))});
  }

  // What a local name stands for.
  Text resolved(Text rule) {
    if (const auto moved = arguments_of(rule, "std::move")) rule = (*moved)[0];
    if (rule.empty() || !std::all_of(rule.begin(), rule.end(), in_word)) return rule;
    const std::size_t defined = function_.find(fmt::format("auto {} = ", rule));
    if (defined == npos) return rule;
    const std::size_t begin = function_.find('=', defined) + 1;
    const std::size_t end = after_declaration(function_, begin);
    const std::size_t statement = function_.rfind('\n', defined) + 1;
    rules_.push_back(function_.substr(statement, end - statement));
    return trimmed(function_.substr(begin, end - begin - 1));
  }

  // A function of the same file to which the op's name is passed on.
  void read_helper() {
    const Text helper = declaration_of(all_, call_.function);
    for (std::size_t at = helper.find("name,"); at != npos; at = helper.find("name,", at + 1)) {
      const auto call = call_around(helper, at);
      if (!call || (call->function != "apply" && call->function != "binary")) continue;
      const Formula inner = Cutter(all_, helper, *call).cut();
      formula_.derivatives = inner.derivatives;
      formula_.forward = inner.forward;
      formula_.definition += "\n\n" + inner.definition;
    }
  }

  // A fused op names the composition that it equals.
  void find_composition() {
    const Text text = formula_.definition;
    for (std::size_t at = 0; at < text.size() && formula_.composition.empty();) {
      const std::size_t next = after_token(text, at);
      const Text word = text.substr(at, next - at);
      if (word.ends_with("composition") && next < text.size() && text[next] == '(') {
        formula_.composition = unindented(declaration_of(all_, word));
      }
      at = next;
    }
  }

  const std::vector<Text>& all_;
  Text function_;
  Call call_;
  std::vector<Text> rules_;  // the statements that define local rules
  Formula formula_;
};

std::string read_file(const char* path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

bool is_path_end(Text path, Text end) {
  return path == end || (path.ends_with(end) && path[path.size() - end.size() - 1] == '/');
}

// The embedded file that a path of the compiler's names, or null.
const EmbeddedFile* embedded_at(Text path) {
  for (const EmbeddedFile& file : embedded_files()) {
    if (is_path_end(path, file.path)) return &file;
  }
  return nullptr;
}

}  // namespace

std::string_view source_of(const Site& site) {
  if (const EmbeddedFile* const file = embedded_at(site.file_name())) return file->text;
  thread_local std::map<std::string, std::string, std::less<>> read;
  const auto known = read.find(Text(site.file_name()));
  if (known != read.end()) return known->second;
  return read.emplace(site.file_name(), read_file(site.file_name())).first->second;
}

std::string statement_at(std::string_view text, std::uint32_t line) {
  for (; line > 1 && !text.empty(); --line) text.remove_prefix(after(text, "\n", 0));
  const auto line_end = [&](std::size_t at) { return std::min(text.find('\n', at), text.size()); };
  std::size_t end = line_end(0);
  for (std::size_t at = 0; at < end; end = std::max(end, line_end(at - 1))) {
    at = text[at] == '(' || text[at] == '[' ? after_brackets(text, at) : after_token(text, at);
  }
  if (std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(end), '\n') >
      most_lines) {
    end = line_end(0);
  }
  const std::size_t indent = std::min(text.find_first_not_of(' '), end);
  std::string result(trimmed(text.substr(0, end)));
  for (std::size_t at = result.find('\n'); at != npos; at = result.find('\n', at + 1)) {
    const std::size_t code = std::min(result.find_first_not_of(' ', at + 1), result.size());
    result.erase(at + 1, std::min(indent, code - at - 1));
  }
  return result;
}

std::optional<Formula> formula_in(std::string_view source, std::uint32_t line, std::uint32_t column,
                                  std::string_view op) {
  std::size_t at = 0;
  for (std::uint32_t i = 1; i < line && at < source.size(); ++i) at = after(source, "\n", at);
  at = std::min(at + std::max<std::uint32_t>(column, 1) - 1, source.size());
  // Compilers disagree whether an argument that converts stands where it does or where its call's
  // bracket opens.
  const std::size_t name = source.find(fmt::format("\"{}\"", op), at);
  if (name == npos) return std::nullopt;
  const std::vector<Text> all = declarations(source);
  for (const Text declaration : all) {
    const auto begin = static_cast<std::size_t>(declaration.data() - source.data());
    if (name < begin || name >= begin + declaration.size()) continue;
    const auto call = call_around(declaration, name - begin);
    if (!call) return std::nullopt;
    Formula formula = Cutter(all, declaration, *call).cut();
    formula.line = line;
    return formula;
  }
  return std::nullopt;
}

std::optional<Formula> formula_at(const Site& definition, const std::string& op) {
  auto formula = formula_in(source_of(definition), definition.line(), definition.column(), op);
  if (!formula) return formula;
  const Text path = definition.file_name();
  const EmbeddedFile* const file = embedded_at(path);
  formula->file = file ? file->path : path.substr(path.find_last_of('/') + 1);
  return formula;
}

}  // namespace attune
