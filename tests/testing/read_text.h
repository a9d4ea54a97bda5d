// What another process, or a terminal, says: it may arrive in pieces.
//
//   const std::string line = ReadLine(reader.get());
//   const std::string rest = ReadToEnd(reader.get());

#ifndef SLABPIPE_TESTS_TESTING_READ_TEXT_H_
#define SLABPIPE_TESTS_TESTING_READ_TEXT_H_

#include <unistd.h>

#include <string>

namespace slabpipe::tests {

// Up to the next line's end, which is taken as well, or to the end.
inline std::string ReadLine(int fd) {
  std::string line;
  char c;
  while (::read(fd, &c, 1) == 1 && c != '\n') line += c;
  return line;
}

// All until nobody has the other end open any more. Of a terminal that end is an error, EIO.
inline std::string ReadToEnd(int fd) {
  std::string all;
  char buffer[4096];
  ssize_t got;
  while ((got = ::read(fd, buffer, sizeof(buffer))) > 0) {
    all.append(buffer, static_cast<size_t>(got));
  }
  return all;
}

}  // namespace slabpipe::tests

#endif  // SLABPIPE_TESTS_TESTING_READ_TEXT_H_
