#include "examples/seq2seq/signals.h"

#include <array>
#include <csignal>

namespace seq2seq {
namespace {

constexpr std::array signals = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};

volatile std::sig_atomic_t noted = 0;

// Whoever reads our output through a pipe and leaves must not stop the saving, so that SIGPIPE
// alone stays caught.
void note(int signal) {
  noted = signal;
  if (signal != SIGPIPE) std::signal(signal, SIG_DFL);
}

}  // namespace

// What is ignored stays ignored: nohup means it.
StopRequests::StopRequests() {
  noted = 0;
  for (const int signal : signals) {
    if (std::signal(signal, note) == SIG_IGN) std::signal(signal, SIG_IGN);
  }
}

StopRequests::~StopRequests() {
  for (const int signal : signals) {
    if (std::signal(signal, SIG_DFL) == SIG_IGN) std::signal(signal, SIG_IGN);
  }
}

int StopRequests::received() const {
  return noted;
}

}  // namespace seq2seq
