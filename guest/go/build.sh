#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# build.sh SOURCE OUTPUT -- compiles one Go file, run in the build directory.
# Where the distribution ships the standard library compiled (Go up to 1.19), the compiler and linker are called
# directly, which takes a third of the time of `go build`. Anything they do not manage is for `go build`, whose messages
# are the ones to show.
set -u

root=$(readlink -f /usr/bin/go)
root=${root%/bin/go}
library=$(echo "$root"/pkg/linux_*)
tools=$(echo "$root"/pkg/tool/linux_*)

if [ -e "$library/fmt.a" ] && ! grep -q '^//go:\|^import "C"' "$1" &&
    "$tools/compile" -o "$2.o" -p main -complete -I "$library" "$1" >/dev/null 2>&1 &&
    "$tools/link" -o "$2" -L "$library" "$2.o" >/dev/null 2>&1; then
    exit 0
fi
/usr/bin/go build -buildvcs=false -o "$2" "$1" || exit
[ -x "$2" ] && exit 0
# Of another package it has made an archive. That there is nothing to run is said in the words of `go run`.
echo 'package command-line-arguments is not a main package' >&2
exit 1
