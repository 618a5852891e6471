#pragma once
// What the benchmark programs of attune and of its peers share: repeating work for a while, and one
// JSON line a measurement. Includes neither library.

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace bench {

// Seconds of each call of `work`, for about so many seconds after a few calls to warm up, and at
// least five times.
template <class Work>
std::vector<double> repeat(double seconds, const Work& work) {
  using Clock = std::chrono::steady_clock;
  const auto since = [](Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  for (int i = 0; i < 3; ++i) work();
  std::vector<double> times;
  const auto begin = Clock::now();
  while (times.size() < 5 || since(begin) < seconds) {
    const auto start = Clock::now();
    work();
    times.push_back(since(start));
  }
  return times;
}

inline double peak_mib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

// One line; `values` are of the unit, and `higher` says whether more of it is better.
inline void print(const char* peer, const std::string& name, int threads, const char* unit,
                  bool higher, std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const auto at = [&](double share) {
    return values[static_cast<std::size_t>(share * static_cast<double>(values.size() - 1))];
  };
  std::printf(
      "{\"peer\":\"%s\",\"bench\":\"%s\",\"threads\":%d,\"median\":%.6g,\"p10\":%.6g,\"p90\":%.6g,"
      "\"best\":%.6g,\"unit\":\"%s\",\"n\":%zu,\"peak_mib\":%.1f}\n",
      peer, name.c_str(), threads, at(0.5), at(0.1), at(0.9),
      higher ? values.back() : values.front(), unit, values.size(), peak_mib());
}

// The cost of recording one add of two small tensors, and of running it backward, in nanoseconds: a
// chain of 1000 of them.
template <class Tensor>
void measure_small_op(const char* peer, const Tensor& a, const Tensor& b, int repetitions) {
  using Clock = std::chrono::steady_clock;
  constexpr int chain = 1000;
  const auto each = [](Clock::time_point start, Clock::time_point end) {
    return std::chrono::duration<double, std::nano>(end - start).count() / chain;
  };
  std::vector<double> forward, backward;
  for (int i = 0; i < repetitions; ++i) {
    Tensor sum = a;
    const auto start = Clock::now();
    for (int k = 0; k < chain; ++k) sum = sum + b;
    const auto recorded = Clock::now();
    sum.backward();
    const auto done = Clock::now();
    forward.push_back(each(start, recorded));
    backward.push_back(each(recorded, done));
  }
  print(peer, "record_add", 1, "ns", false, forward);
  print(peer, "backward_add", 1, "ns", false, backward);
}

// Times of work on `count` things as things a second.
inline std::vector<double> rates(std::vector<double> times, double count) {
  for (double& time : times) time = count / time;
  return times;
}

// The models that are measured: recurrent ones, and the transformer, of so many layers on each
// side.
struct Config {
  const char* name;
  int source_vocabulary, target_vocabulary, embedding, hidden, attention, batch, source, target;
  int layers = 0, heads = 0, feedforward = 0;  // of the transformer
};
inline constexpr Config configs[] = {
    {"toy", 40, 40, 64, 128, 128, 64, 24, 12},
    {"medium", 8000, 6000, 256, 256, 256, 64, 15, 15},
    {"large", 10000, 10000, 512, 1024, 1024, 80, 30, 30},
    {"transformer", 8000, 8000, 256, 256, 0, 64, 24, 24, 3, 4, 1024},
};

// CONFIG THREADS SECONDS WHAT, with WHAT one of train, fwd, greedy, greedy1 (and memory: attune's).
struct Arguments {
  Config config;
  int threads;
  double seconds;
  std::string what;
};
inline Arguments arguments(int argc, char** argv) {
  if (argc == 5) {
    for (const Config& config : configs) {
      if (std::string(argv[1]) == config.name) {
        return {config, std::atoi(argv[2]), std::atof(argv[3]), argv[4]};
      }
    }
  }
  std::fprintf(
      stderr,
      "usage: %s toy|medium|large|transformer THREADS SECONDS train|fwd|greedy|greedy1|memory\n"
      "Prints target positions a second (train, fwd), sentences a second, or (memory, attune "
      "alone)\nwhat is held after 100, 1,000 and 10,000 training steps.\n",
      argv[0]);
  std::exit(2);
}

// Ids and lengths of a batch, the same for every peer: rows are filled to between 60 and 100 %.
struct Sentences {
  std::vector<long> ids;      // [rows, time], 0 past the length, else 4 and above
  std::vector<long> lengths;  // [rows]; the first row is full
};
inline Sentences sentences(int rows, int time, int vocabulary, unsigned seed) {
  unsigned state = seed;
  const auto next = [&](unsigned bound) {
    state = state * 1664525U + 1013904223U;
    return (state >> 8) % bound;
  };
  Sentences result;
  for (int row = 0; row < rows; ++row) {
    const int shortest = (time * 6 + 9) / 10;
    const int length =
        row == 0 ? time
                 : shortest + static_cast<int>(next(static_cast<unsigned>(time - shortest + 1)));
    result.lengths.push_back(length);
    for (int t = 0; t < time; ++t) {
      const long id = 4 + static_cast<long>(next(static_cast<unsigned>(vocabulary - 4)));
      result.ids.push_back(t < length ? id : 0);
    }
  }
  return result;
}

}  // namespace bench
