# What scripts/demo.sh, scripts/multiturn.sh and scripts/sft_data.sh have in common: serving a checkpoint, judging it,
# running a training.
# Sourced, in the project root, with OUT set to the folder of the run and SEED to its seed. Deletes nothing.

LF=.venvs/llamafactory/bin
SWIFT=.venvs/swift/bin
# Requests at once: on a model this small a batch of 64 takes hardly longer than one of 8.
WORKERS=64
# Of an answer: the demonstrations of demo.sh and multiturn.sh are shorter. Where they are longer, a script sets its own.
MAX_TOKENS=80
# One thread: measured here, 30 steps took 11 s with one and 6 s with two threads on an idle machine, but on a busy one
# 60 steps took 20 s with one and 138 s with two.
export HF_HUB_OFFLINE=1 OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}" TOKENIZERS_PARALLELISM=false
server=
training=

# refuse WHY: ends with the exit code of bad input.
refuse() {
  echo "error: $1" >&2
  exit 2
}

[[ "$OUT" != -* ]] || refuse "$OUT is no folder: see the first lines of $0"
[[ "$SEED" =~ ^[0-9]{1,6}$ ]] || refuse "the seed must be a whole number, not $SEED"
[ -x "$LF/ordebug" ] && [ -x "$SWIFT/swift" ] || refuse "the environments are not there: run \`make setup\` first"

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
  [ -z "$training" ] || kill -TERM -- "-$training" 2>/dev/null || true
}
trap clean_up EXIT

# serve NAME FOLDER [OPTION…]: starts an OpenAI-compatible server on a free port of loopback, and sets `url`.
serve() {
  local name=$1 model=$2 port
  shift 2
  port=$("$LF/python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  url="http://127.0.0.1:$port/v1"
  setsid "$SWIFT/swift" deploy --model "$model" --model_type qwen3 --template qwen3 --enable_thinking true \
    --infer_backend transformers --max_batch_size "$WORKERS" --torch_dtype float32 --verbose false \
    --host 127.0.0.1 --port "$port" --served_model_name "$name" "$@" >"$OUT/serve-$name.log" 2>&1 &
  server=$!
  for _ in $(seq 120); do
    if "$LF/python" -c "import urllib.request; urllib.request.urlopen('$url/models', timeout=2)" 2>/dev/null; then
      return
    fi
    kill -0 "$server" 2>/dev/null || break
    sleep 1
  done
  echo "the server for $name did not come up; its log is $OUT/serve-$name.log" >&2
  tail -n 20 "$OUT/serve-$name.log" >&2
  exit 4
}

# judge NAME [OPTION…]: evaluates the model that is served on the problems that no model was trained on.
judge() {
  local name=$1
  shift
  "$LF/ordebug" eval "$OUT/test" --base-url "$url" --model "$name" --concurrency "$WORKERS" --max-steps 5 \
    --max-tokens "$MAX_TOKENS" --detail algebra "$@" --out "$OUT/eval/$name"
}

# keep_recipe RECIPE FOLDER [KEY=VALUE…]: puts the recipe that LLaMA-Factory trains with, the options of the command line in
# it, into the output folder, where `ordebug postmortem` reads it: LLaMA-Factory leaves none there. ms-swift does.
keep_recipe() {
  local recipe=$1 folder=$2
  shift 2
  mkdir -p "$folder"
  "$LF/python" -c 'import sys; from omegaconf import OmegaConf
OmegaConf.save(OmegaConf.merge(OmegaConf.load(sys.argv[1]), OmegaConf.from_cli(sys.argv[3:])), sys.argv[2])' \
    "$recipe" "$folder/recipe.yaml" "$@"
}

# train LOG PATTERN COMMAND…: runs a training, and shows of its log what matches PATTERN.
train() {
  local log=$1 pattern=$2
  shift 2
  : >"$log"
  setsid "$@" >"$log" 2>&1 & # a group of its own, as the command may only wrap the training
  training=$!
  tail -n +1 -f --pid="$training" "$log" | grep --line-buffered -a -o "$pattern" || true
  wait "$training" || { echo "training failed; the end of $log:" >&2; tail -n 30 "$log" >&2; exit 1; }
  training=
}
