#!/bin/bash
# The program on a GPU, against transformers and peft on the same GPU in the same run.
#
#   benchmarks/gpu.sh pack BUILD FOLDER   here: from a build, what a machine with a GPU needs, stripped: under 60 MB
#   benchmarks/gpu.sh run FOLDER          there, with this checkout: parity of logits, loss and generated ids, and the
#                                         times of a step of prompt tuning, LoRA and model tuning on T5 v1.1-base and
#                                         -large in float32 and bfloat16. Stops after eight minutes (GPU_SECONDS).
#
# The build must be against the same version of LibTorch as that machine's PyTorch, a CPU build or a CUDA one:
#   PEFTBENCH_TORCH_DIR=/path/of/that/torch PEFTBENCH_PARQUET=off PEFTBENCH_BUILD_DIR=$PWD/build-gpu ./peft-bench methods
#   cmake build-gpu -DPEFTBENCH_BUILD_TESTS=OFF -DPEFTBENCH_BUILD_BENCHMARKS=ON && cmake --build build-gpu -t training_step
set -euo pipefail
root=$(dirname -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")")

pack() { # BUILD FOLDER
  local build=$1 folder=$2 library
  mkdir -p -- "$folder/bin" "$folder/lib/peftbench/plugins"
  cp -- "$build/bin/peft-bench" "$build/bin/training_step" "$folder/bin/"
  cp -- "$build"/lib/libpeftbench.so.? "$folder/lib/"
  cp -- "$build"/lib/peftbench/plugins/{prompt_tuning,lora,model_tuning}.so "$folder/lib/peftbench/plugins/"
  # The distribution's libraries that another distribution may have otherwise; LibTorch and glibc are that machine's.
  while read -r library; do cp -L -- "$library" "$folder/lib/"; done < <(
    ldd "$build/lib/libpeftbench.so" "$build/bin/training_step" | sed -n 's/.* => \(\/[^ ]*\).*/\1/p' | sort -u |
      grep -E '/lib(sentencepiece|sentencepiece_train|hwy|re2|utf8proc|sqlite3|yaml-cpp|fmt|benchmark|absl_[a-z_]*)\.so')
  find "$folder" -type f \( -name '*.so*' -o -path '*/bin/*' \) -exec strip --strip-unneeded {} +
  du -sh -- "$folder"
}

run() { # FOLDER
  local folder torch shape precision end=$((SECONDS + ${GPU_SECONDS:-480}))
  folder=$(readlink -f -- "$1")
  torch=$(python3 -c 'import os, torch; print(os.path.join(os.path.dirname(torch.__file__), "lib"))')
  export LD_LIBRARY_PATH=$torch:$folder/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
  export PEFTBENCH_HOME=$root PEFTBENCH_TRAINING_STEP=$folder/bin/training_step PEFTBENCH_PEER_PYTHON
  PEFTBENCH_PEER_PYTHON=$(command -v python3)
  nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader
  python3 "$root/benchmarks/gpu_parity.py" "$folder/bin/peft-bench" || echo "parity: failed with status $?"
  for shape in base large; do
    for precision in float32 bfloat16; do
      ((SECONDS < end)) || { echo "stopped after $SECONDS s: the rest was not measured"; return; }
      timeout -s INT $((end - SECONDS + 1)) python3 "$root/benchmarks/speed" --rounds 1 --steps 5 --shape "$shape" \
        --precision "$precision" --method prompt_tuning,lora,model_tuning --peers as_it_comes --device cuda ||
        echo "$shape, $precision: failed with status $?"
    done
  done
}

case "${1:-}" in
  pack) if [[ $# == 3 ]]; then pack "$2" "$3"; exit; fi ;;  # not `&&`, which would go on after an error
  run) if [[ $# == 2 ]]; then run "$2"; exit; fi ;;
esac
sed -n '2,/^[^#]/ s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
exit 2
