#!/bin/sh
# with_peer.sh PYTHON SCRIPT ARGUMENT…: runs a test with a Python that has the peers (requirements.txt).
# PEFTBENCH_PEER_PYTHON names another one. Without any the test is skipped: 77 to ctest.
python=${PEFTBENCH_PEER_PYTHON:-$1}
shift
if ! command -v "$python" >/dev/null 2>&1; then
  echo "skipped: no Python with transformers and peft at $python (./run-tests makes one)"
  exit 77
fi
HF_HUB_OFFLINE=1 TRANSFORMERS_OFFLINE=1 TOKENIZERS_PARALLELISM=false PYTHONDONTWRITEBYTECODE=1 PYTHONWARNINGS=ignore
export HF_HUB_OFFLINE TRANSFORMERS_OFFLINE TOKENIZERS_PARALLELISM PYTHONDONTWRITEBYTECODE PYTHONWARNINGS
exec "$python" "$@"
