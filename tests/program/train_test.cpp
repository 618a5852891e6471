// `seq2seq train`: what it prints and leaves, interruption and resumption, and what it refuses.

#include <doctest/doctest.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <sstream>
#include <thread>

#include "nn/checkpoint.h"
#include "tests/program/models.h"
#include "tests/program/sandbox.h"

using namespace attune;
using doctest::Contains;

namespace {

// A training of a moment.
const std::string tiny =
    "train --hidden 8 --embedding 8 --dates 200 --batch 16 --validate-every 20 --stop-at 0 "
    "--threads 1 ";

// Whether two files have equal parameters and optimiser state, in every bit.
bool equal_bits(const std::string& a, const std::string& b) {
  const nn::Checkpoint x = nn::load_checkpoint(a), y = nn::load_checkpoint(b);
  const auto equal = [](const nn::NamedTensors& left, const nn::NamedTensors& right) {
    if (left.size() != right.size() || left.empty()) return false;
    for (std::size_t i = 0; i < left.size(); ++i) {
      if (left[i].first != right[i].first || left[i].second.shape() != right[i].second.shape() ||
          left[i].second.to_vector<double>() != right[i].second.to_vector<double>()) {
        return false;
      }
    }
    return true;
  };
  return equal(x.parameters, y.parameters) && equal(x.training->optimiser, y.training->optimiser) &&
         x.training->values == y.training->values && x.training->step == y.training->step;
}

std::string line_with(const std::string& text, const std::string& part) {
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) {
    if (line.find(part) != std::string::npos) return line;
  }
  return "";
}

// The commands that a training ends with.
std::vector<std::string> suggestions(const std::string& out) {
  std::vector<std::string> commands;
  std::istringstream stream(out.substr(std::min(out.find("Next:\n"), out.size())));
  for (std::string line; std::getline(stream, line);) {
    const std::string program = fmt::format("  {} ", ATTUNE_SEQ2SEQ);
    if (line.starts_with(program)) commands.push_back(line.substr(program.size()));
  }
  return commands;
}

// Whether a command does its work; a model that has learned too little may give a bad answer.
bool works(const Sandbox& sandbox, std::string command) {
  if (command.starts_with("train")) command = "train --quiet --steps 1 " + command.substr(5);
  CAPTURE(command);
  const Outcome outcome = sandbox.run(command);
  CHECK((outcome.err == "" || outcome.err.find("the answer did not end") != std::string::npos));
  return outcome.out != "";
}

