#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# run.sh CLASSES CLASS JAVA-OPTION... -- [ARGS...]: runs the class CLASS; or, if the program did not define it (it lies in
# a package, or its class is not public), the class that has a main method.
set -u

classes=$1
class=$2
shift 2

if [ ! -e "$classes/$class.class" ]; then
    found=$(cd "$classes" && grep -rl --include='*.class' '(\[Ljava/lang/String;)V' . | sort | head -n 1)
    found=${found#./}
    found=${found%.class}
    [ -z "$found" ] || class=$(printf '%s' "$found" | tr / .)
fi

# The class name takes the place of "--".
count=$#
replaced=no
while [ "$count" -gt 0 ]; do
    argument=$1
    shift
    if [ "$replaced" = no ] && [ "$argument" = -- ]; then
        argument=$class
        replaced=yes
    fi
    set -- "$@" "$argument"
    count=$((count - 1))
done
exec /usr/bin/java "$@"
