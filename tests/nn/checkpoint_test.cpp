// Checkpoints: all of it comes back, damage is named, and a failure leaves the old file.

#include "nn/checkpoint.h"

#include <doctest/doctest.h>
#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <random>

#include "autograd/random.h"
#include "nn/safetensors.h"
#include "tests/difference.h"
#include "tests/folder.h"

using namespace attune;
using namespace attune::nn;
using doctest::Contains;

namespace {

Checkpoint example() {
  Checkpoint checkpoint;
  checkpoint.options.source_vocabulary = 6;
  checkpoint.options.target_vocabulary = 5;
  checkpoint.options.embedding = 3;
  checkpoint.options.hidden = 4;
  checkpoint.options.attention_size = 2;
  checkpoint.options.layers = 2;
  checkpoint.options.dropout = 0.125;
  checkpoint.options.attention = Attention::additive;
  checkpoint.tokens = {data::Tokens::character, data::Tokens::word};
  checkpoint.source_vocabulary = {"<pad>", "<bos>", "<eos>", "<unk>", "\"quoted\"", "né\n"};
  checkpoint.target_vocabulary = {"<pad>", "<bos>", "<eos>", "<unk>", "ja"};
  checkpoint.longest_source = 17;
  checkpoint.longest_target = 19;
  checkpoint.parameters = Seq2Seq(checkpoint.options).state_dict();
  checkpoint.task = {{"seed", "3"}, {"data", "a b\t.tsv"}};
  TrainingState training;
  training.step = 7;
  training.epoch = 1;
  training.batch = 2;
  training.seconds = 0.1;
  training.parameters = Seq2Seq(checkpoint.options).state_dict();
  training.optimiser = {{"step", tensor({7})}};
  training.average = {{"0", tensor({0.5, 3})}};
  training.values = {{"random seed", "18446744073709551615"}};
  checkpoint.training = training;
  return checkpoint;
}

void check_equal(const NamedTensors& a, const NamedTensors& b) {
  REQUIRE(a.size() == b.size());
  for (const auto& [name, tensor] : a) {
    const auto same = [&name = name](const auto& entry) { return entry.first == name; };
    const auto other = std::find_if(b.begin(), b.end(), same);
    REQUIRE(other != b.end());
    CHECK(difference(tensor, other->second) == 0);
  }
}

// The one sentence, behind the path, with which a file is refused.
std::string refusal(const std::string& path) {
  try {
    load_checkpoint(path);
  } catch (const Error& error) {
    const std::string sentence = error.what();
    CHECK(sentence.starts_with(path + ": "));
    CHECK(sentence.find('\n') == std::string::npos);
    return sentence;
  }
  return "";
}

}  // namespace

TEST_CASE("everything that is saved comes back") {
  const Folder folder;
  const Checkpoint saved = example();
  save_checkpoint(folder.path("a"), saved);
  const Checkpoint loaded = load_checkpoint(folder.path("a"));
  CHECK(loaded.options.layers == 2);
  CHECK(loaded.options.dropout == 0.125);
  CHECK(loaded.options.attention == Attention::additive);
  CHECK(loaded.tokens == saved.tokens);
  CHECK(loaded.source_vocabulary == saved.source_vocabulary);
  CHECK(loaded.target_vocabulary == saved.target_vocabulary);
  CHECK(loaded.longest_source == 17);
  CHECK(loaded.longest_target == 19);
  CHECK(loaded.task == saved.task);
  check_equal(loaded.parameters, saved.parameters);
  REQUIRE(loaded.training);
  CHECK(loaded.training->step == 7);
  CHECK(loaded.training->epoch == 1);
  CHECK(loaded.training->batch == 2);
  CHECK(loaded.training->seconds == 0.1);
  CHECK(loaded.training->values == saved.training->values);
  check_equal(loaded.training->parameters, saved.training->parameters);
  check_equal(loaded.training->optimiser, saved.training->optimiser);
  check_equal(loaded.training->average, saved.training->average);
  CHECK(loaded.tokens == saved.tokens);
}

TEST_CASE("loading takes nothing from the random numbers") {
  const Folder folder;
  save_checkpoint(folder.path("a"), example());
  const std::uint64_t before = default_generator().offset();
  load_checkpoint(folder.path("a"));
  CHECK(default_generator().offset() == before);
}