// A training that runs until a signal, in the sandbox's folder; stdout goes to "log".
class Running {
 public:
  Running(const Sandbox& sandbox, const std::string& arguments) {
    std::istringstream stream(arguments);
    std::vector<std::string> words{"seq2seq"};
    for (std::string word; stream >> word;) words.push_back(word);
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    const std::string folder = sandbox.path("");
    child_ = fork();
    if (child_ != 0) return;
    const int log = open((folder + "log").c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (chdir(folder.c_str()) == 0 && log >= 0) {
      dup2(log, STDOUT_FILENO);
      dup2(log, STDERR_FILENO);
      execv(ATTUNE_SEQ2SEQ, argv.data());
    }
    _exit(127);
  }
  // The exit status once the signal has been sent, or minus the signal that ended it.
  int end_by(int signal) const {
    kill(child_, signal);
    int status = 0;
    waitpid(child_, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

 private:
  pid_t child_;
};

template <class F>
bool wait_for(F&& condition) {
  for (int i = 0; i < 2000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

// The single sentence on stderr of a command that must fail; empty where there are more or none.
std::string refusal(const Sandbox& sandbox, const std::string& arguments) {
  const Outcome outcome = sandbox.run(arguments);
  CHECK(outcome.status > 0);
  CHECK(outcome.out.find("step") == std::string::npos);
  const bool one_line = outcome.err.find('\n') + 1 == outcome.err.size();
  const bool with_help = outcome.err.find("--help.\n") != std::string::npos;
  CHECK((one_line || with_help));
  return outcome.err;
}

}  // namespace

TEST_CASE("dates are learned with plain lines, a test, and what to do next") {
  const Sandbox sandbox;
  const Outcome outcome = sandbox.run(tiny + "--steps 40");
  REQUIRE(outcome.status == 0);
  CHECK(outcome.err == "");
  CHECK(outcome.out.find_first_of("\r\x1b") == std::string::npos);
  CHECK(line_with(outcome.out, "step 20/40").find("loss") != std::string::npos);
  CHECK(line_with(outcome.out, "Test on unseen dates").find("of 2,000 exactly right") !=
        std::string::npos);
  CHECK(line_with(outcome.out, "The model is in dates.safetensors") != "");
  sandbox.write("pairs.tsv", "a\tb\nb\ta\n");
  const std::vector<std::string> next = suggestions(outcome.out);
  REQUIRE(next.size() == 5);
  for (const std::string& command : next) CHECK(works(sandbox, command));
  const std::string inspected = sandbox.run("inspect").out;
  CHECK(inspected.find("  steps                  40\n") != std::string::npos);
  CHECK(inspected.find("  validations since best 0\n") != std::string::npos);
  CHECK(sandbox.run(tiny + "--quiet --steps 1").out.find("step 1") == std::string::npos);
}

TEST_CASE("a user's own pairs are learned, by words, with a validation set of their own") {
  const Sandbox sandbox;
  sandbox.write("pairs.tsv", "the sea\tdas meer\nthe cold sea\tdas kalte meer\r\nice\teis\n");
  sandbox.write("valid.tsv", "cold ice\tkaltes eis\n");
  const Outcome outcome = sandbox.run(
      "train --data pairs.tsv --valid valid.tsv --tokens word --hidden 16 --embedding 8 "
      "--steps 200 --lr 0.02 --warmup 10 --validate-every 50");
  REQUIRE(outcome.status == 0);
  CHECK(outcome.out.find("3 pairs to train with, 1 to validate") != std::string::npos);
  CHECK(outcome.out.find("BLEU") != std::string::npos);
  CHECK(sandbox.run("translate -m pairs.safetensors 'the sea'").status == 0);
}

TEST_CASE("what is suggested works for names and texts that a shell or an option would take") {
  const Sandbox sandbox;
  sandbox.write("it's $5.tsv", "-x \"`$5\tcold\n20 'c'\tmild\n");
  const Outcome outcome = sandbox.run(
      "train --data \"it's \\$5.tsv\" --valid \"it's \\$5.tsv\" --hidden 8 --embedding 8 "
      "--steps 100 --validate-every 50");
  REQUIRE(outcome.status == 0);
  const std::vector<std::string> next = suggestions(outcome.out);
  REQUIRE(next.size() == 4);
  CHECK(works(sandbox, next[0]));
  CHECK(works(sandbox, next[1]));
  CHECK(works(sandbox, next[3]));
}

TEST_CASE("bytes are tokens, too") {
  const Sandbox sandbox;
  sandbox.write("pairs.tsv", "ä\tö\nü\tß\n");
  REQUIRE(sandbox.run("train --data pairs.tsv --tokens byte --hidden 8 --embedding 8 --steps 2")
              .status == 0);
  CHECK(nn::load_checkpoint(sandbox.path("pairs.safetensors")).tokens == data::Tokens::byte);
}

TEST_CASE("equal seeds give equal bits on any number of threads, other seeds others") {
  const Sandbox sandbox;
  const std::string steps = tiny + "--quiet --steps 25 ";
  REQUIRE(sandbox.run(steps + "--seed 7 --out a.safetensors").status == 0);
  REQUIRE(sandbox.run(steps + "--seed 7 --out b.safetensors --threads 2").status == 0);
  REQUIRE(sandbox.run(steps + "--seed 8 --out c.safetensors").status == 0);
  CHECK(equal_bits(sandbox.path("a.safetensors"), sandbox.path("b.safetensors")));
  CHECK_FALSE(equal_bits(sandbox.path("a.safetensors"), sandbox.path("c.safetensors")));
}

TEST_CASE("more steps later are the steps that would have followed") {
  const Sandbox sandbox;
  const std::string options = tiny + "--dropout 0.2 --scheduled-sampling 0.3 --quiet ";
  REQUIRE(sandbox.run(options + "--steps 50 --out whole.safetensors").status == 0);
  REQUIRE(sandbox.run(options + "--steps 23 --out parts.safetensors").status == 0);
  REQUIRE(sandbox.run("train --resume parts.safetensors --steps 50 --quiet").status == 0);
  CHECK(equal_bits(sandbox.path("whole.safetensors"), sandbox.path("parts.safetensors")));
}

TEST_CASE("Ctrl-C saves, says how to go on, and costs nothing") {
  const Sandbox sandbox;
  const std::string endless = tiny + "--steps 0 ";
  const Running training(sandbox, endless + "--out a.safetensors");
  REQUIRE(wait_for([&] { return sandbox.read("log").find("step 20") != std::string::npos; }));
  CHECK(training.end_by(SIGINT) == 128 + SIGINT);
  const std::string log = sandbox.read("log");
  CHECK(log.find("train --resume a.safetensors\n") != std::string::npos);
  const std::int64_t steps = nn::load_checkpoint(sandbox.path("a.safetensors")).training->step;
  CHECK(log.find("step 20  loss") != std::string::npos);  // of an unknown number
  CHECK(line_with(log, "Stopped after step").find(std::to_string(steps % 1000)) !=
        std::string::npos);
  const std::string limit = "--quiet --steps " + std::to_string(steps + 10);
  REQUIRE(sandbox.run("train --resume a.safetensors " + limit).status == 0);
  REQUIRE(sandbox.run(endless + "--out b.safetensors " + limit).status == 0);
  CHECK(equal_bits(sandbox.path("a.safetensors"), sandbox.path("b.safetensors")));
}

TEST_CASE("what is resumed can go elsewhere, and may have nothing left to do") {
  const Sandbox sandbox;
  REQUIRE(sandbox.run(tiny + "--quiet --steps 5 --out a.safetensors").status == 0);
  const std::string before = sandbox.read("a.safetensors");
  const Outcome outcome = sandbox.run("train --resume a.safetensors --out b.safetensors --steps 4");
  CHECK(outcome.status == 0);
  CHECK(outcome.out.find("Going on after step 5.") != std::string::npos);
  CHECK(outcome.out.find("There was nothing left to do") != std::string::npos);
  CHECK(sandbox.read("a.safetensors") == before);
  CHECK(equal_bits(sandbox.path("a.safetensors"), sandbox.path("b.safetensors")));
}

TEST_CASE("what cannot be saved is not given up") {
  const Sandbox sandbox;
  std::filesystem::create_directory(sandbox.path("folder"));
  std::filesystem::create_directory(sandbox.path("temporary"));
  setenv("TMPDIR", sandbox.path("temporary").c_str(), 1);
  const Running training(sandbox, tiny + "--steps 0 --save-every 100 --out folder/a.safetensors");
  unsetenv("TMPDIR");
  REQUIRE(wait_for([&] { return sandbox.read("folder/a.safetensors") != ""; }));
  std::filesystem::rename(sandbox.path("folder"), sandbox.path("moved"));
  const char* const warning = "No such file or directory. Training goes on";
  REQUIRE(wait_for([&] { return sandbox.read("log").find(warning) != std::string::npos; }));
  CHECK(training.end_by(SIGTERM) == 1);
  const std::string last = line_with(sandbox.read("log"), "The training is in ");
  const std::size_t begin = last.find(sandbox.path("temporary"));
  REQUIRE(begin != std::string::npos);
  const nn::Checkpoint saved =
      nn::load_checkpoint(last.substr(begin, last.find(' ', begin) - begin));
  CHECK(saved.training->step >
        nn::load_checkpoint(sandbox.path("moved/a.safetensors")).training->step);
}

TEST_CASE("who stops reading the progress loses nothing") {
  const Sandbox sandbox;
  const Outcome full = sandbox.run(tiny + "--steps 30 --out a.safetensors > /dev/full");
  CHECK(full.status == 1);
  CHECK(full.err.find("cannot be written: No space left on device") != std::string::npos);
  CHECK(nn::load_checkpoint(sandbox.path("a.safetensors")).training->step == 30);
  sandbox.write("run.sh", std::string("'") + ATTUNE_SEQ2SEQ + "' " + tiny +
                              "--steps 0 --out b.safetensors | head -6 >out\n");
  REQUIRE(std::system(("cd '" + sandbox.path("") + "' && sh run.sh </dev/null").c_str()) == 0);
  CHECK(nn::load_checkpoint(sandbox.path("b.safetensors")).training->step >= 20);
}

TEST_CASE("a kill at any moment leaves a whole checkpoint") {
  for (const int milliseconds : {0, 3, 11, 24, 40}) {
    const Sandbox sandbox;
    const Running training(sandbox, tiny + "--steps 0 --save-every 1 --out a.safetensors");
    REQUIRE(wait_for([&] { return sandbox.read("a.safetensors") != ""; }));
    std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
    CHECK(training.end_by(SIGKILL) == -SIGKILL);
    CHECK(nn::load_checkpoint(sandbox.path("a.safetensors")).training->step > 0);
  }
}

TEST_CASE("data that cannot be used is named by file and line, and nothing is lost") {
  const Sandbox sandbox;
  nn::save_checkpoint(sandbox.path("good.safetensors"), reversing_model());
  const std::string good = sandbox.read("good.safetensors");
  sandbox.write("no_tab.tsv", "a\tb\nc d\n");
  sandbox.write("two_tabs.tsv", "a\tb\tc\n");
  sandbox.write("latin1.tsv", "a\tb\ncaf\xE9\tc\n");
  sandbox.write("empty.tsv", "");
  const auto data = [&](const std::string& file) {
    return refusal(sandbox, "train --out good.safetensors --data " + file);
  };
  CHECK(data("no_tab.tsv") ==
        "seq2seq: no_tab.tsv:2: there is no tab; a line is a source, one tab and a target\n");
  CHECK(data("two_tabs.tsv").find("two_tabs.tsv:1: ") != std::string::npos);
  CHECK(data("latin1.tsv").find("latin1.tsv:2: byte 0xE9 at column 4 is not valid UTF-8") !=
        std::string::npos);
  CHECK(data("empty.tsv").find("empty.tsv: is empty") != std::string::npos);
  CHECK(data(".").find(".: is a directory") != std::string::npos);
  CHECK(data("missing.tsv").find("missing.tsv: cannot be read") != std::string::npos);
  CHECK(data("''") == "seq2seq: --data: must name a file, not \"\"\nSee " ATTUNE_SEQ2SEQ
                      " train --help.\n");
  CHECK(data("caf\xE9.tsv").find("--data: must be valid UTF-8; rename the file") !=
        std::string::npos);
  CHECK(refusal(sandbox, "train --out good.safetensors --valid no_tab.tsv")
            .find("--valid: goes with pairs") != std::string::npos);
  CHECK(sandbox.read("good.safetensors") == good);
}

TEST_CASE("what is no checkpoint, or not this training's, is not resumed") {
  const Sandbox sandbox;
  REQUIRE(sandbox.run(tiny + "--quiet --steps 5 --out a.safetensors").status == 0);
  const std::string whole = sandbox.read("a.safetensors");
  sandbox.write("short.safetensors", whole.substr(0, whole.size() / 2));
  sandbox.write("foreign.safetensors", "once upon a time there was a file");
  nn::save_checkpoint(sandbox.path("model.safetensors"), reversing_model());
  const auto resume = [&](const std::string& arguments) {
    return refusal(sandbox, "train --resume " + arguments);
  };
  CHECK(resume("short.safetensors").find("cut short") != std::string::npos);
  CHECK(resume("foreign.safetensors").find("is no safetensors file") != std::string::npos);
  CHECK(resume("missing.safetensors").find("there is no such file") != std::string::npos);
  CHECK(resume(".").find("it is a directory") != std::string::npos);
  CHECK(resume("model.safetensors").find("does not say with what") != std::string::npos);
  CHECK(resume("a.safetensors --hidden 9").find("--hidden 8, which cannot change") !=
        std::string::npos);
  CHECK(sandbox.read("a.safetensors") == whole);
  sandbox.write("pairs.tsv", "a\tb\nb\ta\n");
  REQUIRE(sandbox.run("train --data pairs.tsv --hidden 8 --quiet --steps 1").status == 0);
  sandbox.write("pairs.tsv", "a\tb\nb\tb\n");
  CHECK(resume("pairs.safetensors").find("The pairs are not those") != std::string::npos);
}

TEST_CASE("an output that cannot be written is found out before training") {
  const Sandbox sandbox;
  sandbox.write("letter.txt", "dear all, this must not be lost");
  const auto out = [&](const std::string& path) {
    return refusal(sandbox, tiny + "--steps 5 --out " + path);
  };
  CHECK(out("letter.txt").find("it will not be overwritten") != std::string::npos);
  CHECK(sandbox.read("letter.txt") == "dear all, this must not be lost");
  CHECK(out("/dev/full") != "");
  CHECK(out("nowhere/a.safetensors").find("No such file or directory") != std::string::npos);
  CHECK(out(".").find("is a directory") != std::string::npos);
  CHECK(out("a.safetensors --data letter.txt") != "");
}

TEST_CASE("an earlier checkpoint is kept beside the new one") {
  const Sandbox sandbox;
  REQUIRE(sandbox.run(tiny + "--quiet --steps 3 --seed 1").status == 0);
  const std::string earlier = sandbox.read("dates.safetensors");
  const Outcome outcome = sandbox.run(tiny + "--steps 3 --seed 2");
  CHECK(outcome.out.find("kept as dates.safetensors.old") != std::string::npos);
  CHECK(sandbox.read("dates.safetensors.old") == earlier);
  CHECK(sandbox.read("dates.safetensors") != earlier);
}

TEST_CASE("the trial of the output is as large as the checkpoint becomes") {
  const Sandbox sandbox;
  // Between validations the newest parameters are not the best.
  REQUIRE(sandbox.run(tiny + "--hidden 32 --quiet --steps 30 --out whole.safetensors").status == 0);
  const std::size_t kilobytes = sandbox.read("whole.safetensors").size() / 1024;
  sandbox.write("run.sh", "ulimit -f " + std::to_string(2 * kilobytes - 8) + "\n'" +
                              ATTUNE_SEQ2SEQ + "' " + tiny +
                              "--hidden 32 --steps 30 --out a.safetensors >out 2>err\n");
  CHECK(std::system(("cd '" + sandbox.path("") + "' && sh run.sh </dev/null").c_str()) != 0);
  CHECK(sandbox.read("err").find("Nothing was trained") != std::string::npos);
}

TEST_CASE("a disk without room is found out before training, and nothing is left behind") {
  const Sandbox sandbox;
  sandbox.write("run.sh", std::string("ulimit -f 40\n'") + ATTUNE_SEQ2SEQ + "' " + tiny +
                              "--hidden 32 --steps 5 --out a.safetensors >out 2>err\n");
  CHECK(std::system(("cd '" + sandbox.path("") + "' && sh run.sh </dev/null").c_str()) != 0);
  CHECK(sandbox.read("err").find("a.safetensors.trial: cannot write: File too large.") !=
        std::string::npos);
  CHECK_FALSE(std::filesystem::exists(sandbox.path("a.safetensors")));
  CHECK_FALSE(std::filesystem::exists(sandbox.path("a.safetensors.trial")));
}

TEST_CASE("option values that make no sense are refused in a sentence") {
  const Sandbox sandbox;
  const auto with = [&](const std::string& options) {
    return refusal(sandbox, "train " + options);
  };
  CHECK(with("--hidden 0").find("--hidden: must be a whole number from 1 to 8192, not \"0\"") !=
        std::string::npos);
  CHECK(with("--lr fast").find("--lr: must be a number") != std::string::npos);
  CHECK(with("--tokens letters").find("--tokens: must be one of char, word, byte") !=
        std::string::npos);
  CHECK(with("--hiden 3").find("there is no option --hiden") != std::string::npos);
  CHECK(with("--steps").find("--steps") != std::string::npos);
  CHECK(with("dates").find("nothing takes the argument \"dates\"") != std::string::npos);
  CHECK(refusal(sandbox, "trian").find("there is no command \"trian\"") != std::string::npos);
  CHECK(refusal(sandbox, "--hiden").find("there is no option --hiden") != std::string::npos);
  CHECK(refusal(sandbox, "").find("name a command: train, ") != std::string::npos);
}
