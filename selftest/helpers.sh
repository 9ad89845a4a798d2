# SPDX-License-Identifier: Apache-2.0
# Stands before each shell program of the self-test that is a file.
held() { printf 'HELD\t%s\t%s\n' "$1" "$2"; }
down() { printf 'DOWN\t%s\t%s\n' "$1" "$2"; }

