#!/usr/bin/env bash
# Four tiny checkpoints beside the demo's untrained one, one right and three spoiled in ways that `ordebug graduate` has to
# tell: the demo's SFT, over-trained on 64 rows, trained with its think text stripped, and trained on one rule for all. Each
# is trained by the stock llamafactory-cli, served, and asked; the answers are packed for the tests.
#
#   bash scripts/graduate_arms.sh [FOLDER]
#
# Needs `make demo`, whose data and base model it takes. FOLDER (runs/graduate) must be new. 30 minutes on one busy core.
set -euo pipefail
cd "$(dirname "$0")/.."

OUT="${1:-runs/graduate}"
SEED=0
. scripts/stages.sh
DEMO=runs/demo
[ -e "$DEMO/base/config.json" ] || refuse "$DEMO/base/config.json is missing: run \`bash scripts/demo.sh\` first"
[ ! -e "$OUT" ] || refuse "$OUT is there already: name a new folder, or delete it first"
mkdir -p "$OUT"

say "unseen problems, and demonstrations of them for the evaluation loss"
"$LF/ordebug" bench make "$OUT/val" --families plans --n 60 --seed 100 --exclude "$DEMO/train" --exclude "$DEMO/test"
"$LF/ordebug" data demos "$OUT/val" "$OUT/val.json" --policy mixed --per-problem 4 --detail algebra --seed 100
"$LF/ordebug" data demos "$OUT/val" "$OUT/val_first.json" --policy drop-first --detail algebra
"$LF/ordebug" data demos "$DEMO/train" "$OUT/first.json" --policy drop-first --detail algebra
cp "$DEMO/sft_train.json" "$OUT/train.json"
"$LF/python" - "$OUT" <<'PYTHON'
import json
import sys
from pathlib import Path

out = Path(sys.argv[1])
(out / "few.json").write_text(json.dumps(json.loads((out / "train.json").read_text())["data"][:64]))
names = ("train", "val", "first", "val_first", "few")
info = {name: {"file_name": f"{name}.json", "formatting": "or_debug"} for name in names}
(out / "dataset_info.json").write_text(json.dumps(info))
PYTHON

# sft NAME OPTION…: a training with an evaluation loss; options replace keys of the recipe.
sft() {
  local name=$1
  shift
  say "SFT: $name"
  set -- dataset_dir="$OUT" model_name_or_path="$DEMO/base" output_dir="$OUT/$name" dataset=train eval_dataset=val \
    eval_strategy=steps eval_steps=40 per_device_eval_batch_size=32 "$@"
  keep_recipe recipes/cpu/sft.yaml "$OUT/$name" "$@"
  train "$OUT/$name.log" "{'eval_loss'[^}]*}" "$LF/llamafactory-cli" train recipes/cpu/sft.yaml "$@"
}
sft default
sft stripped max_steps=400 enable_thinking=false
sft collapsed max_steps=400 dataset=first eval_dataset=val_first
sft over-trained model_name_or_path="$OUT/default" dataset=few max_steps=240 learning_rate=2.0e-3 eval_steps=20 logging_steps=10

# ask NAME FOLDER OPTION…
ask() {
  local name=$1 model=$2
  shift 2
  say "graduate: $name"
  "$LF/ordebug" graduate "$model" --model "$name" --bench "$OUT/val" --limit 24 --groups 24 --detail algebra \
    --max-tokens "$MAX_TOKENS" --concurrency 32 --out "$OUT/asked/$name" --page "$OUT/$name.html" "$@" || [ $? = 1 ]
}
ask untrained "$DEMO/base"
for name in default over-trained collapsed; do
  ask "$name" "$OUT/$name" --train-log "$OUT/$name" --base "$OUT/asked/untrained/eval"
done
# Served as it was trained: the prompt ends in an empty think block.
ask stripped "$OUT/stripped" --train-log "$OUT/stripped" --base "$OUT/asked/untrained/eval" \
  --serve-options '--enable_thinking false'

say "packed for the tests"
arms=()
for name in default over-trained stripped collapsed; do arms+=("$name=$OUT/asked/$name,$OUT/$name"); done
"$LF/python" scripts/pack_samples.py "$OUT/val" tests/data/graduate "untrained=$OUT/asked/untrained" "${arms[@]}"
