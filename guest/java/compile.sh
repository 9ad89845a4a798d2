#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# compile.sh JAVAC-ARGUMENT... | --waiting | --rehearsing CLASSES ARGUMENT...: the Java compiler, started by its class. The
# javac command takes the boot image of another set of modules, and so none of the shared classes. With the compiler's own
# archive (tools/prepare) it starts in less than half the time; a JVM ignores an archive that another one made. Of the
# collectors only G1 can take the archive's objects (JDK 17); the young generation is large enough that it has nothing to do
# for a small program. The archive is taken where it was made for, as in run.sh. With --waiting it is one that is started before
# its program is known (src/cell/runtime.h), with --rehearsing the same for tools/prepare.
prepared=${0%/*}/prepared
archive=$prepared/javac.jsa
if [ "$*" = --waiting ]; then
    [ -e "$prepared/WaitingCompiler.class" ] || exit 1
    set -- -cp "$prepared" WaitingCompiler
elif [ "$1" = --rehearsing ]; then
    shift
    classes=$1
    shift
    set -- -cp "$classes" WaitingCompiler "$@"
else
    set -- com.sun.tools.javac.Main "$@"
fi
[ ! -e "$archive" ] || set -- "-XX:SharedArchiveFile=$archive" "$@"
exec /usr/bin/java -XX:+IgnoreUnrecognizedVMOptions -XX:+UnlockDiagnosticVMOptions -XX:ArchiveRelocationMode=0 \
    -XX:+UseG1GC -XX:ParallelGCThreads=1 -XX:ConcGCThreads=1 -XX:G1ConcRefinementThreads=1 \
    -XX:TieredStopAtLevel=1 -XX:-UsePerfData -Xshare:auto -Xlog:disable -Xms64m -Xmn48m "$@"
