#!/bin/bash
# setup_test.sh CASE CHECKOUT: one case of the launcher's behaviour, in a small copy of the checkout.
set -euo pipefail
source_dir=$2
work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
fail() { printf 'FAILED: %s\n' "$1" >&2; if [[ -f $work/err ]]; then cat "$work/err" >&2; fi; exit 1; }
is() { [[ $1 == "$2" ]] || fail "found '$1', expected '$2'"; }
has() { grep -qF -- "$2" "$1" || fail "'$2' is not in $(cat "$1")"; }

# A checkout with a space in its name, a LibTorch that exists, and stubs: `cmake` leaves the files that the set-up
# looks for, `ninja` "builds" a program that prints its arguments. Both leave a line in `calls`.
unset CI PEFTBENCH_TORCH_DIR PEFTBENCH_BUILD_DIR PEFTBENCH_DATA PEFTBENCH_PEER_PYTHON PEFTBENCH_HOME PEFTBENCH_CTRANSLATE2 \
  PEFTBENCH_CTRANSLATE2_PYTHON
home="$work/a checkout"
mkdir -p "$home"/{framework/src,plugins,tools,cmake,.deps/torch} "$work/bin" "$work/data"
cp "$source_dir"/peft-bench "$home/"
cp "$source_dir"/tools/{setup.sh,setup_peers.sh,unpack_wheels.py} "$home/tools/"
cp "$source_dir"/cmake/{torch,arrow}.version "$home/cmake/"
printf "__version__ = '%s'\n" "$(< "$home/cmake/torch.version")" > "$home/.deps/torch/version.py"
touch "$home/CMakeLists.txt" "$home/framework/src/a.cpp"
export PEFTBENCH_DATA=$work/data CALLS=$work/calls PATH=$work/bin:$PATH
: > "$CALLS"
stub() { # NAME, its text on stdin
  { echo '#!/bin/bash'; cat; } > "$work/bin/$1"
  chmod +x "$work/bin/$1"
}
stub dpkg-query <<'S'
for p; do [[ $p == lib* || $p == nlohmann* || $p == zlib* ]] && echo "ii  $p"; done
S
stub cmake <<'S'
echo "cmake $*" >> "$CALLS"
while [[ $# -gt 0 ]]; do case $1 in -S) s=$2 ;; -B) b=$2 ;; -DPEFTBENCH_TORCH_DIR=*) t=${1#*=} ;; esac; shift; done
mkdir -p "$b/CMakeFiles"
printf '%s\n' "CMAKE_HOME_DIRECTORY:INTERNAL=$s" CMAKE_GENERATOR:INTERNAL=Ninja "PEFTBENCH_TORCH_DIR:PATH=$t" \
  PEFTBENCH_BUILD_TESTS:BOOL=OFF > "$b/CMakeCache.txt"
touch "$b/build.ninja"
S
stub ninja <<'S'
echo "ninja $*" >> "$CALLS"
[[ ! -f ${NINJA_FAILS:-/nothing} ]] || { echo "1 2 g++ a.cpp"; echo "a.cpp:1: error: broken"; exit 1; }
echo "1 1 Linking"
mkdir -p "$2/bin"
printf '#!/bin/bash\necho "home=$PEFTBENCH_HOME args=$*"\n' > "$2/bin/peft-bench"
chmod +x "$2/bin/peft-bench"
S
for tool in g++; do stub $tool <<< 'exit 0'; done
stub npm <<< 'echo "npm $*" >> "$CALLS"; exit 1'
launch() { "$home/peft-bench" "$@" 2> "$work/err" < /dev/null; }
calls() { grep -c "^$1" "$CALLS" || true; }

case $1 in
  asks_for_root)  # a package is missing, and nobody may install it: one command to type, exit 2, nothing built
    stub dpkg-query <<'S'
for p; do [[ $p == lib* && $p != libyaml* ]] && echo "ii  $p"; done
S
    stub id <<< 'echo 1000'
    stub sudo <<< 'exit 1'
    status=0
    launch methods || status=$?
    is "$status" 2
    has "$work/err" "sudo apt-get update && sudo apt-get install -y --no-install-recommends libyaml-cpp-dev nlohmann-json3-dev zlib1g-dev"
    is "$(grep -c apt-get "$work/err")" 1
    is "$(cat "$CALLS")" ""
    ;;
  overhead)  # < 50 ms of its own once built, with more sources than this project has
    for ((i = 0; i < 500; i++)); do touch "$home/framework/src/file_$i.cpp"; done
    launch methods > /dev/null
    best=999999
    for ((i = 0; i < 10; i++)); do  # the quickest of ten: a loaded machine must not fail the test
      begin=${EPOCHREALTIME/./}
      launch methods > /dev/null
      both=$((${EPOCHREALTIME/./} - begin))
      begin=${EPOCHREALTIME/./}
      "$home/build/bin/peft-bench" methods > /dev/null
      own=$((both - (${EPOCHREALTIME/./} - begin)))
      if ((own < best)); then best=$own; fi
    done
    echo "the launcher's own time: $best us"
    ((best < 50000)) || fail "the launcher took $best us of its own, expected < 50000"
    is "$(calls ninja)" 1
    ;;
  stale_build)  # a changed source is built, a changed test or text is not; a failed build is reported and continued
    launch methods > /dev/null
    sleep 0.1
    touch "$home/framework/src/a.cpp"
    launch methods > /dev/null
    is "$(calls ninja)" 2
    is "$(calls cmake)" 1
    touch "$home/framework/src/README.md" "$home/framework/src/a_test.cpp"
    touch -r "$home/build/.ready" "$home/framework/src"
    launch methods > /dev/null
    is "$(calls ninja)" 2
    sleep 0.1
    touch "$home/framework/src/a.cpp" "$work/fails"
    status=0
    NINJA_FAILS=$work/fails launch methods || status=$?
    is "$status" 1
    has "$work/err" "a.cpp:1: error: broken"
    has "$work/err" "fix:"
    rm "$work/fails"
    launch methods > /dev/null
    is "$(calls ninja)" 4
    ;;
  other_torch)  # PEFTBENCH_TORCH_DIR is used, nothing is fetched, and it is kept until another is named
    rm -rf "$home/.deps/torch"
    mkdir "$work/my torch"
    PEFTBENCH_TORCH_DIR="$work/my torch" launch methods > /dev/null
    has "$CALLS" "-DPEFTBENCH_TORCH_DIR=$work/my torch"
    launch methods > /dev/null
    is "$(calls cmake)" 1
    mkdir "$work/torch2"
    (cd "$work" && PEFTBENCH_TORCH_DIR=torch2 launch methods > /dev/null)
    has "$CALLS" "-DPEFTBENCH_TORCH_DIR=$work/torch2"
    is "$(calls cmake)" 2
    ;;
  torch_kind)  # PEFTBENCH_TORCH=cuda takes the wheel with CUDA, cpu the other, each once; else what is there is kept
    version=$(< "$home/cmake/torch.version")
    for kind in cpu cuda; do
      mkdir -p "$work/$kind/torch/"{lib,include}
      touch "$work/$kind/torch/lib/libtorch_cpu.so"
      if [[ $kind == cuda ]]; then touch "$work/$kind/torch/lib/libtorch_cuda.so"; fi
      printf "__version__ = '%s'\n" "$version" > "$work/$kind/torch/version.py"
      (cd "$work/$kind" && python3 -c "import shutil; shutil.make_archive('$work/$kind', 'zip')")
    done
    stub ldd <<< 'exit 0'
    stub python3 <<S
