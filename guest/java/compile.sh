#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# compile.sh JAVAC-ARGUMENT...: the Java compiler, started by its class. The javac command takes the boot image of another
# set of modules, and so none of the shared classes. With the compiler's own archive (tools/prepare) it starts in less than
# half the time; a JVM ignores an archive that another one made.
archive=${0%/*}/prepared/javac.jsa
set -- com.sun.tools.javac.Main "$@"
[ ! -e "$archive" ] || set -- "-XX:SharedArchiveFile=$archive" "$@"
exec /usr/bin/java -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:-UsePerfData -Xshare:auto -Xlog:disable -Xms64m -Xmn48m "$@"
