// The tasks that come with the program beside dates: pronunciation and SCAN.

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "nn/checkpoint.h"
#include "nn/data/scan.h"
#include "tests/program/sandbox.h"

using namespace attune;

namespace {

bool prints(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// Forty words of two letters, of which every other is said in two ways.
std::string dictionary() {
  std::string text;
  for (int i = 0; i < 40; ++i) {
    const char a = static_cast<char>('a' + i % 8), b = static_cast<char>('a' + i / 8);
    text +=
        fmt::format("{}{} {}1 {}\n", a, b, static_cast<char>(a - 32), static_cast<char>(b - 32));
    if (i % 2 == 1) text += fmt::format("{}{}(2) {}\n", a, b, static_cast<char>(a - 32));
  }
  return text;
}

// As the program writes a text whose spaces count.
std::string shown(const std::string& text) {
  std::string result = "\"";
  for (const char c : text) result += c == ' ' ? "\u2423" : std::string(1, c);
  return result + '"';
}

const std::string tiny_task = " --hidden 8 --embedding 8 --batch 8 --threads 1 ";

}  // namespace

TEST_CASE("pronunciation is learned from a dictionary, and measured on words apart") {
  const Sandbox sandbox;
  sandbox.write("words.dict", dictionary());
  const std::string train = "train --task pronounce --data words.dict" + tiny_task + "--steps 20";
  const Outcome outcome = sandbox.run(train + " --validate-every 10");
  CHECK(outcome.err == "");
  REQUIRE(outcome.status == 0);
  CHECK(
      prints(outcome.out, "the words of words.dict: 50 pairs to train with, 2 to validate, 4 to "));
  CHECK(prints(outcome.out, "tokens (char and word)"));
  CHECK(prints(outcome.out, "Test on unseen words: "));
  CHECK(prints(outcome.out, " WER "));
  const nn::Checkpoint checkpoint = nn::load_checkpoint(sandbox.path("pronounce.safetensors"));
  CHECK(checkpoint.tokens == data::TokenKinds(data::Tokens::character, data::Tokens::word));
  CHECK(checkpoint.task.at("schedule") == "cosine");
  const Outcome test = sandbox.run("evaluate -m pronounce.safetensors --mistakes 9");
  CHECK(prints(test.out, "pairs                    4\n"));
  CHECK(prints(test.out, "\nWER "));
  CHECK(prints(test.out, "\nPER "));
  CHECK(prints(test.out, "  or      "));
  const Outcome all = sandbox.run("evaluate -m pronounce.safetensors --data words.dict");
  CHECK(prints(all.out, "pairs                   40\n"));
}

TEST_CASE("pronunciation resumes to the bits of an uninterrupted training") {
  const Sandbox sandbox;
  sandbox.write("words.dict", dictionary());
  const std::string train =
      "train -q --task pronounce --data words.dict --validate-every 5" + tiny_task;
  REQUIRE(sandbox.run(train + "--steps 20 --out whole.safetensors").status == 0);
  // The cosine is that of --steps: a training ended by patience goes on along the same one.
  REQUIRE(sandbox.run(train + "--steps 20 --epochs 2 --out parts.safetensors").status == 0);
  REQUIRE(sandbox.run("train -q --resume parts.safetensors --epochs 0").status == 0);
  const auto training_of = [&](const char* file) {
    return *nn::load_checkpoint(sandbox.path(file)).training;
  };
  const nn::TrainingState whole = training_of("whole.safetensors");
  const nn::TrainingState parts = training_of("parts.safetensors");
  CHECK(whole.step == 20);
  CHECK(whole.values == parts.values);
  REQUIRE(!whole.average.empty());
  REQUIRE(whole.average.size() == parts.average.size());
  for (std::size_t i = 0; i < whole.average.size(); ++i) {
    CHECK(whole.average[i].second.to_vector<float>() == parts.average[i].second.to_vector<float>());
  }
}

TEST_CASE("where the rate falls to the end, the last validation is there") {
  const Sandbox sandbox;
  sandbox.write("words.dict", dictionary());
  const std::string train = "train -q --task pronounce --data words.dict" + tiny_task;
  const auto steps_of_validations = [&] {
    std::vector<std::int64_t> steps;
    std::istringstream lines(sandbox.read("pronounce.run/metrics.jsonl"));
    for (std::string line; std::getline(lines, line);) {
      const auto record = nlohmann::json::parse(line);
      if (record.contains("valid")) steps.push_back(record.at("step"));
    }
    return steps;
  };
  REQUIRE(sandbox.run(train + "--steps 72").status == 0);  // an epoch counts as 50 steps here
  CHECK(steps_of_validations() == std::vector<std::int64_t>{36, 72});
  REQUIRE(sandbox.run(train + "--steps 20").status == 0);
  CHECK(steps_of_validations() == std::vector<std::int64_t>{20});
  REQUIRE(sandbox.run(train + "--steps 72 --schedule plateau").status == 0);
  CHECK(steps_of_validations() == std::vector<std::int64_t>{50});
}

TEST_CASE("a dictionary that is missing or too small is a sentence with the remedy") {
  const Sandbox sandbox;
  if (!std::filesystem::exists("/usr/share/pocketsphinx")) {
    const Outcome missing = sandbox.run("train --task pronounce");
    CHECK(missing.status == 1);
    CHECK(prints(missing.err, "sudo apt-get install pocketsphinx-en-us"));
  }
  sandbox.write("short.dict", "a EY\nb B IY\n");
  sandbox.write("bad.dict", "a EY\nabbot\n");
  CHECK(prints(sandbox.run("train --task pronounce --data short.dict").err,
               "short.dict: has 2 words; to learn from a dictionary takes at least 20"));
  CHECK(prints(sandbox.run("train --task pronounce --data bad.dict").err,
               "bad.dict:2: \"abbot\" has no phonemes"));
}

TEST_CASE("SCAN is generated, split and tested") {
  const Sandbox sandbox;
  const std::string train = "train --task scan --hidden 4 --embedding 4 --batch 8 --threads 1 ";
  const Outcome simple = sandbox.run(train + "--steps 2");
  CHECK(prints(simple.out,
               "SCAN, the simple split: 16,228 pairs to train with, 500 to validate, "
               "4,182 to test"));
  CHECK(prints(simple.out, "Test on unseen commands: "));
  const data::Pair first = data::scan_simple_split(1).test.front();
  CHECK(prints(sandbox.run("inspect scan.safetensors --graph step.txt").out,
               "one training step on " + shown(first.source) + " -> " + shown(first.target)));
  const Outcome length = sandbox.run(train + "--split length --steps 2 --out l.safetensors");
  CHECK(prints(length.out, "16,490 pairs to train with, 500 to validate, 3,920 to test"));
  CHECK(prints(sandbox.run("evaluate -m l.safetensors --max-length 3").out,
               "pairs                3,920"));
}

TEST_CASE("options that belong to another task are refused") {
  const Sandbox sandbox;
  sandbox.write("pairs.tsv", "a\tb\nb\ta\n");
  CHECK(prints(sandbox.run("train --task pairs").err,
               "--task pairs: name a file of pairs with --data"));
  CHECK(prints(sandbox.run("train --task scan --data pairs.tsv").err,
               "--data: --task scan generates"));
  CHECK(prints(sandbox.run("train --task dates --data pairs.tsv").err, "--task dates generates"));
  CHECK(prints(sandbox.run("train --data pairs.tsv --schedule cosine --steps 0").err,
               "--schedule cosine: needs --steps"));
}
