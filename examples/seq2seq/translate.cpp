#include "examples/seq2seq/translate.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <string>
#include <vector>

#include "autograd/error.h"
#include "examples/seq2seq/console.h"
#include "examples/seq2seq/files.h"
#include "examples/seq2seq/heatmap.h"
#include "examples/seq2seq/pictures/alignment.h"
#include "examples/seq2seq/pictures/page.h"

namespace seq2seq {
namespace {

namespace nn = attune::nn;
using attune::Error;

// A source is far longer than any trained on if it is longer than so many times the longest.
constexpr std::int64_t far_longer = 2;

// A text that gets no answer, or a doubtful one. What there is to write for it has been written.
class BadText : public Error {
 public:
  using Error::Error;
};

// The tokens as they are shown to a person, but not more than a few.
std::string listed(const std::vector<std::string>& tokens) {
  constexpr std::size_t most = 8;
  std::vector<std::string> names;
  for (std::size_t i = 0; i < std::min(tokens.size(), most); ++i) {
    names.push_back(fmt::format("\"{}\"", visible(tokens[i])));
  }
  if (tokens.size() > most) names.push_back(fmt::format("and {} more", tokens.size() - most));
  return fmt::format("{}", fmt::join(names, ", "));
}

// The picture's place if no file is named.
constexpr std::string_view terminal = "terminal";

bool draws_file(const TranslateOptions& options) {
  return !options.attention.empty() && options.attention != terminal;
}

std::string extension(const std::string& path) {
  return std::filesystem::path(path).extension().string();
}

// Error where no picture can be drawn as it is asked for.
void check_picture(const TranslateOptions& options) {
  if (!draws_file(options)) return;
  const std::string kind = extension(options.attention);
  if (kind != ".html" && kind != ".svg" && kind != ".png") {
    throw Error(
        fmt::format("--attention: \"{}\" must end in .html, .svg or .png", options.attention));
  }
  if (options.texts.size() != 1) {
    throw Error("--attention=FILE: draws one text; give one as an argument");
  }
}

void draw(const std::string& path, const std::string& text, const nn::Translation& translation) {
  const std::string kind = extension(path);
  if (translation.weights.empty()) {
    throw Error(fmt::format("{}: is not written, for the answer is empty", path));
  }
  if (kind == ".svg") return replace_file(path, alignment_svg(translation));
  if (kind == ".png") return replace_file(path, alignment_png(translation));
  const std::string title = fmt::format("{} → {}", text, translation.text);
  replace_file(
      path, page(title, fmt::format("<h1>{}</h1>\n<p class=\"faint\">The text along the top, the "
                                    "answer down the side; the stronger a cell, the more that "
                                    "token looked there.</p>\n<div class=\"scroll\">{}</div>\n",
                                    escaped(title), alignment_element(translation))));
}

// Answers one text after the other.
class Answerer {
 public:
  explicit Answerer(const TranslateOptions& options)
      : options_(options),
        checkpoint_(open_model(options.decoding.model)),
        translator_(make_translator(checkpoint_, options.decoding.model)),
        decode_(decode_options(options.decoding, checkpoint_)),
        style_{terminal_columns(), shows_colours()} {
    decode_.beam = std::max(decode_.beam, options.candidates);
    if (!options.attention.empty() && !translator_.model().attends()) {
      throw Error(fmt::format("{}: has no attention to show, it was trained with --attention none",
                              options.decoding.model));
    }
  }

  // Throws BadText.
  void answer(const std::string& text) const {
    try {
      check_length(text);
    } catch (const Error& error) {
      write_out("\n");
      throw BadText(error.what());
    }
    std::vector<nn::Translation> found = translator_.candidates(text, decode_);
    found.resize(std::min(found.size(), static_cast<std::size_t>(options_.candidates)));
    write(found);
    if (draws_file(options_)) draw(options_.attention, text, found.front());
    complain(found.front());
  }

