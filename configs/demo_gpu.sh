#!/usr/bin/env bash
# The 256-pixel demo model from scratch on one GPU, in pieces that a time limit cuts: each call goes on where the last one
# ended and stops after so many minutes (9). All that the next needs is in OUTPUT, which may be carried between machines.
#   bash configs/demo_gpu.sh [MINUTES] [OUTPUT]        until it says "finished"
#   SMALLEST=1 bash configs/demo_gpu.sh 9 OUTPUT       the same of two people and two steps, on any CPU
set -euo pipefail
end=$((SECONDS + 60 * ${1:-9}))
out=$(realpath -m "${2:-output/demo_gpu}")
cd "$(dirname "$0")/.."
people=(--count 2000 --test-count 50)
short=()
if [ -n "${SMALLEST:-}" ]; then
  people=(--count 2 --test-count 1 --pictures 2)
  short=(training.steps=2 training.batch_size=2 training.workers=0 "training.mixed_precision='no'")
fi
mkdir -p "$out"

stage() { # name, command...: once, and again where it was cut
  local name=$1 status=0
  shift
  [ -e "$out/$name.done" ] && return
  local left=$((end - SECONDS))
  if [ "$left" -gt 5 ]; then timeout "$left" "$@" || status=$?; else status=124; fi
  if [ "$status" = 124 ]; then
    echo "to be continued: $name; call this again with '$out' in place"
    exit 0
  fi
  [ "$status" = 0 ] || exit "$status"
  touch "$out/$name.done"
}

cfld=("${PYTHON:-.venv/bin/python}" -m cfld_modules)
data="data.root=$out/mannequins"
stage data "${cfld[@]}" data mannequins --out "$out/mannequins" "${people[@]}"
stage autoencoder "${cfld[@]}" train-autoencoder configs/demo_gpu_autoencoder.yaml \
  --set "output=$out/autoencoder" "$data" "${short[@]}"
stage cfld "${cfld[@]}" train configs/demo_gpu.yaml --set "output=$out/cfld" "$data" \
  "latents=$out/latents.safetensors" "model.autoencoder=$out/autoencoder/autoencoder" "${short[@]}"
stage scores "${cfld[@]}" evaluate --base "$out/cfld/base" --cfld "$out/cfld/cfld.safetensors" --data "$out/mannequins" \
  --size 176x256 --scheduler ddim --steps 8 --out "$out/scores"
echo "finished: $out/cfld, $out/scores"
