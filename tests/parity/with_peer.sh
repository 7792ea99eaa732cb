#!/bin/sh
# with_peer.sh PYTHON SCRIPT ARGUMENT…: runs a test with a Python that has the peers (requirements.txt).
# PEFTBENCH_PEER_PYTHON names another one. Without any the test is skipped: 77 to ctest.
python=${PEFTBENCH_PEER_PYTHON:-$1}
shift
if ! command -v "$python" >/dev/null 2>&1; then
  echo "skipped: no Python with transformers and peft at $python (./run-tests makes one)"
  exit 77
fi
# One thread: the models are tiny, and ctest runs several tests at a time.
export OMP_NUM_THREADS=1 HF_HUB_OFFLINE=1 TRANSFORMERS_OFFLINE=1 TOKENIZERS_PARALLELISM=false
export PYTHONDONTWRITEBYTECODE=1 PYTHONWARNINGS=ignore
exec "$python" "$@"
