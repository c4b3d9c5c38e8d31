#!/usr/bin/env bash
# The published comparison, SFT against GRPO without SFT before it, with the tiny model: run after scripts/demo.sh.
#
#   bash scripts/published_table.sh [FOLDER [SEED]]
#
# FOLDER (runs/demo) and SEED (0) as given to scripts/demo.sh, whose problems, base and SFT model it takes. GRPO starts
# twice from a model that saw no demonstration of a repair: the random weights that SFT starts from, and the same after
# SFT on random well-formed answers, which is as near as a tiny model gets to a base that was pretrained. All are judged
# with up to 20 turns.
set -euo pipefail
cd "$(dirname "$0")/.."

OUT="${1:-runs/demo}"
SEED="${2:-0}"
. scripts/stages.sh
for needed in base/config.json sft/config.json train/dataset.json test/dataset.json sft_train.json; do
  [ -f "$OUT/$needed" ] || refuse "$OUT/$needed is missing: run \`bash scripts/demo.sh $OUT $SEED\` first"
done
TABLE="$OUT/published"
rm -rf "$TABLE"
mkdir -p "$TABLE"

# turns NAME FOLDER: serves a model and judges it as published, 20 turns at most.
turns() {
  serve "$1" "$2"
  "$LF/ordebug" eval "$OUT/test" --base-url "$url" --model "$1" --concurrency "$WORKERS" --max-steps 20 \
    --max-tokens "$MAX_TOKENS" --detail algebra --out "$TABLE/eval/$1"
  stop_server
}

# independent NAME FOLDER: GRPO from a model that no demonstration was shown to; rewards as in recipes/grpo_from_base.yaml.
independent() {
  PATH="$PWD/$SWIFT:$PATH" train "$TABLE/$1.log" "'reward': .*'frac_reward_zero_std': '[^']*'" \
    "$SWIFT/swift" rlhf recipes/cpu/grpo.yaml --model "$2" --dataset "$TABLE/prompts.jsonl" --output_dir "$TABLE/$1" \
    --reward_weights 1 0.2 0 0 0 0 --beta 0 --seed "$((42 + SEED))" --data_seed "$((42 + SEED))"
  turns "$1" "$TABLE/$1/last-checkpoint"
}

say "the SFT model, judged with up to 20 turns"
turns sft "$OUT/sft"

say "GRPO from random weights"
"$LF/ordebug" data grpo "$OUT/train" "$TABLE/prompts.jsonl" --limit 400 --detail algebra
independent grpo-independent "$OUT/base"

say "a base that can write answers, and knows none"
"$LF/python" scripts/writing_rows.py "$OUT/sft_train.json" "$TABLE/writing.json" --seed "$SEED"
echo '{"or_debug_demo": {"file_name": "writing.json", "formatting": "or_debug"}}' >"$TABLE/dataset_info.json"
options=(dataset_dir="$TABLE" model_name_or_path="$OUT/base" output_dir="$TABLE/writing" max_steps=400
  "seed=$((42 + SEED))" "data_seed=$((42 + SEED))")
keep_recipe recipes/cpu/sft.yaml "$TABLE/writing" "${options[@]}"
train "$TABLE/writing.log" "{'loss'[^}]*}" "$LF/llamafactory-cli" train recipes/cpu/sft.yaml "${options[@]}"
turns writing-base "$TABLE/writing"

say "GRPO from there"
independent grpo-from-writing "$TABLE/writing"

say "the published table"
# note NAME TEXT: what the caption says of a run.
notes=()
note() { notes+=(--note "$1=$2"); }
tiny="Qwen3 of 0.55 million parameters on two CPU cores"
note sft "$tiny, random weights, then 800 steps of SFT (recipes/cpu/sft.yaml)"
note grpo-independent "the same random weights, then 50 steps of GRPO without SFT (recipes/cpu/grpo.yaml)"
note writing-base "the same random weights, then 400 steps on random well-formed answers, a stand-in for pretraining"
note grpo-from-writing "that stand-in, then 50 steps of GRPO without SFT on repairs"
"$LF/ordebug" compare "$TABLE"/eval/{sft,grpo-independent,writing-base,grpo-from-writing} "${notes[@]}" \
  --md "$TABLE/table.md" --latex "$TABLE/table.tex" --page "$TABLE/table.html"
say "done"
sed -n '1,/## All measures/p' "$TABLE/table.md"
