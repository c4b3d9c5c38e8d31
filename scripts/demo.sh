#!/usr/bin/env bash
# The whole road on two CPU cores: problems, demonstrations, SFT in stock LLaMA-Factory, GRPO in stock ms-swift, a real
# server, and Gurobi as the judge of base, SFT and GRPO model on the same unseen problems.
#
#   bash scripts/demo.sh [FOLDER [SEED]]
#
# Everything lands in FOLDER (runs/demo), which is deleted first if it holds an earlier demo. SEED (0) draws other
# problems, weights and batches.
# Needs `make setup`.
set -euo pipefail
cd "$(dirname "$0")/.."

OUT="${1:-runs/demo}"
SEED="${2:-0}"
. scripts/stages.sh
# The recipes are for runs/demo and seed 42; any other run says so on the command line, as everybody may.
# An evaluation loss, on rows of other problems: it changes no weight, and `ordebug graduate` asks for it.
sft_options=(dataset_dir="$OUT" eval_dataset=or_debug_demo_val eval_strategy=steps eval_steps=40
  per_device_eval_batch_size=32)
grpo_options=()
if [ "$OUT" != runs/demo ] || [ "$SEED" != 0 ]; then
  sft_options+=(model_name_or_path="$OUT/base" output_dir="$OUT/sft" "seed=$((42 + SEED))" "data_seed=$((42 + SEED))")
  grpo_options=(--model "$OUT/sft" --dataset "$OUT/grpo_train.jsonl" --output_dir "$OUT/grpo"
    --seed "$((42 + SEED))" --data_seed "$((42 + SEED))")
fi
if [ "$OUT" != runs/demo ] && [ -e "$OUT" ] && [ -n "$(ls -A "$OUT")" ] && [ ! -e "$OUT/.demo" ]; then
  refuse "$OUT is not empty and holds no demo: name a new folder, or delete it first"
fi
rm -rf "$OUT"
mkdir -p "$OUT"
touch "$OUT/.demo"

say "problems and verified demonstrations"
"$LF/ordebug" bench make "$OUT/train" --families plans --n 1500 --seed "$((2 * SEED))"
"$LF/ordebug" bench make "$OUT/test" --families plans --n 200 --seed "$((2 * SEED + 1))" --exclude "$OUT/train"
"$LF/ordebug" data demos "$OUT/train" "$OUT/sft_train.json" --policy mixed --per-problem 4 --detail algebra --seed "$SEED"
"$LF/ordebug" bench make "$OUT/val" --families plans --n 60 --seed "$((100 + 2 * SEED))" --exclude "$OUT/train" \
  --exclude "$OUT/test"
"$LF/ordebug" data demos "$OUT/val" "$OUT/sft_val.json" --policy mixed --per-problem 4 --detail algebra --seed "$((100 + SEED))"
"$LF/ordebug" bench check "$OUT/test" --json "$OUT/test.check.json" | tail -n 1
"$LF/ordebug" data contamination "$OUT/train" "$OUT/test" >/dev/null # fails where a test problem is among them
"$LF/ordebug" data verify "$OUT/sft_train.json" --bench "$OUT/train" --page "$OUT/sft_train.quality.html" \
  --json "$OUT/sft_train.quality.json" >"$OUT/sft_train.quality.txt" || [ $? = 1 ] # 1: findings, which the page shows
echo "what the judge found in the demonstrations, with examples: $OUT/sft_train.quality.html"
echo "(its verdict is poor, and meant to be: six answers of ten drop the first row, whatever it is; GRPO is to find that out)"
printf '{"or_debug_demo": {"file_name": "sft_train.json", "formatting": "or_debug"}, "or_debug_demo_val": {"file_name": "sft_val.json", "formatting": "or_debug"}}\n' \
  >"$OUT/dataset_info.json"

