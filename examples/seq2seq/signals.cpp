#include "examples/seq2seq/signals.h"

#include <csignal>

namespace seq2seq {
namespace {

constexpr int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};

volatile std::sig_atomic_t noted = 0;

// Whoever reads our output through a pipe and leaves must not stop the saving, so that SIGPIPE
// alone stays caught.
void note(int signal) {
  noted = signal;
  if (signal != SIGPIPE) std::signal(signal, SIG_DFL);
}

}  // namespace

StopRequests::StopRequests() {
  noted = 0;
  for (const int signal : signals) std::signal(signal, note);
}

StopRequests::~StopRequests() {
  for (const int signal : signals) std::signal(signal, SIG_DFL);
}

int StopRequests::received() const {
  return noted;
}

}  // namespace seq2seq
