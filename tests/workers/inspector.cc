// No worker: a program that prints what it has inherited, for the tests of ChildProcess, and then
// does what its first argument says.
//
//   show      prints its descriptors, blocked and ignored signals, group, and ends
//   limits    waits for the end of descriptor 5, prints its limits, niceness and folder, and ends
//   spin      waits as above, and then uses processor time without end
//   exit N    exits with N
//   signal N  kills itself by signal N
//   family    starts a child that runs for ever, prints its pid, and hangs
//   leave     starts a child that runs for ever, prints its pid, and exits with 0
//   hang      hangs
//   deaf      says "ready", hangs, and goes on when it is sent SIGTERM, saying "terminated"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <string>

namespace {

void ShowDescriptors() {
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code error;
    const std::string target = std::filesystem::read_symlink(entry.path(), error).string();
    if (target.find("/fd") != std::string::npos && target.find("/proc/") == 0) continue;
    std::printf("fd %s %s\n", entry.path().filename().c_str(), target.c_str());
  }
}

void ShowStatus() {
  constexpr int kStandardSignals = 31;  // those behind them are the C library's own
  std::string blocked = "blocked", ignored = "ignored";
  sigset_t mask;
  ::sigprocmask(SIG_SETMASK, nullptr, &mask);
  for (int signal = 1; signal <= kStandardSignals; ++signal) {
    struct sigaction action;
    ::sigaction(signal, nullptr, &action);
    if (::sigismember(&mask, signal) == 1) blocked += " " + std::to_string(signal);
    if (action.sa_handler == SIG_IGN) ignored += " " + std::to_string(signal);
  }
  std::printf("%s\n%s\n", blocked.c_str(), ignored.c_str());
  std::printf("leads %d\n", ::getpgrp() == ::getpid() ? 1 : 0);
}

void AwaitStart() {
  constexpr int kStart = 5;
  char byte;
  while (::read(kStart, &byte, 1) > 0) {
  }
}

void ShowLimits() {
  const auto show = [](const char* name, __rlimit_resource resource) {
    rlimit limit;
    ::getrlimit(resource, &limit);
    std::printf("%s %llu %llu\n", name, static_cast<unsigned long long>(limit.rlim_cur),
                static_cast<unsigned long long>(limit.rlim_max));
  };
  show("memory", RLIMIT_AS);
  show("processor", RLIMIT_CPU);
  show("files", RLIMIT_NOFILE);
  show("core", RLIMIT_CORE);
  std::printf("niceness %d\n", ::getpriority(PRIO_PROCESS, 0));
  std::printf("folder %s\n", std::filesystem::current_path().c_str());
}

void HangDeaf() {
  ::signal(SIGTERM, [](int) { [[maybe_unused]] auto said = ::write(1, "terminated\n", 11); });
  std::printf("ready\n");
  std::fflush(stdout);
  while (true) ::pause();
}

void StartChild() {
  const pid_t child = ::fork();
  if (child == 0) {
    while (true) ::pause();
  }
  std::printf("%d\n", child);
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string what = argc > 1 ? argv[1] : "show";
  const int number = argc > 2 ? ::atoi(argv[2]) : 0;
  if (what == "show") {
    ShowDescriptors();
    ShowStatus();
    for (int i = 0; i < argc; ++i) std::printf("argument %d %s\n", i, argv[i]);
    const char* variable = ::getenv("INSPECTED");
    std::printf("INSPECTED %s\n", variable == nullptr ? "is not set" : variable);
  }
  if (what == "deaf") HangDeaf();
  if (what == "limits" || what == "spin") AwaitStart();
  if (what == "limits") ShowLimits();
  while (what == "spin") ::getppid();
  if (what == "exit") return number;
  if (what == "signal") {
    ::kill(::getpid(), number);
    while (true) ::pause();
  }
  if (what == "family" || what == "leave") StartChild();
  if (what == "family" || what == "hang") {
    while (true) ::pause();
  }
  return 0;
}
