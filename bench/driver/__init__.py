"""The driver of the benchmarks: builds, measures in turn, judges, draws. See bench/README.md."""
