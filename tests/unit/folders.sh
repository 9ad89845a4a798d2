#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# folders.sh ROOT : fails if a source includes a header of a folder that its own may not depend on.
set -u
[ $# -eq 1 ] || { echo "usage: $0 ROOT" >&2 && exit 2; }
cd "$1/src" || exit 2

# Which folders a folder may use, besides itself.
allowed() {
    case $1 in
    base) echo ;;
    wire) echo base ;;
    cell) echo base wire ;;
    warden) echo base wire cell ;;
    egress) echo base wire ;;
    zygote) echo base wire cell ;;
    store) echo base ;;
    domain) echo base store ;;
    engine) echo base wire store domain ;;
    http) echo base ;;
    api) echo base store domain engine http ;;
    main/config) echo base egress domain ;;
    main/place) echo base main/config ;;
    main/confine) echo base wire ;;
    main/check) echo base cell engine http main/config main/place main/confine ;;
    main/api) echo base domain engine http api main/config main/place ;;
    main/ask) echo base ;;
    main/bench | main/selftest) echo base main/ask ;;
    main)
        echo base wire cell egress store domain engine http api \
            main/config main/place main/confine main/check main/api main/ask main/bench main/selftest
        ;;
    *) echo "src/$1 is not in the list of tests/unit/folders.sh" >&2 && return 1 ;;
    esac
}

status=0
for folder in $(find * -type d); do
    may=$(allowed "$folder") || { status=1 && continue; }
    used=$(cat "$folder"/*.[ch] | sed -n 's/^ *# *include "\([^"]*\)\/[^"/]*".*/\1/p' | sort -u)
    for other in $used; do
        case " $folder $may " in
        *" $other "*) ;;
        *)
            echo "src/$folder may not use src/$other:" >&2
            grep -n "include \"$other/[^/]*\"" "$folder"/*.[ch] >&2
            status=1
            ;;
        esac
    done
done
exit $status