echo "python \$*" >> "$CALLS"
kind=cpu
if [[ "\$*" == *torch===* ]]; then kind=\${CUDA_WHEEL:-cuda}; fi
while [[ \$# -gt 0 && \$1 != --dest ]]; do if [[ \$1 == *unpack_wheels.py ]]; then exec "$(command -v python3)" "\$@"; fi; shift; done
[[ \$# == 0 ]] || cp "$work/\$kind.zip" "\$2/torch-1.whl"
S
    launch methods > /dev/null
    is "$(calls cmake)" 1
    status=0
    PEFTBENCH_TORCH=gpu launch methods > /dev/null || status=$?
    is "$status" 2
    has "$work/err" "expected: cpu or cuda"
    status=0
    CUDA_WHEEL=cpu PEFTBENCH_TORCH=cuda launch methods > /dev/null || status=$?
    is "$status" 1
    has "$work/err" "has no CUDA half"
    [[ -f $home/.deps/torch/version.py ]] || fail "the LibTorch that was there is gone"
    PEFTBENCH_TORCH=cuda launch methods > /dev/null
    has "$CALLS" "torch===$version"
    is "$(calls cmake)" 2
    [[ -f $home/.deps/torch/lib/libtorch_cuda.so ]] || fail "no CUDA half"
    PEFTBENCH_TORCH=cuda launch methods > /dev/null
    touch "$home/framework/src/a.cpp"
    launch methods > /dev/null
    is "$(calls cmake)" 2
    [[ -f $home/.deps/torch/lib/libtorch_cuda.so ]] || fail "the CUDA half is gone"
    PEFTBENCH_TORCH=cpu launch methods > /dev/null
    is "$(calls cmake)" 3
    [[ ! -f $home/.deps/torch/lib/libtorch_cuda.so ]] || fail "still with CUDA"
    ;;
  parquet)  # PEFTBENCH_PARQUET=on gets Arrow once, also where the program is built already, and configures anew
    launch methods > /dev/null
    is "$(calls cmake)" 1
    mkdir -p "$work/wheel/pyarrow/include" && touch "$work/wheel/pyarrow/libarrow.so.1" "$work/wheel/pyarrow/lib.so"
    (cd "$work/wheel" && python3 -c "import shutil; shutil.make_archive('$work/pyarrow', 'zip')")
    stub python3 <<S
echo "python \$*" >> "$CALLS"
while [[ \$# -gt 0 && \$1 != --dest ]]; do if [[ \$1 == *unpack_wheels.py ]]; then exec "$(command -v python3)" "\$@"; fi; shift; done
[[ \$# == 0 ]] || cp "$work/pyarrow.zip" "\$2/pyarrow-1.whl"
S
    PEFTBENCH_PARQUET=on launch methods > /dev/null
    is "$(calls cmake)" 2
    has "$CALLS" "-DPEFTBENCH_PARQUET=on"
    has "$CALLS" "pyarrow==$(< "$home/cmake/arrow.version")"
    is "$(cd "$home/.deps/pyarrow" && find . -type f | sort | tr '\n' ' ')" "./.version ./libarrow.so.1 "
    PEFTBENCH_PARQUET=on launch methods > /dev/null
    launch methods > /dev/null
    is "$(calls cmake)" 2
    ;;
  plot)  # the library of the page: its packages by their hashes, once; without it the set-up goes on
    cp "$source_dir/cmake/plot.packages" "$home/cmake/"
    launch methods > /dev/null
    has "$work/err" "d3 7.9.0 was not fetched"
    is "$(calls npm) $([[ -e $home/.deps/plot ]] && echo there)" "1 "
    mkdir -p "$work/package/dist"
    echo licence > "$work/package/LICENSE"
    touch "$work/package/dist/one.js" "$work/package/dist/two.js"
    tar -czf "$work/one.tgz" -C "$work" package
    hash=$(sha256sum "$work/one.tgz" | cut -d' ' -f1)
    stub npm <<S
echo "npm \$*" >> "$CALLS"
cp "$work/one.tgz" "\$4/package-1.tgz"
S
    printf '%s\n' "one 1 $hash dist/one.js" "@a/two 2 ${hash//[0-9]/0} dist/two.js" > "$home/cmake/plot.packages"
    sleep 0.1 && touch "$home/framework/src/a.cpp"
    launch methods > /dev/null
    has "$work/err" "@a/two 2 was not fetched"
    is "$([[ -e $home/.deps/plot ]] && echo there)" ""
    printf '%s\n' "one 1 $hash dist/one.js" "@a/two 2 $hash dist/two.js" > "$home/cmake/plot.packages"
    sleep 0.1 && touch "$home/framework/src/a.cpp"
    launch methods > /dev/null
    is "$(cd "$home/.deps/plot" && find . -type f | sort | tr '\n' ' ')" "./.packages ./LICENSES ./one.js ./two.js "
    is "$(grep -c licence "$home/.deps/plot/LICENSES")" 2
    : > "$CALLS"
    sleep 0.1 && touch "$home/framework/src/a.cpp"
    launch methods > /dev/null
    is "$(calls npm)" 0
    ;;
  moved_checkout)
    launch methods > /dev/null
    mv "$home" "$work/moved"
    home=$work/moved
    is "$(launch methods)" "home=$home args=methods"
    is "$(calls cmake)" 2
    ;;
  spaces_and_links)  # from another folder, through a link, with odd arguments; the program's exit status is passed on
    ln -s "$home/peft-bench" "$work/bin/pb"
    cd /
    is "$("$work/bin/pb" methods 'a b' 2> "$work/err")" "home=$home args=methods a b"
    printf '#!/bin/bash\nexit 7\n' > "$home/build/bin/peft-bench"
    status=0
    launch methods || status=$?
    is "$status" 7
    ;;
  interrupted)  # what a killed set-up leaves behind is not taken for whole
    mkdir -p "$home/build/bin" "$home/.deps/torch.new/site/torch/lib"
    printf '#!/bin/bash\necho half\n' > "$home/build/bin/peft-bench"
    chmod +x "$home/build/bin/peft-bench"
    printf '%s\n' "$home" > "$home/build/.ready.new"
    is "$(launch methods)" "home=$home args=methods"
    is "$(calls ninja)" 1
    ;;
  processors)  # S16: no more compilers at once than a container has time for, of either version of control groups
    eval "$(sed -n '/^processors() /,/^}/p' "$source_dir/tools/setup.sh")"
    stub nproc <<< 'echo 8'
    groups=$work/groups
    mkdir -p "$groups/cpu"
    is "$(processors "$groups")" 8
    echo '-1' > "$groups/cpu/cpu.cfs_quota_us"
    echo 100000 > "$groups/cpu/cpu.cfs_period_us"
    is "$(processors "$groups")" 8
    echo 250000 > "$groups/cpu/cpu.cfs_quota_us"
    is "$(processors "$groups")" 3
    echo 'max 100000' > "$groups/cpu.max"
    is "$(processors "$groups")" 8
    echo '50000 100000' > "$groups/cpu.max"
    is "$(processors "$groups")" 1
    ;;
  sanitize)  # a build folder of its own, with the LibTorch of the other build, and the tests of one label
    cp "$source_dir/run-tests" "$home/"
    mkdir -p "$home/.deps/pyarrow" "$work/my torch"
    cp "$home/cmake/arrow.version" "$home/.deps/pyarrow/.version"
    stub ctest <<< 'echo "ctest $* ASAN_OPTIONS=$ASAN_OPTIONS" >> "$CALLS"'
    "$home/run-tests" --help > "$work/help"
    has "$work/help" "./run-tests --sanitize"
    is "$(grep -c '#' "$work/help")" 0
    is "$(cat "$CALLS")" ""
    PEFTBENCH_TORCH_DIR="$work/my torch" launch methods > /dev/null
    : > "$CALLS"
    "$home/run-tests" --sanitize core text --verbose 2> "$work/err" < /dev/null
    has "$CALLS" "cmake -S $home -B $home/build-asan "
    has "$CALLS" "-DPEFTBENCH_TORCH_DIR=$work/my torch"
    has "$CALLS" "-DPEFTBENCH_SANITIZE=address,undefined"
    has "$CALLS" "ninja -C $home/build-asan "
    has "$CALLS" " sanitized_tests"
    has "$CALLS" "ctest --test-dir $home/build-asan "
    has "$CALLS" "--tests-regex core|text --verbose --label-regex ^sanitize\$ ASAN_OPTIONS=detect_leaks=0"
    is "$(calls cmake) $(calls ninja) $(calls ctest)" "1 1 1"
    ;;
  benchmarks)  # its packages, its targets, and CTranslate2 once where it is asked for, with the peers' packages in sight
    set_up() { "$home/tools/setup.sh" benchmarks 2> "$work/err" < /dev/null; }
    stub id <<< 'echo 1000'
    stub sudo <<< 'exit 1'
    mv "$work/bin/dpkg-query" "$work/all"
    stub dpkg-query <<< "\"$work/all\" \"\$@\" | grep -v libbenchmark"
    status=0
    PEFTBENCH_PEER_PYTHON=/none set_up || status=$?
    is "$status" 2
    has "$work/err" "--no-install-recommends libbenchmark-dev"
    mv "$work/all" "$work/bin/dpkg-query"
    cat > "$work/python" <<'S'
#!/bin/bash
echo "python $*" >> "$CALLS"
if [[ $2 == venv ]]; then mkdir -p "$3/bin" "$3/site" && cp "$0" "$3/bin/python"; fi
if [[ $1 == -c ]]; then echo "$(dirname "$(dirname "$0")")/site"; fi
S
    chmod +x "$work/python"
    export PEFTBENCH_PEER_PYTHON=$work/python
    set_up
    has "$CALLS" "-DPEFTBENCH_BUILD_BENCHMARKS=ON"
    has "$CALLS" " peft-bench-bin plugins training_step"
    is "$(calls python)" 0
    for ((i = 0; i < 2; i++)); do PEFTBENCH_CTRANSLATE2=on set_up; done
    has "$CALLS" "pip install --disable-pip-version-check --no-input --progress-bar off ctranslate2=="
    is "$(cat "$home/.deps/ctranslate2/site/peer.pth")" "$(dirname "$work")/site"
    is "$(calls 'python -m pip')" 1
    ;;
  *) fail "no such case" ;;
esac
