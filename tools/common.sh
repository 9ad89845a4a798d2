# SPDX-License-Identifier: Apache-2.0
# Sourced by run and check: words, time, packages, build. POSIX shell.

started=$(date +%s)

elapsed() {
    echo "$(($(date +%s) - started)) s"
}

say() {
    printf '[%5s] %s\n' "$(elapsed)" "$*"
}

fail() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

need_root() {
    [ "$(id -u)" = 0 ] || fail "run it as root: sudo ./${0##*/}"
}

# shellcheck disable=SC2034 # for whoever sources this
build_packages="gcc g++ libc6-dev meson ninja-build pkg-config libmicrohttpd-dev libjansson-dev libsqlite3-dev
    libseccomp-dev libgnutls28-dev nettle-dev libunistring-dev curl"

# shellcheck disable=SC2034 # for whoever sources this
network_packages="nftables" # ENABLE_WAN_ACCESS loads its rules with it

# Tools that bash programs expect beside what languages/bash.json asks for.
bash_packages="findutils grep sed mawk bc file zip unzip xz-utils bzip2"

# The packages of the languages given as codes, from the one "package" line of each file.
language_packages() {
    for code in "$@"; do
        [ -f "languages/$code.json" ] || fail "unknown language '$code'; there are: $(all_languages | tr '\n' ' ')"
        sed -n 's/^[[:space:]]*"package"[[:space:]]*:[[:space:]]*"\([^"]*\)".*/\1/p' "languages/$code.json"
        [ "$code" != bash ] || echo "$bash_packages"
    done
}

all_languages() {
    for file in languages/*.json; do
        basename "$file" .json
    done
}

is_installed() {
    case $(dpkg-query -W -f='${Status}' "$1" 2>/dev/null) in
    *" ok installed") return 0 ;;
    esac
    # A Node.js from elsewhere serves as well, and the two cannot be installed together.
    case $1 in
    nodejs) [ -x /usr/bin/node ] ;;
    npm) [ -x /usr/bin/npm ] ;;
    *) return 1 ;;
    esac
}

# Shows some of apt's steps, so that a long installation is seen to move.
show_apt_progress() {
    awk '/newly installed/ { for (i = 2; i <= NF; i++) if ($i == "newly") total = $(i - 1) }
         /^Need to get / { printf "          %s\n", $0; fflush() }
         /^Unpacking / { if (++unpacked % 50 == 0) { printf "          %d of %d packages are unpacked\n", unpacked, total; fflush() } }
         /^Setting up / { if (++ready % 50 == 0) { printf "          %d of %d packages are set up\n", ready, total; fflush() } }'
}

apt_install() {
    log=$(mktemp)
    status=0
    { apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=300 "$@" 2>&1 || echo "apt-failed"; } |
        tee "$log" | show_apt_progress
    grep -q '^apt-failed$' "$log" && status=1
    [ $status = 0 ] || tail -n 20 "$log" >&2
    rm -f "$log"
    return $status
}

# install_packages what package... : installs those that are missing; asks nothing and touches no list if none is.
install_packages() {
    what=$1
    shift
    missing=
    for package in "$@"; do
        case "$missing " in
        *" $package "*) ;; # named twice
        *) is_installed "$package" || missing="$missing $package" ;;
        esac
    done
    [ -n "$missing" ] || return 0
    command -v apt-get >/dev/null || fail "this machine has no apt-get; install by hand:$missing"
    export DEBIAN_FRONTEND=noninteractive
    if [ -z "$package_lists_fresh" ]; then
        say "updating the package lists"
        apt-get update -qq -o DPkg::Lock::Timeout=300 >/dev/null || fail "apt-get update failed"
        package_lists_fresh=yes
    fi
    wanted=
    for package in $missing; do
        if apt-cache show "$package" >/dev/null 2>&1; then
            wanted="$wanted $package"
        else
            say "this distribution has no package $package"
        fi
    done
    say "installing $what:$wanted"
    # shellcheck disable=SC2086 # a list of words
    [ -z "$wanted" ] || apt_install $wanted || fail "the packages above could not be installed"
}
package_lists_fresh=

# configure directory option... : a build directory with these options, made or changed as needed.
configure() {
    directory=$1
    shift
    if [ -f "$directory/build.ninja" ]; then
        /usr/bin/meson configure "$directory" "$@" >/dev/null || fail "meson configure $directory failed"
        return 0
    fi
    rm -rf "$directory"
    /usr/bin/meson setup "$directory" "$@" >"/tmp/codecell-meson.$$" 2>&1 || {
        cat "/tmp/codecell-meson.$$" >&2
        rm -f "/tmp/codecell-meson.$$"
        fail "meson setup $directory failed"
    }
    rm -f "/tmp/codecell-meson.$$"
}
