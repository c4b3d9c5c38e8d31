#!/usr/bin/env bash
# What demonstrations are worth: the same tiny model, trained as long on as many rows, once on verified demonstrations of
# experts who hold the model against its specification, once on rows in the style of the public heuristic.json (the first
# row of the IIS is dropped, whatever it says). Both are judged by Gurobi on problems that neither was trained on, each on
# the prompt it was trained on.
#
#   bash scripts/sft_data.sh [FOLDER [SEED]]
#
# Everything lands in FOLDER (runs/sft_data), which must be new. ROWS (6000) and STEPS (1500) may be set. Needs `make setup`.
set -euo pipefail
cd "$(dirname "$0")/.."

OUT="${1:-runs/sft_data}"
SEED="${2:-0}"
ROWS="${ROWS:-6000}"
STEPS="${STEPS:-1500}"
. scripts/stages.sh
MAX_TOKENS=320 # of an answer; `ordebug data verify` counts whole examples, the prompts included
[ ! -e "$OUT" ] || refuse "$OUT is there already: name a new folder, or delete it first"
mkdir -p "$OUT"

say "problems, proven again by their labels"
kinds=(--families production --sizes small --faults B,D,H,unit,duplicate)
"$LF/ordebug" bench make "$OUT/train" --n "$ROWS" --seed "$((2 * SEED))" "${kinds[@]}"
"$LF/ordebug" bench make "$OUT/test" --n 300 --seed "$((2 * SEED + 1))" "${kinds[@]}" --exclude "$OUT/train"
"$LF/ordebug" bench check "$OUT/test" --json "$OUT/test.check.json" | tail -n 1
"$LF/ordebug" data contamination "$OUT/train" "$OUT/test"

say "demonstrations, verified"
"$LF/ordebug" data demos "$OUT/train" "$OUT/verified.json" --policy expert --voice terse --detail full --per-problem 1 \
  --seed "$SEED"
"$LF/ordebug" data demos "$OUT/train" "$OUT/public.json" --policy drop-first --detail names --per-problem 1 --seed "$SEED"
"$LF/python" scripts/same_length.py "$OUT/verified.json" "$OUT/public.json"
"$LF/python" scripts/make_tiny_model.py "$OUT/base" --texts "$OUT/verified.json" "$OUT/public.json" --seed "$SEED" \
  --layers 4 --heads 4 --kv-heads 4
for data in verified public; do
  "$LF/ordebug" data verify "$OUT/$data.json" --bench "$OUT/train" --tokenizer "$OUT/base" --json "$OUT/$data.quality.json" \
    --page "$OUT/$data.quality.html" >"$OUT/$data.quality.txt" || [ $? = 1 ] # 1: findings, which the page shows
  tail -n 12 "$OUT/$data.quality.txt"
done

say "SFT in stock LLaMA-Factory, one core each"
printf '{"verified": {"file_name": "verified.json", "formatting": "or_debug"}, "public": {"file_name": "public.json", "formatting": "or_debug"}}\n' \
  >"$OUT/dataset_info.json"
sft() {
  setsid "$LF/llamafactory-cli" train recipes/cpu/sft.yaml dataset_dir="$OUT" dataset="$1" model_name_or_path="$OUT/base" \
    output_dir="$OUT/$1" max_steps="$STEPS" learning_rate=2.0e-3 "seed=$((42 + SEED))" "data_seed=$((42 + SEED))" \
    >"$OUT/$1.log" 2>&1 &
}
sft public
other=$!
sft verified
training=$!
trap 'kill -TERM -- "-$other" 2>/dev/null || true; clean_up' EXIT
for process in "$other" "$training"; do
  wait "$process" || { tail -n 20 "$OUT"/{public,verified}.log >&2; exit 1; }
done
training=
grep -h -o "'train_runtime': [^,]*\|'train_loss': [^,}]*" "$OUT"/{public,verified}.log || true

say "both served and judged on the same problems"
serve public "$OUT/public"
judge public --detail names
stop_server
serve verified "$OUT/verified"
judge verified --detail full
stop_server
"$LF/ordebug" eval "$OUT/test" --agent drop-first --max-steps 5 --out "$OUT/eval/drop-first"

say "side by side"
"$LF/ordebug" compare "$OUT/eval/drop-first" "$OUT/eval/public" "$OUT/eval/verified"
say "done"
