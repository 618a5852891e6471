// The doctest runner. A crash ends it at once: doctest's handler would print, and so allocate, from
// wherever the signal came, and may wait for ever.
#define DOCTEST_CONFIG_NO_POSIX_SIGNALS
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>
