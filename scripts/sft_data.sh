#!/usr/bin/env bash
# What demonstrations are worth: the same tiny model, trained as long on as many rows, once on verified demonstrations of
# experts who hold the model against its specification, and twice on rows in the style of the public heuristic.json (the
# first row of the IIS is dropped, whatever it says): under the short public prompt, and under the long one that the
# experts had, so that the prompt is not the difference. All are judged by Gurobi on problems that none was trained on,
# each on the prompt it was trained on.
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
"$LF/ordebug" data demos "$OUT/train" "$OUT/public_full.json" --policy drop-first --detail full --per-problem 1 --seed "$SEED"
"$LF/python" scripts/same_length.py "$OUT"/{verified,public,public_full}.json
"$LF/python" scripts/make_tiny_model.py "$OUT/base" --texts "$OUT/verified.json" "$OUT/public.json" --seed "$SEED" \
  --layers 4 --heads 4 --kv-heads 4
for data in verified public public_full; do
  "$LF/ordebug" data verify "$OUT/$data.json" --bench "$OUT/train" --tokenizer "$OUT/base" --json "$OUT/$data.quality.json" \
    --page "$OUT/$data.quality.html" >"$OUT/$data.quality.txt" || [ $? = 1 ] # 1: findings, which the page shows
  tail -n 12 "$OUT/$data.quality.txt"
done

say "SFT in stock LLaMA-Factory, one core each"
printf '{"verified": {"file_name": "verified.json", "formatting": "or_debug"}, "public": {"file_name": "public.json", "formatting": "or_debug"}, "public_full": {"file_name": "public_full.json", "formatting": "or_debug"}}\n' \
  >"$OUT/dataset_info.json"
sft() {
  for data in "$@"; do
    options=(dataset_dir="$OUT" dataset="$data" model_name_or_path="$OUT/base" output_dir="$OUT/$data"
      max_steps="$STEPS" learning_rate=2.0e-3 "seed=$((42 + SEED))" "data_seed=$((42 + SEED))")
    keep_recipe recipes/cpu/sft.yaml "$OUT/$data" "${options[@]}"
    "$LF/llamafactory-cli" train recipes/cpu/sft.yaml "${options[@]}" >"$OUT/$data.log" 2>&1
  done
}
export -f sft keep_recipe
export LF OUT STEPS SEED
setsid bash -euc 'sft public_full public' &
other=$!
setsid bash -euc 'sft verified' &
training=$!
trap 'kill -TERM -- "-$other" 2>/dev/null || true; clean_up' EXIT
for process in "$training" "$other"; do
  wait "$process" || { tail -n 20 "$OUT"/{public,public_full,verified}.log >&2 || true; exit 1; }
done
training=
grep -o "'train_runtime': [^,]*\|'train_loss': [^,}]*" "$OUT"/{public,public_full,verified}.log || true

say "all served and judged on the same problems"
serve public "$OUT/public"
judge public --detail names
stop_server
serve public_full "$OUT/public_full"
judge public_full --detail full
stop_server
serve verified "$OUT/verified"
judge verified --detail full
stop_server
"$LF/ordebug" eval "$OUT/test" --agent drop-first --max-steps 5 --out "$OUT/eval/drop-first"

say "side by side"
"$LF/ordebug" compare "$OUT"/eval/{drop-first,public,public_full,verified}
say "done"
