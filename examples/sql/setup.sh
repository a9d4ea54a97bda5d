#!/bin/bash
# Finds DuckDB's shared library, which the SQL example loads when it runs, or gets it:
#
#   examples/sql/setup.sh [--no-install]
#
# Prints SLABPIPE_DUCKDB=PATH, for the environment of the example, and exits with 0; or says on
# stderr what is missing and how to get it, and exits with 1. In this order:
#
#   1. the file that $SLABPIPE_DUCKDB names
#   2. the one that an earlier run left in ${XDG_CACHE_HOME:-~/.cache}/slabpipe/duckdb/
#   3. unless --no-install: from the npm package below, by `npm pack`, into that folder
#
# Debian has no package of DuckDB. Nothing but that folder is written to. duckdb_library.h looks
# there too, for the link that names the version in use.
set -euo pipefail

version=1.5.6-r.1
package="@duckdb/node-bindings-linux-x64@$version"  # x86-64 and glibc
sha256=3f4962cdd266eab2b479a5b5a4a6d063d279b2954ae814ed00385d553b747633  # of its libduckdb.so
cache="${XDG_CACHE_HOME:-${HOME:-/nonexistent}/.cache}/slabpipe/duckdb"

fail() {
  echo "sql: DuckDB is not here: $*" >&2
  echo "sql: (or set SLABPIPE_DUCKDB to the path of a libduckdb.so, 1.5 or later)" >&2
  exit 1
}

found() {
  echo "SLABPIPE_DUCKDB=$1"
  exit 0
}

# Downloads and unpacks the package in folder $1, without its scripts or a cache.
download() (
  cd "$1"
  timeout --kill-after=5 120 \
    npm pack --loglevel=error --ignore-scripts --cache="$1/npm" "$package" >"$1/log" 2>&1 &&
    tar -xzf ./*.tgz package/libduckdb.so package/LICENSE
)

# Moves what download() left in folder $1 to its place: complete, or not at all.
keep() {
  local into="$cache/$version"
  mkdir -p "$into"
  cp "$1/package/LICENSE" "$into/LICENSE"
  cp "$1/package/libduckdb.so" "$into/libduckdb.so.$$"
  mv -f "$into/libduckdb.so.$$" "$into/libduckdb.so"
}

# Makes the link that names the version in use.
point() {
  [[ "$(readlink "$cache/libduckdb.so")" != "$version/libduckdb.so" ]] || return 0
  ln -sfn "$version/libduckdb.so" "$cache/link.$$"
  mv -fT "$cache/link.$$" "$cache/libduckdb.so"
}

install=yes
[[ "${1:-}" != --no-install ]] || install=no

if [[ -n "${SLABPIPE_DUCKDB:-}" ]]; then
  [[ -f "$SLABPIPE_DUCKDB" ]] || fail "SLABPIPE_DUCKDB names $SLABPIPE_DUCKDB, and that is no file."
  found "$(realpath "$SLABPIPE_DUCKDB")"
fi

if [[ ! -f "$cache/$version/libduckdb.so" ]]; then
  [[ "$(uname -m)" == x86_64 ]] || fail "$package is for x86-64, this machine is $(uname -m)."
  [[ "$install" == yes ]] || fail "--no-install forbids to fetch $package from the npm registry."
  command -v npm >/dev/null || fail "npm, which fetches $package, is missing: apt-get install npm."
  work="$(mktemp -d)"
  trap 'rm -rf "$work"' EXIT
  echo "sql: fetching $package (24 MB)" >&2
  download "$work" || fail "npm could not fetch $package: $(head -n 4 "$work/log")"
  echo "$sha256  $work/package/libduckdb.so" | sha256sum --check --status ||
    fail "$package does not hold the libduckdb.so that is expected (SHA-256 $sha256)."
  keep "$work"
fi
point
found "$cache/$version/libduckdb.so"
