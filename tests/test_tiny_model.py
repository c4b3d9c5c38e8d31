"""The tiny model: reproducible, loads as a Qwen3, and its tokenizer treats text as a real Qwen3's does."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from ordebug_plugin.prompt import SYSTEM_PROMPT
from tests.conftest import REPO, Run, run

SCRIPT = str(REPO / "scripts" / "make_tiny_model.py")
needs_transformers = pytest.mark.skipif(
    importlib.util.find_spec("transformers") is None,
    reason="transformers is not installed here: run .venvs/llamafactory/bin/python -m pytest",
)
# As the fixture tiny_model has it.
TINY_MODEL_SIZE = ("--hidden", "16", "--layers", "1", "--heads", "2", "--kv-heads", "1", "--vocab", "400")
TEXT = "<think>\nüber 约束 'flow[a,b]'\t≤ 4096.25\r\n  r17\x00\u0301 🙂\n</think>\n\nAction: DROP_CONSTRAINT(r17)"


def make(out: Path, *texts: Path, extra: tuple[str, ...] = ()) -> Run:
    return run("python", SCRIPT, str(out), "--texts", *map(str, texts), *extra, cwd=REPO)


@pytest.fixture
def tokenizer(tiny_model: Path) -> Any:
    from transformers import AutoTokenizer  # noqa: PLC0415

    return AutoTokenizer.from_pretrained(tiny_model)


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_tiny_model", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def as_messages(row: dict[str, str]) -> list[tuple[str, str]]:
    user = f"{row['instruction']}\n\n{row['input']}"
    return [("system", SYSTEM_PROMPT), ("user", user), ("assistant", row["output"])]


def test_three_formats_give_the_same_texts(script: ModuleType, tmp_path: Path, rows: list[dict[str, str]]) -> None:
    chats = [as_messages(row) for row in rows]
    sharegpt = [{"conversations": [{"from": role, "value": text} for role, text in chat]} for chat in chats]
    messages = [{"messages": [{"role": role, "content": text} for role, text in chat]} for chat in chats]
    expected = sorted([*(text for chat in chats for _, text in chat), *script.ROLES * len(rows)])
    for content in (rows, {"metadata": {}, "data": rows}, sharegpt, messages):
        (tmp_path / "texts.json").write_text(json.dumps(content))
        assert sorted(script.read_texts(tmp_path / "texts.json")) == expected


@pytest.mark.llamafactory
@needs_transformers
def test_same_seed_gives_the_same_bytes(
    script: ModuleType, tmp_path: Path, tiny_model: Path, rows: list[dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also here, where torch has drawn other numbers before, as in the process of its own that made the first."""
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    command = [SCRIPT, str(tmp_path / "again"), "--texts", str(tmp_path / "rows.json"), *TINY_MODEL_SIZE]
    monkeypatch.setattr(sys, "argv", command)
    assert script.main() == 0
    names = {path.name for path in tiny_model.iterdir()}
    assert names >= {"model.safetensors", "tokenizer.json", "chat_template.jinja"}
    for name in names:
        assert (tmp_path / "again" / name).read_bytes() == (tiny_model / name).read_bytes(), name


@pytest.mark.llamafactory
@needs_transformers
def test_any_text_survives_the_tokenizer(tokenizer: Any) -> None:
    ids = tokenizer(TEXT, add_special_tokens=False)["input_ids"]
    assert tokenizer.decode(ids) == TEXT
    assert tokenizer.decode([*ids, tokenizer.eos_token_id], skip_special_tokens=True) == TEXT
    assert tokenizer.eos_token == "<|im_end|>"
    assert tokenizer.pad_token == "<|endoftext|>"
    for token in ("<think>", "</think>", "<|im_start|>", "<|im_end|>", "<|endoftext|>"):
        assert len(tokenizer(token, add_special_tokens=False)["input_ids"]) == 1


@pytest.mark.llamafactory
@needs_transformers
def test_chat_template_is_that_of_qwen3(tokenizer: Any) -> None:
    def render(*messages: tuple[str, str], **options: object) -> str:
        chat = [{"role": role, "content": content} for role, content in messages]
        return str(tokenizer.apply_chat_template(chat, tokenize=False, **options))

    prompt = "<|im_start|>user\nQ<|im_end|>\n<|im_start|>assistant\n"
    assert render(("user", "Q"), add_generation_prompt=True) == prompt
    assert render(("user", "Q"), add_generation_prompt=True, enable_thinking=True) == prompt
    empty = prompt + "<think>\n\n</think>\n\n"
    assert render(("user", "Q"), add_generation_prompt=True, enable_thinking=False) == empty
    assert render(("system", "S"), ("user", "Q")).startswith("<|im_start|>system\nS<|im_end|>\n<|im_start|>user\n")
    answer = ("assistant", "<think>\nT\n</think>\n\nAction: SUBMIT()")
    assert render(("user", "Q"), answer) == f"{prompt}{answer[1]}<|im_end|>\n"
    # Qwen3 drops the reasoning of answers before the last question.
    assert render(("user", "Q"), answer, ("user", "R")).startswith(f"{prompt}Action: SUBMIT()<|im_end|>\n")


@pytest.mark.llamafactory
@needs_transformers
def test_model_generates_and_ends_where_qwen3_does(tiny_model: Path, tokenizer: Any) -> None:
    from transformers import AutoModelForCausalLM  # noqa: PLC0415

    model = AutoModelForCausalLM.from_pretrained(tiny_model)
    assert model.config.model_type == "qwen3"
    assert tokenizer.eos_token_id in model.generation_config.eos_token_id
    prompt = tokenizer("Action", return_tensors="pt")
    first, again = (model.generate(**prompt, max_new_tokens=5, do_sample=False).tolist() for _ in range(2))
    assert first == again


@pytest.mark.parametrize(
    ("content", "extra", "message"),
    [
        ("[", (), "is not JSON"),
        ("[]", (), "non-empty list"),
        ('[{"output": "x"}, {"text": "x"}]', (), "row 1"),
        ('[{"output": "x"}]', ("--vocab", "200"), "at least 261"),
        ('[{"output": "x"}]', ("--heads", "3"), "multiple of twice"),
        ('[{"output": "x"}]', ("--layers", "0"), "at least 1"),
        (None, (), "No such file"),
    ],
)
def test_bad_input_is_refused_in_words(
    tmp_path: Path, content: str | None, extra: tuple[str, ...], message: str
) -> None:
    source = tmp_path / "texts.json"
    if content is not None:
        source.write_text(content)
    made = make(tmp_path / "out", source, extra=extra)
    assert made.returncode == 2
    assert message in made.output
    assert "Traceback" not in made.output
    assert not (tmp_path / "out").exists()
