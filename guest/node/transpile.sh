#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# transpile.sh SOURCE OUTPUT -- TypeScript to CommonJS, ES2019 (exec.md 10.3), errors in esbuild's own words.
# Most programs are transpiled by the attempt before this (languages/ts.json), which needs no shell.
# CommonJS has no await outside of functions and no import.meta; only a program that uses them is made an ES module, which
# run.cjs accepts.
set -u

transpile() {
    esbuild --loader=ts --sourcefile="${1##*/}" --sourcemap=inline --log-level=error \
        --supported:dynamic-import=false --supported:bigint=true --log-override:empty-import-meta=error "$3" "$4" \
        --tsconfig-raw='{"compilerOptions":{"experimentalDecorators":true}}' <"$1" >"$2"
}

errors=$(transpile "$1" "$2" --format=cjs --target=es2019 2>&1) && exit 0
case $errors in
*'op-level await'* | *'import.meta'*) transpile "$1" "$2" --format=esm --target=es2022 ;;
*) printf '%s\n' "$errors" >&2 && exit 1 ;;
esac
