#!/usr/bin/env bash
# diffusers 0.42.1: AutoencoderTiny complains about the configuration that it has itself written.
#
# One would expect: what save_pretrained writes, from_pretrained of the same version reads without a word.
# Seen: its constructor registers `block_out_channels`, which is no argument of it; save_pretrained writes that into
# config.json, and from_pretrained warns that it is "not expected" and asks to "verify your config.json".
# Whoever ships a TAESD of their own shows every user that warning. Remedy: load it with the key left out.
# Output: the warning, once.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet torch==2.13.0 numpy diffusers==0.42.1
"$folder/venv/bin/python" - "$folder/autoencoder" > "$folder/log" 2>&1 <<'PY'
import sys

from diffusers import AutoencoderTiny

AutoencoderTiny().save_pretrained(sys.argv[1])
AutoencoderTiny.from_pretrained(sys.argv[1])
PY
grep "block_out_channels.*not expected" "$folder/log" || { echo "the behaviour changed"; exit 1; }
