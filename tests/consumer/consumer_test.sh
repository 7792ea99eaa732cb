#!/bin/bash
# consumer_test.sh SOURCE BUILD
# Runs the commands of docs/writing-a-method.md as they stand there, in a home folder of their own, and looks at what
# they made and said.
set -euo pipefail
source=$1 build=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
  echo "FAILED: $*"
  cat "$work/output"
  exit 1
}

# A checkout whose build folder is called `build`, whatever it is called here.
mkdir "$work/home" "$work/checkout"
ln -s "$source/plugins" "$work/checkout/plugins"
ln -s "$build" "$work/checkout/build"
awk '/^```sh$/ { inside = 1; next } /^```$/ { inside = 0 } inside' "$source/docs/writing-a-method.md" > "$work/commands.sh"
grep -q peftbench_add_plugin "$work/commands.sh" || { echo "FAILED: the page has no commands"; exit 1; }

# Nothing of this tree may be found by way of the environment.
unset PEFTBENCH_HOME PEFTBENCH_PLUGIN_PATH PEFTBENCH_TORCH_DIR
export HOME=$work/home
(cd "$work/checkout" && bash -euo pipefail -x "$work/commands.sh") > "$work/output" 2>&1 || fail "a command of the page failed"

expect() { grep -q -- "$1" "$work/output" || fail "expected '$1' in what the commands said"; }
expect 'shift'
expect 'targets'
expect 'prompt_tuning'  # in the list, beside the author's own
expect 'the backbone is unchanged'
[[ $(grep -c -E '^(find_package|peftbench_)' "$HOME/shift/CMakeLists.txt") == 2 ]] || fail "the page promises two lines"

program=$HOME/peft-bench/bin/peft-bench plugin=$HOME/shift/build/shift.so
symbols=$(nm -D --defined-only "$plugin" | awk '{ print $3 }')
[[ $symbols == peftbench_plugin ]] || fail "the plugin exports more than its header: $symbols"

# q and v of 24 encoder layers and of both attentions of 24 decoder layers, 4096 outputs each.
"$program" params --backbone t5-v1_1-xxl --method shift --plugin "$plugin" --json > "$work/output" 2>&1 || fail "params"
expect '"trained": *589824'

# The same library under another name is refused with the reason.
cp "$plugin" "$work/home/other.so"
status=0
"$program" methods other --plugin "$work/home/other.so" > "$work/output" 2>&1 || status=$?
[[ $status == 2 ]] || fail "exit status $status for a renamed plugin, expected 2"
expect "the name 'shift'"
echo "the page's commands work"