TEST_CASE("what is no checkpoint, or damaged, is told with its path in a sentence") {
  const Folder folder;
  save_checkpoint(folder.path("whole"), example());
  const std::string whole = folder.read("whole");
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{5}, whole.size() / 3, whole.size() - 1}) {
    folder.write("cut", whole.substr(0, size));
    CHECK(refusal(folder.path("cut")) != "");
  }
  CHECK(refusal(folder.path("missing")).find("No such file") != std::string::npos);
  CHECK(refusal(folder.path()).find("it is a directory") != std::string::npos);
  save_safetensors(folder.path("foreign"), {{{"weight", ones({2})}}, {}});
  CHECK(refusal(folder.path("foreign")) ==
        folder.path("foreign") + ": this safetensors file is no checkpoint of attune.");
  save_safetensors(folder.path("newer"), {{}, {{"attune", "seq2seq 2"}}});
  CHECK(refusal(folder.path("newer")).find("'seq2seq 2'; 'seq2seq 1' was expected") !=
        std::string::npos);
  save_safetensors(folder.path("bare"), {{}, {{"attune", "seq2seq 1"}}});
  CHECK(refusal(folder.path("bare")).find("its metadata are incomplete") != std::string::npos);
}

TEST_CASE("random damage is a sentence or harmless, never a crash") {
  const auto seed = std::random_device()();
  CAPTURE(seed);
  std::mt19937 random(seed);
  const Folder folder;
  save_checkpoint(folder.path("a"), example());
  const std::string whole = folder.read("a");
  for (int round = 0; round < 400; ++round) {
    std::string damaged = whole;
    const std::size_t place = 8 + random() % 2000;
    damaged[place] = "0123456789\"{}[]:,x-e"[random() % 20];
    CAPTURE(place);
    CAPTURE(damaged[place]);
    folder.write("b", damaged);
    CHECK_NOTHROW(refusal(folder.path("b")));
  }
}

TEST_CASE("tensors that do not fit the model are named") {
  const Folder folder;
  const auto says = [&](const Checkpoint& checkpoint) {
    save_checkpoint(folder.path("a"), checkpoint);
    return refusal(folder.path("a")).substr(folder.path("a").size() + 2);
  };
  const auto output_bias = [](NamedTensors& tensors) {
    return std::find_if(tensors.begin(), tensors.end(),
                        [](const auto& entry) { return entry.first == "output.bias"; });
  };
  const std::string sentence = "the checkpoint is damaged: it has no output.bias of shape [5]";
  Checkpoint changed = example();
  output_bias(changed.parameters)->second = zeros({7});
  CHECK(says(changed) == sentence);
  output_bias(changed.parameters)->second = zeros({5}, DType::int64);
  CHECK(says(changed) == sentence);
  changed.parameters.erase(output_bias(changed.parameters));
  CHECK(says(changed) == sentence);
  changed = example();
  changed.parameters.emplace_back("surplus", zeros({1}));
  CHECK(says(changed).find("parameters, and its model has") != std::string::npos);
  changed = example();
  output_bias(changed.training->parameters)->second = zeros({7});
  CHECK(says(changed) == sentence);
}

TEST_CASE("parts that do not fit each other are no checkpoint") {
  const Folder folder;
  Checkpoint wide = example();
  wide.options.hidden = 5;
  save_checkpoint(folder.path("a"), wide);
  CHECK_THROWS_WITH_AS(load_checkpoint(folder.path("a")), Contains("damaged"), Error);
  Checkpoint mute = example();
  mute.target_vocabulary.pop_back();
  save_checkpoint(folder.path("a"), mute);
  CHECK_THROWS_WITH_AS(load_checkpoint(folder.path("a")), Contains("4 tokens for 5 embeddings"),
                       Error);
}

// While it lives no file can grow beyond a size.
class FileLimit {
 public:
  explicit FileLimit(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit now{bytes, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &now);
  }
  FileLimit(const FileLimit&) = delete;
  FileLimit& operator=(const FileLimit&) = delete;
  ~FileLimit() {
    setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  void (*handler_)(int);
  rlimit before_{};
};

TEST_CASE("a save that fails leaves the old file and no other") {
  const Folder folder;
  save_checkpoint(folder.path("a"), example());
  const std::string before = folder.read("a");
  std::filesystem::create_directory(folder.path("sub"));
  CHECK_THROWS_AS(save_checkpoint(folder.path("sub"), example()), Error);
  CHECK_THROWS_AS(save_checkpoint(folder.path("nowhere/a"), example()), Error);
  {
    const FileLimit limit(before.size() - 1);
    CHECK_THROWS_WITH_AS(save_checkpoint(folder.path("a"), example()), Contains("File too large"),
                         Error);
  }
  Checkpoint latin = example();
  latin.task["data"] = "caf\xE9.tsv";
  CHECK_THROWS_WITH_AS(save_checkpoint(folder.path("a"), latin), Contains("not valid UTF-8"),
                       Error);
  CHECK(folder.read("a") == before);
  CHECK(folder.files() == 2);
  save_checkpoint(folder.path("a"), example());
  CHECK(folder.files() == 2);
}
