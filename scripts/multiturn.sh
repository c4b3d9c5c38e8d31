#!/usr/bin/env bash
# GRPO over whole conversations, after scripts/demo.sh: the SFT model judged in conversations, trained in them in stock
# ms-swift, and judged again on the same unseen problems.
#
#   bash scripts/multiturn.sh [FOLDER [SEED]]
#
# FOLDER (runs/demo) and SEED (0) as given to scripts/demo.sh, whose problems and SFT model it takes.
set -euo pipefail
cd "$(dirname "$0")/.."

OUT="${1:-runs/demo}"
SEED="${2:-0}"
. scripts/stages.sh
# The answers of earlier turns keep their reasoning, as in the recipe.
conversation=(--preserve_thinking true)
for needed in sft/config.json train/dataset.json test/dataset.json; do
  [ -f "$OUT/$needed" ] || refuse "$OUT/$needed is missing: run \`bash scripts/demo.sh $OUT $SEED\` first"
done
rm -rf "$OUT/grpo_multiturn" "$OUT"/eval/{sft,grpo}-multiturn

say "the SFT model in conversations, on unseen problems"
serve sft-multiturn "$OUT/sft" "${conversation[@]}"
judge sft-multiturn --conversation
stop_server

say "multi-turn GRPO in stock ms-swift, whole conversations rewarded by Gurobi"
"$LF/ordebug" data grpo "$OUT/train" "$OUT/grpo_multiturn.jsonl" --limit 300 --detail algebra
PATH="$PWD/$SWIFT:$PATH" train "$OUT/grpo_multiturn.log" "'reward': .*'frac_reward_zero_std': '[^']*'" \
  "$SWIFT/swift" rlhf recipes/cpu/grpo_multiturn.yaml --model "$OUT/sft" --dataset "$OUT/grpo_multiturn.jsonl" \
  --output_dir "$OUT/grpo_multiturn" --seed "$((42 + SEED))" --data_seed "$((42 + SEED))"
"$LF/python" scripts/grpo_curve.py "$OUT/grpo_multiturn/logging.jsonl"

say "its result on the same problems"
serve grpo-multiturn "$OUT/grpo_multiturn/last-checkpoint" "${conversation[@]}"
judge grpo-multiturn --conversation
stop_server

say "side by side"
"$LF/ordebug" compare "$OUT/eval/sft-multiturn" "$OUT/eval/grpo-multiturn"
say "done"
echo "every answer: $OUT/eval/*-multiturn/episodes.jsonl"
