"""Packs what `ordebug graduate` recorded of real checkpoints into small files for the tests.

python scripts/pack_samples.py BENCH OUT NAME=GRADUATE_FOLDER,TRAIN_LOG …

Of the first problems of BENCH, OUT gets the benchmark itself and, for every NAME, ``NAME.answers.jsonl.gz`` (each
prompt by its hash, temperature and seed, with the answer that the model gave) and ``NAME/trainer_state.json``, where
there is a training. The archives have no times, so that the same answers make the same bytes.
`scripts/graduate_arms.sh` trains the checkpoints and calls this.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import sys
import tarfile
from pathlib import Path

from ordebug_plugin.errors import InputError, OrdebugError
from ordebug_plugin.evaluate.run import load_run
from ordebug_plugin.files import make_folder
from ordebug_plugin.postmortem.training import STATE
from ordebug_plugin.problem import load_benchmark, load_records
from ordebug_plugin.readiness.gather import CUTS, EVALUATION, SAMPLES

PROBLEMS = 24


def main() -> None:
    """Packs everything."""
    if len(sys.argv) < 4:
        raise InputError(str(__doc__))
    bench, out = Path(sys.argv[1]), Path(sys.argv[2])
    make_folder(out)
    problems = load_benchmark(bench).problems[:PROBLEMS]
    _pack_bench(bench, {problem.id for problem in problems}, out / "bench.tar.gz")
    hashes = {problem.content_hash for problem in problems}
    for argument in sys.argv[3:]:
        name, _, places = argument.partition("=")
        recorded, _, log = places.partition(",")
        lines = [*_answers(Path(recorded), hashes), *_begun(Path(recorded), hashes)]
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        (out / f"{name}.answers.jsonl.gz").write_bytes(gzip.compress(text.encode(), mtime=0))
        if log:
            _pack_log(Path(log), out / name)
        print(f"{name}: {len(lines)} answers")


def _answers(folder: Path, hashes: set[str]) -> list[dict[str, object]]:
    found = []
    for run in (EVALUATION, SAMPLES):
        config, episodes = load_run(folder / run)
        sampling = config["agent"]["sampling"]
        for episode in (one for one in episodes if one.problem_hash in hashes):
            for turn in episode.turns:
                said = turn.reply.text if turn.reply.raw is None else turn.reply.raw[0]
                seed = sampling["seed"] + episode.sample
                messages = [{"role": "user", "content": str(turn.reply.prompt)}]
                found.append(_line(messages, sampling["temperature"], seed, str(said), turn.reply.truncated))
    return found


def _begun(folder: Path, hashes: set[str]) -> list[dict[str, object]]:
    """What was added to answers that were begun; nothing where there was no answer to cut."""
    if not (folder / CUTS).exists():
        return []
    _, episodes = load_run(folder / EVALUATION)
    prompts = {
        episode.turns[0].reply.prompt for episode in episodes if episode.problem_hash in hashes and episode.turns
    }
    records = [json.loads(line) for line in (folder / CUTS).read_text(encoding="utf-8").splitlines()]
    kept = [record for record in records if record["messages"][-2]["content"] in prompts]
    return sorted((_line(record["messages"], 0.0, 0, record["answer"], False) for record in kept), key=str)


def _line(messages: list[dict[str, str]], temperature: float, seed: int, answer: str, cut: bool) -> dict[str, object]:
    return {"asked": asked(messages), "temperature": temperature, "seed": seed, "answer": answer, "cut": cut}


def asked(messages: list[dict[str, str]]) -> str:
    """A conversation in 16 characters, without its system prompt."""
    text = "\n".join(message["content"] for message in messages if message["role"] != "system")
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _pack_bench(bench: Path, ids: set[str], out: Path) -> None:
    """The problems with these ids, without specifications: the prompts do not show them."""
    records = [
        {key: value for key, value in record.items() if key != "specification_file"}
        for record in load_records(bench)
        if record["problem_id"] in ids
    ]
    files = {str(record["model_file"]): (bench / str(record["model_file"])).read_bytes() for record in records}
    files["dataset.json"] = json.dumps({"problems": records}).encode()
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in sorted(files.items()):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    out.write_bytes(gzip.compress(packed.getvalue(), mtime=0))


def _pack_log(log: Path, out: Path) -> None:
    """The log of a training, without what nobody reads."""
    state = json.loads((log / STATE).read_text(encoding="utf-8"))
    kept = {key: state.get(key) for key in ("log_history", "max_steps", "best_model_checkpoint")}
    make_folder(out)
    (out / STATE).write_text(json.dumps(kept) + "\n", encoding="utf-8")


if __name__ == "__main__":
    try:
        main()
    except OrdebugError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
