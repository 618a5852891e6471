#pragma once
// SCAN: commands in simplified English and the actions they stand for (Lake & Baroni 2018,
// "Generalization without systematicity").
//
//   jump around left twice after walk  ->  I_WALK I_TURN_LEFT I_JUMP I_TURN_LEFT I_JUMP ..
//
// The grammar of the paper, in which u is walk, look, run or jump:
//
//   C -> S | S and S | S after S          after: the second comes first
//   S -> V | V twice | V thrice
//   V -> u | D | w opposite d | w around d     w is u or turn, d is left or right
//   D -> w d

#include <cstdint>
#include <vector>

#include "nn/data/pairs.h"

namespace attune::data {

// All 20,910 commands with their actions, each command once.
std::vector<Pair> scan_commands();

struct ScanSets {
  std::vector<Pair> train, test;
};

// A random fifth of the commands for `test`. Equal seeds give equal sets on every machine.
ScanSets scan_simple_split(std::uint64_t seed);

// The commands of more than 22 actions for `test`, shorter ones for `train`.
inline constexpr std::size_t longest_trained_scan = 22;
ScanSets scan_length_split();

}  // namespace attune::data
