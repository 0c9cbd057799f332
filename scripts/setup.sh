#!/bin/sh
# Installs what building and running Grape needs and is missing: Debian packages, through apt. Says what to install
# where there is no apt, and what is wrong where there is no Swift. Takes a moment when nothing is missing.
#
#   scripts/setup.sh [--bench | --cluster-bench | --server-bench]      also what a comparison with others needs
set -eu

fail() {
    printf 'setup: %s\n' "$1" >&2
    exit 1
}

require_swift() {
    command -v swift >/dev/null 2>&1 ||
        fail "Swift is not installed. Grape needs Swift 6.2 or later: https://www.swift.org/install/linux/"
    version=$(swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9]*\)\.\([0-9]*\).*/\1 \2/p' | head -n 1)
    [ -n "$version" ] || fail "'swift --version' does not tell its version"
    # shellcheck disable=SC2086 # two words on purpose
    set -- $version
    if [ "$1" -lt 6 ] || { [ "$1" -eq 6 ] && [ "$2" -lt 2 ]; }; then
        fail "found Swift $1.$2, Grape needs 6.2 or later: https://www.swift.org/install/linux/"
    fi
}

# Prints the package of each thing that is not there: `file or command` and the Debian package that brings it.
missing_packages() {
    while read -r kind what package; do
        case $kind in
        header) [ -e "/usr/include/$what" ] || echo "$package" ;;
        command) command -v "$what" >/dev/null 2>&1 || echo "$package" ;;
        module) python3 -c "import $what" >/dev/null 2>&1 || echo "$package" ;;
        python-header)
            python3 -c 'import os, sysconfig, sys
sys.exit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))' >/dev/null 2>&1 || echo "$package"
            ;;
        esac
    done <<LIST
header rocksdb/c.h librocksdb-dev
header lz4.h liblz4-dev
header simdjson.h libsimdjson-dev
header xxhash.h libxxhash-dev
header zlib.h zlib1g-dev
command g++ g++
command pkg-config pkg-config
command curl curl
command gzip gzip
command git git
command python3 python3
$1
LIST
}

install_packages() {
    command -v apt-get >/dev/null 2>&1 ||
        fail "these are missing and there is no apt-get to install them: $1 (names of Debian's packages)"
    as_root=
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null 2>&1 || fail "run as root, or install sudo, to install: $1"
        as_root=sudo
    fi
    echo "setup: installing $1"
    $as_root apt-get update -qq || fail "apt-get update failed"
    # shellcheck disable=SC2086 # one word a package on purpose
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $1 >/dev/null ||
        fail "apt-get could not install: $1"
}

bench_needs=
if [ "${1:-}" = --bench ]; then
    bench_needs="module ensurepip python3-venv
python-header Python.h python3-dev"
elif [ "${1:-}" = --server-bench ]; then
    bench_needs="module ensurepip python3-venv
command h2load nghttp2-client"
elif [ "${1:-}" = --cluster-bench ]; then
    bench_needs="command h2load nghttp2-client
command protoc protobuf-compiler"
fi
require_swift
missing=$(missing_packages "$bench_needs" | sort -u | tr '\n' ' ' | sed 's/ $//')
[ -z "$missing" ] || install_packages "$missing"
