// The smallest program that can answer: the floor for starting a worker. Writes one byte to the
// descriptor that it is given as 3, and waits for the other end to be closed.

#include <unistd.h>

int main() {
  const char byte = 1;
  if (::write(3, &byte, 1) != 1) return 1;
  char ignored;
  return ::read(3, &ignored, 1) == 0 ? 0 : 1;
}
