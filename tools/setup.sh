#!/bin/bash
# tools/setup.sh program|tests|benchmarks|sanitized_tests: makes this checkout ready to run, or to test, or to measure its
# speed, or to test with sanitizers (in a build folder of their own, PEFTBENCH_BUILD_DIR). Called by ./peft-bench,
# ./run-tests and benchmarks/speed.
#
# Each step is skipped where it is done already, and puts its result in place only when it is whole, so that an
# interrupted set-up is continued by the next call. Exit 2: something is asked of the user. Exit 1: a step failed.
set -uo pipefail

goal=${1:-program}
home=${PEFTBENCH_HOME:-$(dirname -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")")}
build=${PEFTBENCH_BUILD_DIR:-$home/build}
deps=$home/.deps
log=$build/setup.log
terminal=false
if [[ -t 2 ]]; then terminal=true; fi
source "$home/tools/setup_peers.sh"

# ---- messages -------------------------------------------------------------------------------------------------

# One line that is overwritten on a terminal; plain lines elsewhere.
say() {
  if $terminal; then printf '\r\033[K%.*s' "$(($(tput cols 2> /dev/null || echo 80) - 1))" "$*" >&2; else printf '%s\n' "$*" >&2; fi
}
end_line() { if $terminal; then printf '\r\033[K' >&2; fi; }
stop() { # STATUS LINE…
  local status=$1
  shift
  end_line
  printf '%s\n' "$@" >&2
  exit "$status"
}
failed() { # WHAT REMEDY
  end_line
  tail -n 30 "$log" >&2
  stop 1 "set-up failed: $1" "  full log: $log" "  fix:      $2"
}

# Runs a command into the log. Meanwhile the line shows how long it takes, and how large FOLDER has grown.
watched() { # LABEL FOLDER COMMAND…
  local label=$1 folder=$2 start=$SECONDS size=
  shift 2
  printf '\n== %s: %s\n' "$label" "$*" >> "$log"
  if $terminal; then
    "$@" >> "$log" 2>&1 < /dev/null &
    local job=$!
    trap 'kill $job 2> /dev/null; exit 130' INT TERM
    while kill -0 $job 2> /dev/null; do
      if [[ -d $folder ]]; then size=", $(du -sm -- "$folder" 2> /dev/null | cut -f1) MB"; fi
      say "$label … $((SECONDS - start)) s$size"
      sleep 0.5
    done
    trap - INT TERM
    wait $job
  else
    say "$label …"
    "$@" >> "$log" 2>&1 < /dev/null
  fi
}

# ---- Debian packages --------------------------------------------------------------------------------------------

# A tool may come from anywhere; a library must be the distribution's, since CMake looks for that.
# Not ccache: where it is there, CMake uses it, but a first build is slower with it.
tools=(g++:g++ cmake:cmake ninja:ninja-build flock:util-linux)
libraries=(libc6-dev libboost-dev libfmt-dev libsentencepiece-dev libutf8proc-dev libyaml-cpp-dev nlohmann-json3-dev
           libcli11-dev libre2-dev libhwy-dev zlib1g-dev libsqlite3-dev)
if [[ $goal == *tests ]]; then libraries+=(libgtest-dev libgmock-dev); fi
if [[ $goal == tests || $goal == benchmarks ]]; then libraries+=(libbenchmark-dev); fi

# The first Python that is new enough and has the module (pip to download, venv to make an environment).
python_with() { # MODULE…
  local python module
  for python in "${PEFTBENCH_PYTHON:-}" python3 /usr/bin/python3 python3.{14,13,12,11,10}; do
    [[ -n $python ]] && command -v "$python" > /dev/null || continue
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2> /dev/null || continue
    for module in "$@"; do "$python" -c "import $module" 2> /dev/null || continue 2; done
    command -v "$python"
    return 0
  done
  return 1
}

missing_packages() {
  local entry
  for entry in "${tools[@]}"; do command -v "${entry%%:*}" > /dev/null || echo "${entry#*:}"; done
  if command -v dpkg-query > /dev/null; then
    local installed
    installed=$(dpkg-query -W -f='${db:Status-Abbrev} ${Package}\n' "${libraries[@]}" 2> /dev/null | sed -n 's/^.i. *//p')
    for entry in "${libraries[@]}"; do grep -qxF -- "$entry" <<< "$installed" || echo "$entry"; done
  fi
  if { needs_torch || needs_arrow; } && ! python_with pip > /dev/null; then echo python3 python3-pip; fi
  if { needs_peer || needs_ctranslate2; } && ! python_with pip venv ensurepip > /dev/null; then echo python3 python3-venv; fi
}

