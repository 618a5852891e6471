#include "examples/bottleneck/experiment.h"

#include <algorithm>
#include <chrono>

#include "autograd/random.h"
#include "nn/decode.h"
#include "nn/optim/adam.h"
#include "nn/optim/clip.h"
#include "nn/optim/schedule.h"

namespace bottleneck {
namespace {

using namespace attune;

// Ids: padding, begin and end, then the letters.
constexpr std::int64_t begin_id = 1, end_id = 2, first_letter = 3, letters = 26;
constexpr std::int64_t vocabulary = first_letter + letters;
constexpr std::int64_t warmup = 50;  // updates
// Strings of one batch differ in length by no more than this, so that little padding is computed.
constexpr std::int64_t spread = 4;

using String = std::vector<std::int64_t>;

String random_string(std::int64_t length, Generator& generator) {
  String result(static_cast<std::size_t>(length));
  for (std::int64_t& id : result) {
    id = first_letter + static_cast<std::int64_t>(generator.below(letters));
  }
  return result;
}

String answer(Task task, String string) {
  if (task == Task::reverse) std::reverse(string.begin(), string.end());
  return string;
}

// Rows side by side, padded with 0.
Tensor padded(const std::vector<String>& rows) {
  std::size_t longest = 0;
  for (const String& row : rows) longest = std::max(longest, row.size());
  String all;
  for (const String& row : rows) {
    all.insert(all.end(), row.begin(), row.end());
    all.resize(all.size() + longest - row.size());
  }
  return from_vector(all,
                     {static_cast<std::int64_t>(rows.size()), static_cast<std::int64_t>(longest)});
}

nn::Batch batch_of(Task task, const std::vector<String>& strings) {
  std::vector<std::int64_t> lengths;
  std::vector<String> in, out;
  for (const String& string : strings) {
    lengths.push_back(static_cast<std::int64_t>(string.size()));
    out.push_back(answer(task, string));
    in.push_back(out.back());
    in.back().insert(in.back().begin(), begin_id);
    out.back().push_back(end_id);
  }
  const auto rows = static_cast<std::int64_t>(strings.size());
  return {padded(strings), from_vector(lengths, {rows}), padded(in), padded(out)};
}

nn::Batch random_batch(const Budget& budget, Generator& generator) {
  const auto range = [&](std::int64_t low, std::int64_t high) {
    return low +
           static_cast<std::int64_t>(generator.below(static_cast<std::uint64_t>(high - low + 1)));
  };
  const std::int64_t middle = range(budget.shortest, budget.longest);
  const std::int64_t low = std::max(budget.shortest, middle - spread / 2);
  const std::int64_t high = std::min(budget.longest, middle + spread / 2);
  std::vector<String> strings;
  for (std::int64_t row = 0; row < budget.batch; ++row) {
    strings.push_back(random_string(range(low, high), generator));
  }
  return batch_of(budget.task, strings);
}

Accuracy test(const nn::Seq2Seq& model, Task task, const std::vector<String>& strings) {
  std::vector<std::int64_t> lengths;
  for (const String& string : strings) lengths.push_back(static_cast<std::int64_t>(string.size()));
  const std::int64_t longest = *std::max_element(lengths.begin(), lengths.end());
  const auto written = nn::greedy(
      model, padded(strings), from_vector(lengths, {static_cast<std::int64_t>(lengths.size())}),
      {.bos = begin_id, .eos = end_id, .max_length = longest + 5, .keep_weights = false});
  std::size_t right = 0, all = 0, exact = 0;
  for (std::size_t i = 0; i < strings.size(); ++i) {
    const String wanted = answer(task, strings[i]);
    const String& found = written[i].tokens;
    for (std::size_t j = 0; j < wanted.size() && j < found.size(); ++j) {
      right += found[j] == wanted[j];
    }
    all += wanted.size();
    exact += found == wanted;
  }
  return {static_cast<double>(right) / static_cast<double>(all),
          static_cast<double>(exact) / static_cast<double>(strings.size())};
}

nn::Seq2Seq make_model(const Contender& contender) {
  nn::Seq2SeqOptions options = contender.options;
  options.source_vocabulary = options.target_vocabulary = vocabulary;
  return nn::Seq2Seq(options);
}

std::int64_t count(const nn::Seq2Seq& model) {
  std::int64_t total = 0;
  for (const Tensor& parameter : model.parameters()) total += parameter.numel();
  return total;
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2),
                   values.end());
  return values[values.size() / 2];
}

}  // namespace

std::int64_t Run::updates_to(double tokens) const {
  const auto found = std::find_if(looks.begin(), looks.end(),
                                  [&](const Look& look) { return look.accuracy.tokens >= tokens; });
  return found == looks.end() ? 0 : found->update;
}

std::int64_t parameters_of(const Contender& contender) {
  return count(make_model(contender));
}

Run train_and_test(const Contender& contender, const Budget& budget, std::uint64_t seed,
                   const std::vector<std::int64_t>& lengths, const Progress& progress) {
  manual_seed(seed);
  const nn::Seq2Seq model = make_model(contender);
  optim::Adam adam(model.parameters(), {.learning_rate = budget.learning_rate});
  // Every contender sees the same strings; those of the tests are no one's.
  Generator strings(seed), unseen(1'000'000 + seed);
  const auto drawn = [&](std::int64_t length, std::int64_t number, std::vector<String>& to) {
    for (std::int64_t i = 0; i < number; ++i) to.push_back(random_string(length, unseen));
  };
  std::vector<String> looked_at;
  for (std::int64_t n = budget.shortest; n <= budget.longest; n += 2) drawn(n, 8, looked_at);

  Run run{contender.name, seed, count(model), 0, {}, lengths, {}};
  std::vector<double> times;
  for (std::int64_t update = 1; update <= budget.updates; ++update) {
    const nn::Batch batch = random_batch(budget, strings);
    const auto start = std::chrono::steady_clock::now();
    adam.zero_grad();
    const Tensor loss = model.loss(batch);
    loss.backward();
    // Warm-up, and half a cosine down to nothing.
    adam.set_learning_rate(budget.learning_rate * optim::warm_up(update, warmup) *
                           optim::cosine(update, budget.updates));
    adam.step(optim::clip_scale(optim::gradient_norm(model.parameters()), 1));
    times.push_back(
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
            .count());
    if (update % budget.look_every == 0 || update == budget.updates) {
      run.looks.push_back({update, loss.item(), test(model, budget.task, looked_at)});
      progress(run.looks.back());
    }
  }
  run.milliseconds = median(std::move(times));
  for (const std::int64_t length : lengths) {
    std::vector<String> tested;
    drawn(length, budget.tests, tested);
    run.by_length.push_back(test(model, budget.task, tested));
  }
  return run;
}

std::vector<Contender> main_contenders(std::int64_t hidden) {
  const auto model = [&](nn::Attention attention, std::int64_t size) {
    nn::Seq2SeqOptions options;
    options.embedding = hidden / 2;
    options.hidden = options.attention_size = size;
    options.attention = attention;
    return options;
  };
  const Contender attention{"additive attention", model(nn::Attention::additive, hidden)};
  Contender wide{"fixed vector at every step, wider", model(nn::Attention::fixed, hidden)};
  while (parameters_of(wide) < parameters_of(attention)) {
    wide.options = model(nn::Attention::fixed, wide.options.hidden + 4);
  }
  return {{"fixed vector", model(nn::Attention::none, hidden)},
          {"fixed vector at every step", model(nn::Attention::fixed, hidden)},
          wide,
          attention};
}

}  // namespace bottleneck
