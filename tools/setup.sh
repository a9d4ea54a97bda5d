# Finds and installs the Debian packages that a script needs, and what examples need besides.
# Sourced by ./demo and ./test, from the repository's root:
#
#   source tools/setup.sh
#   setup_packages INSTALL SECTION...    # INSTALL: yes, or no to say only what is missing
#   setup_example EXAMPLE INSTALL
#
# Sections are those of tools/packages.txt, or of the file that SETUP_LIST names. Exits with 1 if
# packages stay missing.
#
# setup_example runs examples/EXAMPLE/setup.sh, if there is one, which prints NAME=VALUE for each
# variable that the example's programs want; they are exported, and setup_names lists their names.
# Returns 1, when setup.sh has said why, if something stays missing.
# shellcheck shell=bash

# Prints the packages of the given sections, one a line.
_setup_listed() {
  local wanted=" $* " section="" line
  while IFS= read -r line; do
    line="${line%%#*}"
    line="${line//[[:space:]]/}"
    case "$line" in
      "") ;;
      "["*"]") section="${line:1:-1}" ;;
      *) [[ "$wanted" != *" $section "* ]] || echo "$line" ;;
    esac
  done < "${SETUP_LIST:-tools/packages.txt}"
}

_setup_installed() {
  [[ "$(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null)" == installed ]]
}

_setup_fail() {
  echo "setup: $*" >&2
  exit 1
}

setup_packages() {
  local install="$1" package
  shift
  command -v dpkg-query >/dev/null || _setup_fail "this is not Debian: dpkg-query was not found." \
    "Install by hand what ${SETUP_LIST:-tools/packages.txt} names."

  local missing=()
  for package in $(_setup_listed "$@"); do
    _setup_installed "$package" || missing+=("$package")
  done
  ((${#missing[@]})) || return 0
  echo "setup: missing packages: ${missing[*]}"

  local as_root=()
  if ((EUID != 0)); then
    as_root=(sudo)
  fi
  local command=(apt-get install --yes --no-install-recommends "${missing[@]}")
  if [[ "$install" != yes ]]; then
    echo "setup: install them with: ${as_root[*]:+sudo }${command[*]}"
    exit 1
  fi
  if ((EUID != 0)) && ! command -v sudo >/dev/null; then
    _setup_fail "neither root nor sudo: let root run: ${command[*]}"
  fi

  echo "setup: apt-get update"
  "${as_root[@]}" apt-get update --quiet=2 || _setup_fail "apt-get update failed (see above)."
  echo "setup: ${command[*]}"
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive "${command[@]}" --quiet=2 >/dev/null ||
    _setup_fail "installing failed (see above). The command was: ${command[*]}"
  echo "setup: done"
}

setup_names=()

setup_example() {
  local script="examples/$1/setup.sh" options=() assignments assignment
  [[ -f "$script" ]] || return 0
  [[ "$2" == yes ]] || options=(--no-install)
  assignments="$("$script" "${options[@]}")" || return 1
  while IFS= read -r assignment; do
    [[ -n "$assignment" ]] || continue
    export "${assignment?}"
    setup_names+=("${assignment%%=*}")
  done <<<"$assignments"
}