install_packages() {
  local packages become=()
  read -r -d '' -a packages < <(missing_packages | tr ' ' '\n' | sort -u)
  [[ ${#packages[@]} -gt 0 ]] || return 0
  local command="apt-get update && sudo apt-get install -y --no-install-recommends ${packages[*]}"
  if ! command -v apt-get > /dev/null; then
    stop 2 "set-up needs these programs and libraries (Debian 12 names): ${packages[*]}" \
      "  fix: install them with your system's package manager, then run this again"
  elif [[ $(id -u) == 0 ]]; then
    become=()
  elif sudo -n true 2> /dev/null; then
    become=(sudo -n)
  elif command -v sudo > /dev/null && [[ -t 0 ]] && $terminal; then
    end_line
    printf 'To install: %s\n' "${packages[*]}" >&2
    sudo -v || stop 2 "sudo was refused. Ask an administrator to run:" "  sudo $command"
    become=(sudo -n)
  else
    stop 2 "Debian packages are missing, and installing them needs root. Run:" "  sudo $command" \
      "and run this again."
  fi
  local apt=("${become[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -y)
  local install=("${apt[@]}" --no-install-recommends install "${packages[@]}")
  # The lists may be absent (a fresh image) or old (a version that is gone): fetch them and try once more. A dpkg that
  # was interrupted is finished first.
  local label="installing ${#packages[@]} Debian packages"
  watched "$label" - "${install[@]}" || {
    watched "completing interrupted installations" - "${become[@]}" dpkg --configure -a
    watched "fetching the package lists" - "${apt[@]}" update
    watched "$label" - "${install[@]}"
  } || failed "apt-get could not install ${packages[*]}" "see apt's message above, then run this again"
}

# tests/page clicks in a browser; who has none does without that test. CI tries to get one.
install_browser() {
  [[ $goal == tests && ${CI:-} == true && $(id -u) == 0 ]] || return 0
  if command -v chromium > /dev/null || ! command -v apt-get > /dev/null; then return 0; fi
  watched "installing a browser" - env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -y \
    --no-install-recommends install chromium ||
    say "chromium could not be installed: the test of the page is skipped ($log says why)"
}

# ---- LibTorch -----------------------------------------------------------------------------------------------------

torch_version=$(< "$home/cmake/torch.version")

# Where LibTorch is: what the user names; else what this build has been configured with; else our own copy.
torch_dir=${PEFTBENCH_TORCH_DIR:-}
if [[ -z $torch_dir && -f $build/.ready ]]; then
  torch_dir=$(sed -n 2p "$build/.ready")
  [[ -d $torch_dir ]] || torch_dir=
fi
torch_dir=${torch_dir:-$deps/torch}
[[ $torch_dir == /* ]] || torch_dir=$PWD/$torch_dir

# With CUDA where NVIDIA's driver is, unless the user says which. A toolkit is never needed: the wheels hold all.
case ${PEFTBENCH_TORCH:-} in
  cpu | cuda) torch_kind=$PEFTBENCH_TORCH ;;
  '')
    torch_kind=cpu
    if [[ -e /dev/nvidia0 || -e /proc/driver/nvidia/version ]]; then torch_kind=cuda; fi
    ;;
  *) stop 2 "invalid value of PEFTBENCH_TORCH: '$PEFTBENCH_TORCH'" "  expected: cpu or cuda" ;;
esac

# The last file of the copy is version.py, so a folder that has it is whole; another version is replaced, and another
# kind where the user says which.
needs_torch() {
  [[ $torch_dir == "$deps/torch" ]] || return 1
  grep -qsF "'$torch_version" "$deps/torch/version.py" || return 0
  [[ -n ${PEFTBENCH_TORCH:-} && $(cat -- "$deps/torch/.kind" 2> /dev/null || echo cpu) != "$torch_kind" ]]
}

# pip takes the wheel from wherever the user's pip is told to. Only its libraries and headers are of use here.
fetch_torch() {
  needs_torch || return 0
  local python work=$deps/torch.new
  python=$(python_with pip) || failed "no Python >= 3.10 with pip was found" "apt-get install python3-pip"
  rm -rf -- "$work"
  mkdir -p -- "$work/wheels" "$work/tmp" || failed "$work is not writable" "free up disk space, or check the permissions"
  download() { # LABEL REQUIREMENT…
    watched "$1" "$work" env TMPDIR="$work/tmp" "$python" -m pip download --disable-pip-version-check --no-input \
      --progress-bar off --only-binary=:all: --dest "$work/wheels" "${@:2}" ||
      failed "pip could not download LibTorch $torch_version (the wheel of torch)" \
        "see pip's message above; without network, set PEFTBENCH_TORCH_DIR to an installed LibTorch"
  }
  unpack() { # LABEL
    watched "$1" "$work/site" "$python" "$home/tools/unpack_wheels.py" unpack "$work/wheels" "$work/site" ||
      failed "a wheel could not be unpacked" "free up disk space (LibTorch needs 1 GB, with CUDA 6 GB), then run this again"
  }
  # == also takes a local version such as +cpu; === takes PyPI's own wheel, which has CUDA.
  local half=cpu needed equals="=="
  if [[ $torch_kind == cuda ]]; then half=all equals="==="; fi
  download "downloading LibTorch $torch_version" --no-deps "torch$equals$torch_version"
  unpack "unpacking LibTorch"
  if [[ $torch_kind == cuda && ! -f $work/site/torch/lib/libtorch_cuda.so ]]; then
    failed "the wheel of torch $torch_version has no CUDA half" \
      "set PEFTBENCH_TORCH=cpu, or let pip find a wheel with CUDA (PIP_INDEX_URL)"
  fi
  if [[ -f $work/site/torch/lib/libtorch_cuda.so ]] && unresolved "$work/site/torch/lib" $half | grep -q .; then
    # A CUDA wheel: even its CPU half is linked to libraries of NVIDIA's, which are wheels of their own.
    read -r -d '' -a needed < <("$python" "$home/tools/unpack_wheels.py" needs "$work/wheels" $half)
    rm -f -- "$work/wheels"/*
    download "downloading NVIDIA's libraries" ${needed[@]+"${needed[@]}"}
    unpack "unpacking NVIDIA's libraries"
  fi
  local absent
  absent=$(unresolved "$work/site/torch/lib" cpu | paste -sd' ')
  [[ -z $absent ]] || failed "the wheel's libtorch_cpu.so needs $absent" \
    "set PEFTBENCH_TORCH_DIR to a LibTorch that loads on this machine (a CPU build does)"
  rm -rf -- "$deps/torch" "$deps/nvidia"
  if [[ -d $work/site/nvidia ]]; then mv -- "$work/site/nvidia" "$deps/nvidia"; fi
  echo "$torch_kind" > "$work/site/torch/.kind"
  mv -- "$work/site/torch" "$deps/torch" && rm -rf -- "$work"
}

# What the loader would not find for LibTorch's CPU half, or for all of it.
unresolved() { # LIB cpu|all
  local files=("$1/libtorch_cpu.so")
  if [[ $2 == all ]]; then files+=("$1/libtorch_cuda.so"); fi
  ldd "${files[@]}" 2>&1 | sed -n 's/^[[:space:]]*\(.*\) => not found$/\1/p; /not a dynamic/p; /No such file/p' | sort -u
}

# ---- Apache Arrow, which reads parquet ------------------------------------------------------------------------------

# Tests read parquet; users who want to, say PEFTBENCH_PARQUET=on once: it is 55 MB to download. The copy stays, and
# CMake takes it from then on.
arrow_version=$(< "$home/cmake/arrow.version")
needs_arrow() {
  [[ $goal == *tests || ${PEFTBENCH_PARQUET:-} == on ]] && [[ -z ${PEFTBENCH_ARROW_DIR:-} ]] &&
    ! grep -qsxF "$arrow_version" "$deps/pyarrow/.version"
}
fetch_arrow() {
  needs_arrow || return 0
  local python work=$deps/arrow.new
  python=$(python_with pip) || failed "no Python >= 3.10 with pip was found" "apt-get install python3-pip"
  rm -rf -- "$work"
  mkdir -p -- "$work/wheels" "$work/tmp" || failed "$work is not writable" "free up disk space, or check the permissions"
  watched "downloading Apache Arrow $arrow_version" "$work" env TMPDIR="$work/tmp" "$python" -m pip download \
    --disable-pip-version-check --no-input --progress-bar off --only-binary=:all: --no-deps --dest "$work/wheels" \
    "pyarrow==$arrow_version" || failed "pip could not download Apache Arrow $arrow_version (the wheel of pyarrow)" \
    "see pip's message above; without network, set PEFTBENCH_ARROW_DIR to the folder 'pyarrow' of an installed wheel"
  watched "unpacking Apache Arrow" "$work/site" "$python" "$home/tools/unpack_wheels.py" unpack "$work/wheels" "$work/site" ||
    failed "the wheel of pyarrow could not be unpacked" "free up disk space (Arrow needs 70 MB), then run this again"
  printf '%s\n' "$arrow_version" > "$work/site/pyarrow/.version"
  rm -rf -- "$deps/pyarrow"
  mv -- "$work/site/pyarrow" "$deps/pyarrow" && rm -rf -- "$work"
}

# ---- Observable Plot and D3, which draw the plots of `report --format html` ------------------------------------------------

# Lines of NAME VERSION SHA-256-of-the-package FILE. npm takes a package from wherever the user's npm is told to. Without
# npm or network the page has static plots, so nothing here stops the set-up.
plot_packages=$home/cmake/plot.packages
needs_plot() { [[ $goal != sanitized_tests && -f $plot_packages ]] && ! cmp -s "$plot_packages" "$deps/plot/.packages"; }
fetch_plot() {
  needs_plot && command -v npm > /dev/null || return 0
  local work=$deps/plot.new name version hash file
  rm -rf -- "$work"
  mkdir -p -- "$work/site" || return 0
  while read -r name version hash file; do
    watched "downloading $name $version" "$work" npm pack "$name@$version" --pack-destination "$work" --ignore-scripts \
      --no-update-notifier --no-fund --fetch-retries=1 --fetch-timeout=30000 &&
      mv -- "$work"/*.tgz "$work/package.tgz" &&
      sha256sum --check --quiet - <<< "$hash  $work/package.tgz" >> "$log" 2>&1 &&
      tar -xzf "$work/package.tgz" -C "$work" package/LICENSE "package/$file" &&
      mv -- "$work/package/$file" "$work/site/" &&
      printf '%s %s\n\n%s\n\n' "$name" "$version" "$(< "$work/package/LICENSE")" >> "$work/site/LICENSES" &&
      rm -rf -- "$work/package" "$work/package.tgz" || {
      say "$name $version was not fetched: the page of reports has static plots ($log says why)"
      rm -rf -- "$work"
      return 0
    }
  done < "$plot_packages"
  cp -- "$plot_packages" "$work/site/.packages" && rm -rf -- "$deps/plot" && mv -- "$work/site" "$deps/plot"
  rm -rf -- "$work"
}

# ---- building ---------------------------------------------------------------------------------------------------------

configure() {
  local options=("-DPEFTBENCH_TORCH_DIR=$torch_dir") cache=$build/CMakeCache.txt
  if [[ $goal == tests ]]; then
    options+=(-DPEFTBENCH_BUILD_TESTS=ON -DPEFTBENCH_BUILD_BENCHMARKS=ON)
    options+=("-DPEFTBENCH_PEER_PYTHON=${PEFTBENCH_PEER_PYTHON:-$deps/peer/bin/python}")
  elif [[ $goal == sanitized_tests ]]; then  # as the preset asan
    options+=(-DPEFTBENCH_BUILD_TESTS=ON -DPEFTBENCH_SANITIZE=address,undefined)
  fi
  if [[ $goal == benchmarks ]]; then options+=(-DPEFTBENCH_BUILD_BENCHMARKS=ON); fi
  if [[ $goal != *tests && ! -f $cache ]]; then
    options+=(-DPEFTBENCH_BUILD_TESTS=OFF)  # they need packages that users do without
  fi
  if [[ -n ${PEFTBENCH_PARQUET:-} ]]; then options+=("-DPEFTBENCH_PARQUET=$PEFTBENCH_PARQUET"); fi
  if [[ -n ${PEFTBENCH_ARROW_DIR:-} ]]; then options+=("-DPEFTBENCH_ARROW_DIR=$PEFTBENCH_ARROW_DIR"); fi
  # Instrumented code makes GCC warn of what it does not see.
  if [[ ${CI:-} == true && $goal != sanitized_tests ]]; then options+=(-DPEFTBENCH_WERROR=ON); fi
  # A checkout that was moved, or built with another generator, starts anew: CMake refuses its old cache.
  if [[ -f $cache ]] && ! { grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$home" "$cache" &&
    grep -qxF "CMAKE_GENERATOR:INTERNAL=Ninja" "$cache"; }; then
    rm -rf -- "$cache" "$build/CMakeFiles"
  fi
  # Ninja runs CMake by itself when a CMake file changes; only new options, or a first time, need it here.
  local option name current=true
  for option in "${options[@]}"; do
    name=${option%%=*}
    [[ "$(sed -n "s/^${name#-D}:[A-Z]*=//p" "$cache" 2> /dev/null)" == "${option#*=}" ]] || current=false
  done
  if $libraries_are_new; then current=false; fi
  if $current && [[ -f $build/build.ninja ]]; then return 0; fi
  rm -f -- "$build/build.ninja"  # if CMake fails, the next set-up must not take the old one for current
  watched "configuring" - cmake -S "$home" -B "$build" -G Ninja "${options[@]}" ||
    failed "CMake could not configure the build" "see CMake's message above, then run this again"
}

# Processors that the process may use: those of its affinity, and no more than a container's group has time for.
processors() { # FOLDER of control groups
  local cores quota period
  cores=$(nproc)
  {
    read -r quota period < "$1/cpu.max" ||
      { read -r quota < "$1/cpu/cpu.cfs_quota_us" && read -r period < "$1/cpu/cpu.cfs_period_us"; }
  } 2> /dev/null || quota=max
  if [[ $quota =~ ^[1-9][0-9]*$ && $period =~ ^[1-9][0-9]*$ ]] && (((quota + period - 1) / period < cores)); then
    cores=$(((quota + period - 1) / period))
  fi
  echo "$cores"
}

# A compiler takes up to 1.5 GB here, so the memory limits the jobs too.
jobs() {
  local cores memory
  cores=$(processors /sys/fs/cgroup)
  memory=$(awk '/^MemAvailable/ { print int($2 / 1500000) }' /proc/meminfo)
  echo $((memory < 1 ? 1 : memory < cores ? memory : cores))
}

compile() {
  local targets=() start=$SECONDS last=-100 line
  if [[ $goal == program ]]; then targets=(peft-bench-bin plugins); fi
  if [[ $goal == benchmarks ]]; then targets=(peft-bench-bin plugins training_step); fi
  if [[ $goal == sanitized_tests ]]; then targets=(sanitized_tests); fi
  printf '\n== building\n' >> "$log"
  NINJA_STATUS='%f %t ' ninja -C "$build" -j "$(jobs)" "${targets[@]}" 2>&1 < /dev/null | while IFS= read -r line; do
    printf '%s\n' "$line" >> "$log"
    [[ $line =~ ^([0-9]+)\ ([0-9]+)\  ]] || continue
    local n=${BASH_REMATCH[1]} of=${BASH_REMATCH[2]} took=$((SECONDS - start)) left=
    if ((took > 5 && n > 4)); then left=", about $((took * (of - n) / n)) s left"; fi
    if $terminal || ((SECONDS - last >= 15)); then
      say "building $n/$of, $took s$left"
      last=$SECONDS
    fi
  done || failed "the build stopped" "if a compiler was killed for lack of memory, run this again: it continues"
}

# ---- all of it -----------------------------------------------------------------------------------------------------------

mkdir -p -- "$build" "$deps" || stop 1 "set-up needs to write to $home" "  fix: check the permissions, or clone it into another folder"
if command -v flock > /dev/null; then
  exec 9> "$deps/.lock"
  flock -n 9 || { say "another set-up of this checkout is running; waiting for it" && flock 9; }
fi
: > "$log"
# Children do not inherit the lock: a daemon that apt starts would keep it.
{
  install_packages
  install_browser
  libraries_are_new=false
  if needs_torch || needs_arrow; then libraries_are_new=true; fi
  fetch_torch
  fetch_arrow
  fetch_plot
  make_peer
  make_ctranslate2
  printf '%s\n%s\n' "$home" "$torch_dir" > "$build/.ready.new"
  configure
  compile
} 9>&-
# Its time is that of the build's beginning: what is changed during the build is built by the next start.
mv -- "$build/.ready.new" "$build/.ready"
end_line
