#!/usr/bin/env bash
# The whole road on two CPU cores: problems, demonstrations, training in stock LLaMA-Factory, a real server, Gurobi.
# Everything lands in runs/demo, which is deleted first. Needs `make setup`.
set -euo pipefail
cd "$(dirname "$0")/.."

LF=.venvs/llamafactory/bin
SWIFT=.venvs/swift/bin
OUT=runs/demo
WORKERS=8
# One thread: measured here, 30 steps took 11 s with one and 6 s with two threads on an idle machine, but on a busy one
# 60 steps took 20 s with one and 138 s with two.
export HF_HUB_OFFLINE=1 OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}" TOKENIZERS_PARALLELISM=false
server=
training=

say() { printf '\n\033[1m== %s (%s s)\033[0m\n' "$1" "$SECONDS"; }

stop_server() {
  if [ -n "$server" ]; then
    kill -TERM -- "-$server" 2>/dev/null || true # the group: `swift` only wraps the server
    wait "$server" 2>/dev/null || true
    server=
  fi
}

clean_up() {
  stop_server
  [ -z "$training" ] || kill "$training" 2>/dev/null || true
}
trap clean_up EXIT

# serve NAME FOLDER: starts an OpenAI-compatible server on a free port of loopback, and sets `url`.
serve() {
  local port
  port=$("$LF/python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  url="http://127.0.0.1:$port/v1"
  setsid "$SWIFT/swift" deploy --model "$2" --model_type qwen3 --template qwen3 --enable_thinking true \
    --infer_backend transformers --max_batch_size "$WORKERS" --torch_dtype float32 --verbose false \
    --host 127.0.0.1 --port "$port" --served_model_name "$1" >"$OUT/serve-$1.log" 2>&1 &
  server=$!
  for _ in $(seq 120); do
    if "$LF/python" -c "import urllib.request; urllib.request.urlopen('$url/models', timeout=2)" 2>/dev/null; then
      return
    fi
    kill -0 "$server" 2>/dev/null || break
    sleep 1
  done
  echo "the server for $1 did not come up; its log is $OUT/serve-$1.log" >&2
  tail -n 20 "$OUT/serve-$1.log" >&2
  exit 4
}

# judge NAME FOLDER: serves a model and evaluates it on the problems that it was not trained on.
judge() {
  serve "$1" "$2"
  "$LF/ordebug" eval "$OUT/test" --base-url "$url" --model "$1" --concurrency "$WORKERS" --max-steps 5 \
    --max-tokens 96 --out "$OUT/eval/$1"
  stop_server
}

rm -rf "$OUT"
mkdir -p "$OUT"

say "problems and verified demonstrations"
"$LF/ordebug" bench make "$OUT/train" --n 1500 --seed 0
"$LF/ordebug" bench make "$OUT/test" --n 200 --seed 1 --exclude "$OUT/train"
"$LF/ordebug" data demos "$OUT/train" "$OUT/sft_train.json" --per-problem 4

say "a random tiny Qwen3, its tokenizer trained on the demonstrations"
"$LF/python" scripts/make_tiny_model.py "$OUT/base" --texts "$OUT/sft_train.json"

say "SFT in stock LLaMA-Factory"
echo "loss every 20 steps; the whole log, harmless warnings included, is $OUT/sft.log"
"$LF/llamafactory-cli" train recipes/cpu/sft.yaml >"$OUT/sft.log" 2>&1 &
training=$!
tail -n +1 -f --pid="$training" "$OUT/sft.log" | grep --line-buffered -a -o "{'loss'[^}]*}" || true
wait "$training" || { echo "training failed; the end of $OUT/sft.log:" >&2; tail -n 30 "$OUT/sft.log" >&2; exit 1; }
training=

say "the untrained base, served and judged by Gurobi on 200 unseen problems"
judge base "$OUT/base"

say "the SFT model, served and judged on the same problems"
judge sft "$OUT/sft"

say "the baseline without a model"
"$LF/ordebug" eval "$OUT/test" --agent drop-first --max-steps 5 --out "$OUT/eval/drop-first"

say "side by side"
"$LF/ordebug" compare "$OUT/eval/base" "$OUT/eval/sft" "$OUT/eval/drop-first"
say "done"
