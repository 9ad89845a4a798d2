#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# run.sh CLASSES CLASS MEMORY-MB [ARGS...]: runs the class CLASS; or, if the program did not define it (it lies in a package, or
# its class is not public), the class that has a main method: of several, one of that name, or Main, or the first.
#
# The heap may grow a little beyond the cell's memory limit: then it is the kernel that ends a program that wants too much,
# and the answer says out_of_memory instead of an ordinary failure. So that a program of less need is not ended too, the
# young generation is small and the old one grows by less than usual at a time.
#
# The class archive is taken where it was made for. Anywhere else every address in it is corrected, page by page, at each start.
set -u

classes=$1
class=$2
heap_mb=$(($3 + $3 / 8))
young_mb=$(($3 / 8))
shift 3

if [ ! -e "$classes/$class.class" ]; then
    # A constructor may have main's type too, so there must be the name: a constant is a byte for its kind, two for its length,
    # and the text. Outer classes come before their inner ones.
    found=$(cd "$classes" && grep -rl --include='*.class' '(\[Ljava/lang/String;)V' . |
        LC_ALL=C xargs -r -d '\n' grep -lPa '\x01\x00\x04main' -- | sed 's/[.]class$//' | LC_ALL=C sort)
    for name in "/$class\$" '/Main$' /; do
        named=$(printf '%s\n' "$found" | grep -m 1 -e "$name") && break
    done
    found=${named#./}
    [ -z "$found" ] || class=$(printf '%s' "$found" | tr / .)
fi

exec /usr/bin/java -XX:+IgnoreUnrecognizedVMOptions -XX:+UnlockDiagnosticVMOptions -XX:ArchiveRelocationMode=0 -Xshare:auto \
    -XX:+UseSerialGC -XX:-UsePerfData -Xms16m "-Xmx${heap_mb}m" "-XX:MaxNewSize=${young_mb}m" \
    -XX:MinHeapFreeRatio=15 -XX:MaxHeapFreeRatio=25 -cp "$classes:/mnt/data:/mnt/data/*" "$class" "$@"
