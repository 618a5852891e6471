#pragma once
// Ctrl-C as a request: the first one is noted, so that work can be saved; the second ends the
// program at once.

namespace seq2seq {

// Notes SIGINT, SIGTERM, SIGHUP and SIGPIPE for as long as it lives; one at a time.
class StopRequests {
 public:
  StopRequests();
  StopRequests(const StopRequests&) = delete;
  StopRequests& operator=(const StopRequests&) = delete;
  ~StopRequests();

  // The number of the signal that came; 0 before any has.
  int received() const;
};

}  // namespace seq2seq
