#!/bin/bash
# command_line_test.sh PROGRAM FOLDER
# What a user sees of each bad plugin: exit status 2 and a message with its remedy, never a trace or a signal.
set -u
program=$1 folder=$2
failures=0
seen=0
output=$(mktemp)
trap 'rm -f "$output"' EXIT

wrong() {
  echo "FAILED: $*"
  cat "$output"
  failures=$((failures + 1))
}

for library in "$folder"/*.so; do
  name=$(basename "$library" .so)
  seen=$((seen + 1))
  "$program" params --backbone t5-v1_1-small --method "$name" --plugin "$library" > "$output" 2>&1
  status=$?
  case $name in
    good | marks | wrong_rows) expected=0 ;;  # the last plans well; its fault is in a hook
    no_memory) expected=1 ;;
    *) expected=2 ;;
  esac
  [[ $status == "$expected" ]] || wrong "$name: exit status $status, expected $expected"
  if [[ $expected != 0 ]]; then
    grep -q 'fix:' "$output" || wrong "$name: no remedy"
    grep -q "$name" "$output" || wrong "$name: the message does not name it"
    if grep -qE 'terminate called|frame #|Segmentation' "$output"; then wrong "$name: a trace"; fi
  fi
done

# A list is never spoilt by what is broken in it.
PEFTBENCH_PLUGIN_PATH=$folder "$program" methods > "$output" 2>&1 || wrong "methods: exit status $?"
for name in good prompt_tuning throws_int other_torch; do grep -q "$name" "$output" || wrong "methods: $name is missing"; done

"$program" params --backbone t5-v1_1-small --method promt_tuning > "$output" 2>&1
[[ $? == 2 ]] || wrong "a misspelt name: not refused as the user's"
grep -q "did you mean 'prompt_tuning'" "$output" || wrong "a misspelt name: no guess"

echo "$seen libraries, $failures failures"
[[ $failures == 0 && $seen -ge 30 ]]
