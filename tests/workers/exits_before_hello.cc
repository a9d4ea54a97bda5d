// Ends before it has said anything, with a word on stderr: main must tell how it ended.

#include <cstdio>

int main() {
  std::fprintf(stderr, "libfortran.so: cannot open shared object file\n");
  return 5;
}