say "the same for a model that can read: 12 families, a specification beside each problem, experts who compare the two"
"$LF/ordebug" bench make "$OUT/reading" --n 60 --seed "$SEED"
"$LF/ordebug" bench saturation "$OUT/reading" --work-limit 1 --json "$OUT/reading.saturation.json"
"$LF/ordebug" data demos "$OUT/reading" "$OUT/reading.json" --chat "$OUT/reading_chat.jsonl" --seed "$SEED"
"$LF/ordebug" data verify "$OUT/reading.json" --bench "$OUT/reading" --page "$OUT/reading.quality.html" \
  --json "$OUT/reading.quality.json" >"$OUT/reading.quality.txt" || [ $? = 1 ]
echo "demonstrations as a model of 8 billion parameters would get them: $OUT/reading.json, $OUT/reading.quality.html"

say "a random tiny Qwen3, its tokenizer trained on the demonstrations"
"$LF/python" scripts/make_tiny_model.py "$OUT/base" --texts "$OUT/sft_train.json" --seed "$SEED"

say "SFT in stock LLaMA-Factory"
echo "loss every 20 steps; the whole log, harmless warnings included, is $OUT/sft.log"
keep_recipe recipes/cpu/sft.yaml "$OUT/sft" "${sft_options[@]}"
train "$OUT/sft.log" "{'loss'[^}]*}" "$LF/llamafactory-cli" train recipes/cpu/sft.yaml "${sft_options[@]}"

say "the untrained base, served and judged by Gurobi on 50 of the 200 unseen problems"
serve base "$OUT/base"
judge base --limit 50
stop_server

say "the SFT model, served and judged on the same problems"
serve sft "$OUT/sft"
judge sft

say "has SFT done enough? its log, and its answers to 50 of the unseen problems beside the base model's"
"$LF/ordebug" graduate "$url" --model sft --bench "$OUT/test" --limit 50 --groups 50 --detail algebra \
  --max-tokens "$MAX_TOKENS" --concurrency "$WORKERS" --train-log "$OUT/sft" --base "$OUT/eval/base" \
  --out "$OUT/graduate/sft" --page "$OUT/graduate.html" || [ $? = 1 ] # 1: not ready, which it has said

say "before GRPO: the states that the SFT model gets into, and what it would have to learn from there"
"$LF/ordebug" eval "$OUT/train" --limit 250 --base-url "$url" --model sft --concurrency "$WORKERS" --max-steps 4 \
  --max-tokens "$MAX_TOKENS" --detail algebra --temperature 1 --out "$OUT/explore" --json >"$OUT/explore.json"
"$LF/ordebug" data grpo "$OUT/train" "$OUT/grpo_prompts.jsonl" --limit 250 --detail algebra --turns "$OUT/explore"
"$LF/ordebug" preflight "$OUT/grpo_prompts.jsonl" --base-url "$url" --model sft --samples 4 --max-tokens "$MAX_TOKENS" \
  --concurrency "$WORKERS" --seed "$SEED" --out "$OUT/grpo_train.jsonl" || [ $? = 1 ] # 1: findings, which it has said
stop_server

say "GRPO in stock ms-swift, rewarded by Gurobi"
echo "reward, its spread, and the share of prompts without any, each step; the whole log is $OUT/grpo.log"
PATH="$PWD/$SWIFT:$PATH" train "$OUT/grpo.log" "'reward': .*'frac_reward_zero_std': '[^']*'" \
  "$SWIFT/swift" rlhf recipes/cpu/grpo.yaml "${grpo_options[@]}"
"$LF/python" scripts/grpo_curve.py "$OUT/grpo/logging.jsonl"

say "the GRPO model, served and judged on the same problems"
serve grpo "$OUT/grpo/last-checkpoint"
judge grpo
stop_server

say "the baseline without a model"
"$LF/ordebug" eval "$OUT/test" --agent drop-first --max-steps 5 --out "$OUT/eval/drop-first"

say "side by side"
"$LF/ordebug" compare "$OUT/eval/base" "$OUT/eval/drop-first" "$OUT/eval/sft" "$OUT/eval/grpo" --page "$OUT/compare.html"
"$LF/ordebug" postmortem "$OUT" --page "$OUT/postmortem.html" || [ $? = 1 ] # 1: findings, which it has said
say "done"
echo "every answer: $OUT/compare.html; the two trainings: $OUT/postmortem.html; SFT before GRPO: $OUT/graduate.html"