 private:
  // Error, too, where the text is not UTF-8.
  void check_length(const std::string& text) const {
    const auto length =
        static_cast<std::int64_t>(tokenize(text, translator_.tokens().source).size());
    const std::int64_t longest = checkpoint_.longest_source;
    if (options_.max_source > 0 && length > options_.max_source) {
      throw Error(fmt::format("the text has {} tokens, and --max-source allows {}", length,
                              options_.max_source));
    }
    if (options_.max_source == 0 && longest > 0 && length > far_longer * longest) {
      throw Error(
          fmt::format("the text has {} tokens, and the longest one trained on has {}; give it in "
                      "parts, or allow more with --max-source",
                      length, longest));
    }
  }

  void write(const std::vector<nn::Translation>& found) const {
    std::string lines;
    for (const nn::Translation& translation : found) {
      std::string text = translation.text;
      std::replace(text.begin(), text.end(), '\n', ' ');  // an answer is a line
      if (options_.scores) lines += fmt::format("{:.4f}\t", translation.log_probability);
      lines += text + '\n';
      if (options_.attention == terminal) lines += heatmap(translation, style_) + '\n';
    }
    if (options_.candidates > 1) lines += '\n';
    write_out(lines);
  }

  void complain(const nn::Translation& best) const {
    if (!options_.allow_unknown && !best.unknown.empty()) {
      throw BadText(fmt::format(
          "the model does not know {}, and its answer is a guess; --allow-unknown lets that pass",
          listed(best.unknown)));
    }
    if (!best.finished) {
      throw Error(
          fmt::format("the answer did not end within {} tokens, and is cut off there; "
                      "--max-length allows more",
                      decode_.max_length));
    }
  }

  const TranslateOptions& options_;
  nn::Checkpoint checkpoint_;
  nn::Translator translator_;
  nn::DecodeOptions decode_;
  HeatmapStyle style_;
};

// Answers many texts, whatever happens with one of them.
class Run {
 public:
  explicit Run(const Answerer& answerer) : answerer_(answerer) {}

  // `name` is what errors call the text.
  void answer(const std::string& text, const std::string& name) {
    ++texts_;
    try {
      answerer_.answer(text);
    } catch (const BadText& error) {
      ++failures_;
      fmt::print(stderr, "{}: {}\n", name, error.what());
    }
  }

  std::size_t texts() const { return texts_; }

  void finish() const {
    if (failures_ == 0) return;
    throw Error(fmt::format("{} of {} texts got no proper answer", failures_, texts_));
  }

 private:
  const Answerer& answerer_;
  std::size_t texts_ = 0;
  std::size_t failures_ = 0;
};

void answer_stdin(Run& run) {
  const bool by_hand = isatty(STDIN_FILENO) == 1;
  if (by_hand) fmt::print(stderr, "Type a text and press Enter; Ctrl-D ends.\n");
  std::string line;
  while (std::getline(std::cin, line)) {
    constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
    if (run.texts() == 0 && line.starts_with(byte_order_mark))
      line.erase(0, byte_order_mark.size());
    if (line.ends_with('\r')) line.pop_back();
    run.answer(line, fmt::format("stdin:{}", run.texts() + 1));
  }
  if (std::ferror(stdin) != 0) {
    throw Error(fmt::format("stdin: cannot be read: {}", std::strerror(errno)));
  }
  if (run.texts() == 0 && !by_hand) {
    throw Error("stdin: is empty; give one text a line, or texts as arguments");
  }
}

}  // namespace

void translate(const TranslateOptions& options) {
  check_picture(options);
  const Answerer answerer(options);
  if (options.texts.size() == 1) return answerer.answer(options.texts.front());
  Run run(answerer);
  if (options.texts.empty()) answer_stdin(run);
  for (const std::string& text : options.texts) {
    run.answer(text, fmt::format("argument {}", run.texts() + 1));
  }
  run.finish();
}

}  // namespace seq2seq
