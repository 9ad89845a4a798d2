#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# warden_imports.sh PROGRAM : fails if the privileged program needs a shared library besides the C library and libseccomp.
# Sanitized builds bring their own, which are not looked at.
set -u
[ $# -eq 1 ] || { echo "usage: $0 PROGRAM" >&2 && exit 2; }

needed=$(readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]$/\1/p')
[ -n "$needed" ] || { echo "readelf finds no libraries in $1" >&2 && exit 2; }
bad=$(echo "$needed" | grep -vE '^(libc\.(so\.6|musl-.*)|ld-linux.*|libseccomp\.so\.2|lib(asan|ubsan|tsan|clang_rt.*)\.so.*)$')
case $needed in
*san.so*) bad=$(echo "$bad" | grep -vE '^(libm|libgcc_s|libpthread|libdl|librt|libresolv|libstdc\+\+)\.so') ;;
esac
[ -z "$bad" ] && exit 0
echo "the warden may not need:" $bad >&2
exit 1
