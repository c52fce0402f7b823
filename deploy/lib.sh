# shellcheck shell=bash
# Shared by the scripts beside it: where the repository is, how to speak, how to install.
# Sourced with `set -euo pipefail` in force; expects to be run with bash.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

say() { printf '\n==> %s\n' "$*"; }
fail() { printf 'error: %s\n' "$*" >&2; exit 1; }
has() { command -v "$1" >/dev/null 2>&1; }
has_header() { [ -e "/usr/include/$1" ] || [ -e "/usr/local/include/$1" ]; }

# What runs a command as root without asking for a password; fails when nothing does.
as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"
    elif has sudo && sudo -n true 2>/dev/null; then sudo -n "$@"
    else return 1
    fi
}

# Installs Debian packages, or says which ones and stops.
install_packages() {
    [ $# -gt 0 ] || return 0
    has apt-get || fail "please install what these Debian packages hold: $*"
    say "Installing $*"
    if ! as_root true; then
        fail "not root, and sudo needs a password; please run: sudo apt-get install $*"
    fi
    as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
}

require_swift() {
    has swift || fail "Swift 6.3 or newer is missing; see https://www.swift.org/install/linux/"
    local version
    version=$(swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9]*\.[0-9]*\).*/\1/p')
    if [ "$(printf '%s\n6.3\n' "$version" | sort -V | head -n 1)" != 6.3 ]; then
        fail "Swift ${version:-of unknown version} is too old; 6.3 or newer is needed:" \
            "see https://www.swift.org/install/linux/"
    fi
}

build_release() {
    (cd "$root" && swift build -c release --product tickertape --static-swift-stdlib)
}

release_binary() {
    echo "$(cd "$root" && swift build -c release --static-swift-stdlib --show-bin-path)/tickertape"
}
