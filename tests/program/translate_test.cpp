// `seq2seq translate`: answers and their order, complaints and exit statuses, and the heat map.

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <sstream>

#include "nn/data/display_width.h"
#include "tests/program/models.h"
#include "tests/program/sandbox.h"

using namespace attune;

namespace {

// A sandbox with the models that the tests use.
class TranslatedModels : public Sandbox {
 public:
  TranslatedModels() {
    nn::save_checkpoint(path("dates.safetensors"), reversing_model());
    nn::save_checkpoint(path("words.safetensors"), german_model());
  }
};

const TranslatedModels& models() {
  static const TranslatedModels models;
  return models;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

}  // namespace

TEST_CASE("an argument is a text, and each gets a line") {
  const Outcome one = models().run("translate abc");
  CHECK(one.status == 0);
  CHECK(one.out == "cba\n");
  CHECK(one.err == "");
  const Outcome three = models().run("translate d abc '你 b'");
  CHECK(three.status == 0);
  CHECK(three.out == "d\ncba\nb 你\n");
  CHECK(models().run("translate --model words.safetensors 'the  cold sea'").out ==
        "das kalte meer\n");
}

TEST_CASE("stdin is answered line by line, whatever its line ends") {
  models().write("input",
                 "\xEF\xBB\xBF"
                 "abc\r\n\nd\n你 b");
  const Outcome outcome = models().run("translate < input");
  CHECK(outcome.status == 0);
  CHECK(outcome.out == "cba\n\nd\nb 你\n");
  CHECK(outcome.err == "");
}

TEST_CASE("an answer is there before the next question") {
  int to[2], from[2];
  REQUIRE(pipe(to) == 0);
  REQUIRE(pipe(from) == 0);
  const pid_t child = fork();
  if (child == 0) {
    dup2(to[0], STDIN_FILENO);
    dup2(from[1], STDOUT_FILENO);
    for (const int end : {to[0], to[1], from[0], from[1]}) close(end);
    execl(ATTUNE_SEQ2SEQ, "seq2seq", "translate", "--model",
          models().path("dates.safetensors").c_str(), static_cast<char*>(nullptr));
    _exit(127);
  }
  close(to[0]);
  close(from[1]);
  for (const auto& [question, answer] : {std::pair{"abc\n", "cba\n"}, {"d\n", "d\n"}}) {
    REQUIRE(write(to[1], question, std::string(question).size()) > 0);
    pollfd ready{from[0], POLLIN, 0};
    REQUIRE(poll(&ready, 1, 20000) == 1);
    char buffer[100];
    const ssize_t size = read(from[0], buffer, sizeof buffer);
    CHECK(std::string(buffer, static_cast<std::size_t>(std::max<ssize_t>(size, 0))) == answer);
  }
  close(to[1]);
  int status = -1;
  waitpid(child, &status, 0);
  CHECK(status == 0);
  close(from[0]);
}

TEST_CASE("a bad line costs nothing but its own answer") {
  models().write("input", "abc\nabx\xC3\xA9\nab\xFF\n" + std::string(50, 'a') + "\nd\n");
  const Outcome outcome = models().run("translate < input");
  CHECK(outcome.status == 1);
  const std::vector<std::string> lines = lines_of(outcome.out);
  REQUIRE(lines.size() == 5);
  CHECK(lines[0] == "cba");
  CHECK(lines[1] != "");  // a guess
  CHECK(lines[2] == "");
  CHECK(lines[3] == "");
  CHECK(lines[4] == "d");
  CHECK(outcome.err ==
        "stdin:2: the model does not know \"x\", \"é\", and its answer is a guess; "
        "--allow-unknown lets that pass\n"
        "stdin:3: the text is not valid UTF-8 at byte 2 (0xFF); convert it first\n"
        "stdin:4: the text has 50 tokens, and the longest one trained on has 3; give it in parts, "
        "or allow more with --max-source\n"
        "seq2seq: 3 of 5 texts got no proper answer\n");
}

TEST_CASE("complaints about arguments name them by number, a single one needs no name") {
  const Outcome two = models().run("translate abc xyz");
  CHECK(two.status == 1);
  CHECK(two.err.starts_with("argument 2: the model does not know \"x\", \"y\", \"z\""));
  const Outcome one = models().run("translate abx");
  CHECK(one.status == 1);
  CHECK(lines_of(one.out).size() == 1);
  CHECK(one.err.starts_with("seq2seq: the model does not know \"x\""));
  CHECK(lines_of(one.err).size() == 1);
}

TEST_CASE("what is doubtful by default can be allowed") {
  const Outcome unknown = models().run("translate --allow-unknown abx");
  CHECK(unknown.status == 0);
  CHECK(unknown.err == "");
  CHECK(models().run("translate aaaaaaa").status == 1);
  CHECK(models().run("translate --max-source 7 aaaaaaa").err.find("trained on") ==
        std::string::npos);
  CHECK(models().run("translate --max-source 2 abc").err ==
        "seq2seq: the text has 3 tokens, and --max-source allows 2\n");
  const Outcome cut = models().run("translate --max-length 2 abc");
  CHECK(cut.out == "cb\n");
  CHECK(cut.status == 1);
  CHECK(cut.err ==
        "seq2seq: the answer did not end within 2 tokens, and is cut off there; --max-length "
        "allows more\n");
}

TEST_CASE("the best answers in order, with their scores") {
  const Outcome outcome = models().run("translate --n-best 3 --scores --beam 4 abc d");
  CHECK(outcome.status == 0);
  const std::vector<std::string> lines = lines_of(outcome.out);
  REQUIRE(lines.size() == 8);
  CHECK(lines[0].ends_with("\tcba"));
  CHECK(lines[3] == "");
  CHECK(lines[4].ends_with("\td"));
  CHECK(lines[7] == "");
  const double best = std::stod(lines[0]);
  CHECK(best < 0);
  CHECK(best > std::stod(lines[1]));
  CHECK(lines[1].substr(lines[1].find('\t')) != lines[2].substr(lines[2].find('\t')));
}

TEST_CASE("there must be something to translate, and a model to do it") {
  CHECK(models().run("translate").err ==
        "seq2seq: stdin: is empty; give one text a line, or texts as arguments\n");
  CHECK(models().run("translate < .").err == "seq2seq: stdin: cannot be read: Is a directory\n");
  for (const char* const model : {"none", ".", "text", "short"}) {
    CAPTURE(model);
    models().write("text", "this is no checkpoint, but has some length");
    models().write("short", models().read("dates.safetensors").substr(0, 2500));
    const Outcome outcome = models().run(std::string("translate abc --model ") + model);
    CHECK(outcome.status == 1);
    CHECK(outcome.out == "");
    CHECK(outcome.err.starts_with(std::string("seq2seq: ") + model + ": "));
    CHECK(lines_of(outcome.err).size() == 1);
  }
  CHECK(models().run("translate abc --model none").err ==
        "seq2seq: none: there is no such file; make it with `seq2seq train`, or name another "
        "model\n");
}

TEST_CASE("a full disk is an error at the first answer") {
  const Outcome outcome = models().run("translate abc d > /dev/full");
  CHECK(outcome.status == 1);
  CHECK(outcome.err == "seq2seq: stdout: cannot be written: No space left on device\n");
}

TEST_CASE("option values that make no sense are refused") {
  for (const char* const option :
       {"--beam 0", "--beam x", "--n-best 0", "--max-length 0", "--max-source -1",
        "--length-penalty nan", "--length-penalty -1", "--no-such-option"}) {
    CAPTURE(option);
    const Outcome outcome = models().run(std::string("translate abc ") + option);
    CHECK(outcome.status != 0);
    CHECK(outcome.out == "");
    CHECK(outcome.err != "");
  }
}

TEST_CASE("the heat map has a column a source token and a row a target token") {
  const Outcome outcome = models().run("translate --attention '你 b'");
  CHECK(outcome.status == 0);
  const std::vector<std::string> lines = lines_of(outcome.out);
  REQUIRE(lines.size() == 6);
  CHECK(lines[0] == "b 你");
  CHECK(lines[1] == "   你␣ b");
  CHECK(lines[2].starts_with(" b "));
  CHECK(lines[3].starts_with(" ␣ "));
  CHECK(lines[4].starts_with("你 "));
  CHECK(lines[5] == "");
}

TEST_CASE("the shade of a cell tells its weight") {
  const nn::Translation known = nn::Translator(reversing_model()).translate("dca");
  const std::vector<std::string> lines = lines_of(models().run("translate -a dca").out);
  REQUIRE(lines.size() == 2 + known.weights.size() + 1);
  for (std::size_t row = 0; row < known.weights.size(); ++row) {
    std::string expected = known.target_tokens[row] + ' ';
    for (const float weight : known.weights[row]) {
      const std::string block = weight < 0.05f   ? " "
                                : weight < 0.25f ? "░"
                                : weight < 0.5f  ? "▒"
                                : weight < 0.75f ? "▓"
                                                 : "█";
      expected += block + block;
    }
    expected.erase(expected.find_last_not_of(' ') + 1);
    CHECK(lines[2 + row] == expected);
  }
  CHECK(models().run("translate -a d").out == "d\n  d\nd ██\n\n");
}

TEST_CASE("words read downwards above their columns") {
  const Outcome outcome = models().run("translate -a -m words.safetensors 'the old sea is cold'");
  const std::vector<std::string> lines = lines_of(outcome.out);
  REQUIRE(lines.size() == 1 + 4 + 5 + 1);
  CHECK(lines[1] == "             c");
  CHECK(lines[2] == "     t o s   o");
  CHECK(lines[3] == "     h l e i l");
  CHECK(lines[4] == "     e d a s d");
  const char* const side[] = {" das ", "alte ", "meer ", " ist ", "kalt "};
  for (std::size_t i = 0; i < 5; ++i) CHECK(lines[5 + i].starts_with(side[i]));
}

TEST_CASE("a source that is too long for the terminal is cut into pieces") {
  // Without a terminal there are 80 columns: 39 cells of two columns beside the side.
  const std::string text(100, 'a');
  const auto joined = [](std::size_t count) {
    std::string header;
    for (std::size_t i = 0; i < count; ++i) header += i == 0 ? "a" : " a";
    return header;
  };
  const Outcome outcome =
      models().run("translate -a --max-source 200 --max-length 1 " + text + " 2>/dev/null");
  const std::vector<std::string> lines = lines_of(outcome.out);
  REQUIRE(lines.size() == 1 + 3 * 2 + 2 + 1);
  CHECK(lines[1] == "  " + joined(39));
  CHECK(lines[4] == "  " + joined(39));
  CHECK(lines[7] == "  " + joined(22));
  for (const std::string& line : lines) CHECK(data::display_width(line) <= 80);
  // One column a cell where that is what it takes.
  const std::vector<std::string> narrow = lines_of(
      models().run("translate -a --max-source 200 --max-length 1 " + text.substr(0, 60)).out);
  REQUIRE(narrow.size() == 4);
  CHECK(narrow[1] == "  " + text.substr(0, 60));
}

TEST_CASE("a terminal gets colours, unless the user wants none") {
  if (std::system("script -qec true /dev/null >/dev/null 2>&1") != 0) {
    MESSAGE("skipped: there are no pseudo-terminals here, or no script(1)");
    return;
  }
  const auto in_terminal = [](const std::string& environment) {
    const std::string command = environment + " '" ATTUNE_SEQ2SEQ "' translate -a d";
    models().write("in_terminal.sh", "script -qec \"" + command + "\" /dev/null > picture\n");
    REQUIRE(std::system(
                ("cd '" + models().path("") + "' && sh in_terminal.sh </dev/null").c_str()) == 0);
    return models().read("picture");
  };
  const std::string coloured = in_terminal("TERM=xterm-256color NO_COLOR=");
  CHECK(coloured.find("\x1b[48;5;") != std::string::npos);
  CHECK(coloured.find("█") == std::string::npos);
  for (const char* const plain : {"TERM=xterm NO_COLOR=1", "TERM=dumb"}) {
    const std::string picture = in_terminal(plain);
    CHECK(picture.find("\x1b") == std::string::npos);
    CHECK(picture.find("█") != std::string::npos);
  }
}

TEST_CASE("a model without attention has none to show") {
  nn::save_checkpoint(
      models().path("blind.safetensors"),
      trained_checkpoint(reversals(), data::Tokens::character, nn::Attention::none));
  CHECK(models().run("translate -m blind.safetensors abc").out == "cba\n");
  const Outcome outcome = models().run("translate --attention -m blind.safetensors abc");
  CHECK(outcome.status == 1);
  CHECK(outcome.err ==
        "seq2seq: blind.safetensors: has no attention to show, it was trained with --attention "
        "none\n");
}

TEST_CASE("help tells of every option") {
  const Outcome outcome = models().run("translate --help");
  CHECK(outcome.status == 0);
  for (const char* const option :
       {"--model", "--beam", "--length-penalty", "--max-length", "--n-best", "--scores",
        "--attention", "--allow-unknown", "--max-source", "stdin"}) {
    CAPTURE(option);
    CHECK(outcome.out.find(option) != std::string::npos);
  }
}
