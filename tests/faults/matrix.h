// The fault matrix: what strikes whom at which point, what came of it, as a table.
//
//   TheMatrix().Add({.who = "worker", .phase = "mid-run", .fault = "SIGKILL", ...});
//
// The table is printed when all tests of the program are done: one line a cell.

#ifndef SLABPIPE_TESTS_FAULTS_MATRIX_H_
#define SLABPIPE_TESTS_FAULTS_MATRIX_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace slabpipe::tests {

inline constexpr const char* kFaults[] = {"SIGKILL", "SIGSEGV",           "exit", "hang", "SIGSTOP",
                                          "garbage", "closed descriptors"};

// What one test found.
struct Cell {
  std::string who, phase, fault;
  std::string outcome;     // the status that main's caller got; how the worker ended
  int64_t noticed_us = 0;  // from the fault to that
  size_t left = 0;         // processes, descriptors, mappings, names in /dev/shm
  std::string after;       // what the other side can do afterwards
};

class Matrix {
 public:
  void Add(Cell cell) { cells_.push_back(std::move(cell)); }
  std::string ToText() const;

 private:
  std::vector<Cell> cells_;
};
// This program's.
Matrix& TheMatrix();

// For the names of tests: letters, digits and underscores.
std::string ToTestName(std::string words);

}  // namespace slabpipe::tests

#endif  // SLABPIPE_TESTS_FAULTS_MATRIX_H_
