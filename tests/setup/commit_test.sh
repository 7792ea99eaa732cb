#!/bin/bash
# commit_test.sh CHECKOUT: what cmake/commit.cmake tells of a tree in which it is and is not clean, and of none.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
git=$(command -v git) || { echo "skipped: no git"; exit 77; }
tree="$work/a tree"
mkdir "$tree"
write() { cmake "-DOUT=$work/commit.cpp" "-DDIR=$1" "-DGIT=$2" -P "$script"; }
script=$1/cmake/commit.cmake
told() { sed -n 's/^const char\* const built_[a-z]* = "\(.*\)";$/\1/p' "$work/commit.cpp" | paste -sd' '; }
is() { [[ $1 == "$2" ]] || { printf "FAILED: found '%s', expected '%s'\n" "$1" "$2" >&2; exit 1; }; }
export GIT_CEILING_DIRECTORIES=$work

write "$tree" "$git"
is "$(told)" " "
"$git" -C "$tree" init -q
write "$tree" "$git"  # no commit yet
is "$(told)" " "
mkdir "$tree/below"
echo one > "$tree/below/file"
"$git" -C "$tree" add .
"$git" -C "$tree" -c user.name=a -c user.email=a@b -c commit.gpgsign=false commit -qm first
commit=$("$git" -C "$tree" rev-parse HEAD)
write "$tree" "$git"
is "$(told)" "$commit clean"
time=$(stat -c %y "$work/commit.cpp")
write "$tree" "$git"
is "$(stat -c %y "$work/commit.cpp")" "$time"  # else each build would compile and link it
write "$tree/below" "$git"  # in a checkout that is another project's
is "$(told)" " "
write "$tree" ""
is "$(told)" " "
touch "$tree/new"
write "$tree" "$git"
is "$(told)" "$commit changed"
