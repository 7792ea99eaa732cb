# The Python environments of what tests and benchmarks compare with. Sourced by setup.sh, whose functions it uses.

requirements=$home/tests/parity/requirements.txt
schemas=$home/tests/parity/schemas.txt # packages of which only their schema is of use: without what they require
needs_peer() {
  [[ $goal == tests || $goal == benchmarks ]] && [[ -f $requirements && -z ${PEFTBENCH_PEER_PYTHON:-} ]] &&
    ! cat -- "$requirements" "$schemas" | cmp -s - "$deps/peer/.requirements"
}
make_peer() {
  needs_peer || return 0
  local python
  python=$(python_with pip venv ensurepip) || failed "no Python >= 3.10 with venv was found" "apt-get install python3-venv"
  rm -rf -- "$deps/peer"
  { watched "making the Python environment of the peers" - "$python" -m venv "$deps/peer" &&
    watched "installing the peers (transformers, peft)" "$deps/peer" "$deps/peer/bin/python" -m pip install \
      --disable-pip-version-check --no-input --progress-bar off -r "$requirements"; } ||
    failed "pip could not install tests/parity/requirements.txt" \
      "see pip's message above; or set PEFTBENCH_PEER_PYTHON to a Python that has these packages"
  watched "fetching the schemas of the tests" "$deps/peer" "$deps/peer/bin/python" -m pip install \
    --disable-pip-version-check --no-input --progress-bar off --no-deps --ignore-requires-python --require-hashes \
    -r "$schemas" || say "pip could not install tests/parity/schemas.txt: tests that need a schema are skipped"
  cat -- "$requirements" "$schemas" > "$deps/peer/.requirements"
}

# CTranslate2 decodes only, so it is there on demand: PEFTBENCH_CTRANSLATE2=on, with the goal `benchmarks`. It converts a
# model of the other peers, whose packages its environment sees.
ctranslate2_version=4.8.5
needs_ctranslate2() {
  [[ $goal == benchmarks && ${PEFTBENCH_CTRANSLATE2:-} == on && -z ${PEFTBENCH_CTRANSLATE2_PYTHON:-} ]] &&
    ! grep -qsxF "$ctranslate2_version" "$deps/ctranslate2/.version"
}
make_ctranslate2() {
  needs_ctranslate2 || return 0
  local peer=${PEFTBENCH_PEER_PYTHON:-$deps/peer/bin/python} own=$deps/ctranslate2
  rm -rf -- "$own"
  { watched "making the Python environment of CTranslate2" - "$peer" -m venv "$own" &&
    "$peer" -c 'import sysconfig; print(sysconfig.get_path("purelib"))' \
      > "$("$own/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/peer.pth" &&
    watched "installing CTranslate2 $ctranslate2_version" "$own" "$own/bin/python" -m pip install \
      --disable-pip-version-check --no-input --progress-bar off "ctranslate2==$ctranslate2_version"; } ||
    failed "pip could not install ctranslate2 $ctranslate2_version" \
      "see pip's message above; or choose --peers without ctranslate2, or set PEFTBENCH_CTRANSLATE2_PYTHON to a Python that has it, torch and transformers"
  printf '%s\n' "$ctranslate2_version" > "$own/.version"
}
