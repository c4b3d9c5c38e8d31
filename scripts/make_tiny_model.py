#!/usr/bin/env python3
"""Makes a tiny Qwen3 with random weights, and a byte-level tokenizer trained on given texts: nothing is downloaded.

The folder loads like a real Qwen3 in transformers, LLaMA-Factory (`template: qwen3`) and ms-swift (`--model_type
qwen3 --template qwen3`). It knows nothing: it is for tests, and for training small enough for two CPU cores.

Two things differ from a real Qwen3 on purpose, because a tiny model must learn to copy names within a few hundred
steps: a short name (r17) is one token, and attention starts out able to copy (COPY_STRENGTH).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

# Every attention head starts as one that adds this share of what it looks at to the residual stream: its value and
# output matrices are random, but transposes of each other. Where it looks is left to training. With independent
# matrices copying did not begin within 400 steps of 16; so it does within 50.
COPY_STRENGTH = 0.3
EXAMPLE = """\
example:
  python scripts/make_tiny_model.py saves/tiny --texts demonstrations.json
  llamafactory-cli train recipes/cpu/sft.yaml model_name_or_path=saves/tiny
"""
END_OF_TEXT, TURN_START, TURN_END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
# As in Qwen3: added tokens, so each is one id, but not special, so decoding with skip_special_tokens keeps them.
THINK_TAGS = ("<think>", "</think>")
ROLES = ("system\n", "user\n", "assistant\n")
# Qwen2's pattern, but a short name with its number (r17) is one piece, digits go in pairs, and punctuation with the
# spaces inside it (', ') is one piece too.
SPLIT = (
    r"\p{L}{1,2}\p{N}{1,2}(?![\p{L}\p{N}])|[^\r\n\p{L}\p{N}]?\p{L}++(?!\p{N})|\p{L}+|\p{N}{1,2}"
    r"|[^\p{L}\p{N}\r\n]*[^\s\p{L}\p{N}][\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
# Qwen3's template without its tool calls: ChatML; the system message is optional; reasoning of answers before the
# last question is dropped; enable_thinking=false starts the answer with an empty think block.
CHAT_TEMPLATE = """\
{%- set ns = namespace(last_query=-1) %}
{%- for message in messages %}
    {%- if message.role == 'user' %}{% set ns.last_query = loop.index0 %}{% endif %}
{%- endfor %}
{%- for message in messages %}
    {%- set parts = message.content or [] %}
    {%- set content = parts if parts is string else parts | map(attribute='text') | join %}
    {%- if message.role == 'assistant' %}
        {%- set reasoning = message.reasoning_content if message.reasoning_content is string else '' %}
        {%- if not reasoning and '</think>' in content %}
            {%- set reasoning = content.split('</think>')[0].split('<think>')[-1].strip('\\n') %}
            {%- set content = content.split('</think>')[-1].lstrip('\\n') %}
        {%- endif %}
        {%- if loop.index0 > ns.last_query and reasoning %}
            {%- set content = '<think>\\n' + reasoning.strip('\\n') + '\\n</think>\\n\\n' + content.lstrip('\\n') %}
        {%- endif %}
    {%- endif %}
    {{- '<|im_start|>' + message.role + '\\n' + content + '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\\n\\n</think>\\n\\n' }}
    {%- endif %}
{%- endif %}
"""


def main() -> int:
    args = _arguments().parse_args()
    if min(args.hidden, args.layers, args.heads, args.kv_heads) < 1:
        print("error: --hidden, --layers, --heads and --kv-heads must be at least 1", file=sys.stderr)
        return 2
    if args.hidden % (2 * args.heads) or args.heads % args.kv_heads:
        print("error: --hidden must be a multiple of twice --heads, --heads of --kv-heads", file=sys.stderr)
        return 2
    if args.vocab < 256 + 5:
        print("error: --vocab must be at least 261: every byte and the five added tokens", file=sys.stderr)
        return 2
    try:
        texts = [text for path in args.texts for text in read_texts(path)]
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    size, parameters = make_tiny_model(args, texts)
    print(f"{args.out}: {parameters:,} parameters, vocabulary {size}, tokenizer trained on {len(texts):,} texts")
    return 0


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", metavar="OUT", type=Path, help="folder to write")
    parser.add_argument(
        "--texts",
        metavar="FILE",
        type=Path,
        nargs="+",
        required=True,
        help='training data in JSON: Alpaca (a list, or {"metadata", "data"}), ShareGPT or messages',
    )
    parser.add_argument("--hidden", type=int, default=128, help="width (default %(default)s)")
    parser.add_argument("--layers", type=int, default=2, help="layers (default %(default)s)")
    parser.add_argument("--heads", type=int, default=2, help="attention heads (default %(default)s)")
    parser.add_argument("--kv-heads", type=int, default=2, help="key-value heads (default %(default)s)")
    parser.add_argument("--vocab", type=int, default=1024, help="size of the vocabulary, at most (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the weights (default %(default)s)")
    return parser


def read_texts(path: Path) -> list[str]:
    """Reads every text of a training file, with the system prompt where training will add it.

    Raises:
        ValueError: The file is not JSON, or a row is in none of the three formats; names the row.
        OSError: The file cannot be read.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    rows = content.get("data") if isinstance(content, dict) else content
    if not isinstance(rows, list) or not rows:
        raise ValueError(f"{path} needs a non-empty list of rows, or one under 'data'")
    texts: list[str] = []
    for number, row in enumerate(rows):
        found = list(_row_texts(row)) if isinstance(row, dict) else []
        if not found:
            raise ValueError(f"{path}, row {number}: neither Alpaca (output) nor ShareGPT (conversations) nor messages")
        texts += found
        texts += ROLES  # they stand in every prompt, so they are worth a token each
    return texts


def _row_texts(row: Mapping[str, object]) -> Iterator[str]:
    for turns, key in (("conversations", "value"), ("messages", "content")):
        if isinstance(row.get(turns), list):
            yield from (turn[key] for turn in row[turns] if isinstance(turn, dict) and isinstance(turn.get(key), str))
            if isinstance(row.get("system"), str):
                yield str(row["system"])
            return
    if isinstance(row.get("output"), str):
        from ordebug_plugin.prompt import SYSTEM_PROMPT, join_instruction, system_for  # noqa: PLC0415  # --help without

        metadata = row.get("metadata")
        extended = isinstance(metadata, Mapping) and metadata.get("action_set") == "extended"
        yield str(row.get("system") or system_for(SYSTEM_PROMPT, extended=extended))
        yield join_instruction(str(row.get("instruction") or ""), str(row.get("input") or ""))
        yield str(row["output"])


def make_tiny_model(args: argparse.Namespace, texts: list[str]) -> tuple[int, int]:
    """Writes tokenizer and model; returns the size of the vocabulary and the number of parameters."""
    # Imported here, so that --help and a wrong file answer at once.
    import torch  # noqa: PLC0415
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers  # noqa: PLC0415
    from transformers import (  # noqa: PLC0415
        GenerationConfig,
        PreTrainedTokenizerFast,
        Qwen3Config,
        Qwen3ForCausalLM,
    )

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    # The think tags must not be cut into merges of their own.
    for tag in THINK_TAGS:
        texts = [text.replace(tag, "\n") for text in texts]
    trainer = trainers.BpeTrainer(
        vocab_size=args.vocab - 5,  # room for the added tokens
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_special_tokens([END_OF_TEXT, TURN_START, TURN_END])
    tokenizer.add_tokens([AddedToken(tag, special=False, normalized=False) for tag in THINK_TAGS])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=TURN_END,
        pad_token=END_OF_TEXT,
        additional_special_tokens=[TURN_START, TURN_END],
        model_max_length=4096,
        clean_up_tokenization_spaces=False,
    )
    fast.chat_template = CHAT_TEMPLATE
    fast.save_pretrained(args.out)

    torch.manual_seed(args.seed)
    end, pad = fast.convert_tokens_to_ids([TURN_END, END_OF_TEXT])
    config = Qwen3Config(
        vocab_size=len(fast),
        hidden_size=args.hidden,
        intermediate_size=3 * args.hidden,  # the ratio of Qwen3-0.6B
        num_hidden_layers=args.layers,
        num_attention_heads=args.heads,
        num_key_value_heads=args.kv_heads,
        head_dim=args.hidden // args.heads,
        max_position_embeddings=4096,
        tie_word_embeddings=True,
        eos_token_id=end,
        pad_token_id=pad,
        bos_token_id=None,
        dtype="float32",
    )
    model = Qwen3ForCausalLM(config)
    with torch.no_grad():
        torch.nn.init.normal_(model.model.embed_tokens.weight, std=args.hidden**-0.5)
        for layer in model.model.layers:
            value, output = layer.self_attn.v_proj.weight, layer.self_attn.o_proj.weight
            torch.nn.init.orthogonal_(value)
            # Heads that share a value matrix each get its transpose.
            shared = value.view(args.kv_heads, config.head_dim, args.hidden)
            per_head = shared.repeat_interleave(args.heads // args.kv_heads, dim=0)
            output.copy_(COPY_STRENGTH * per_head.reshape(-1, args.hidden).T)
    # do_sample as in Qwen3: servers take it from here, and without it some ignore the temperature of a request.
    model.generation_config = GenerationConfig(eos_token_id=[end, pad], pad_token_id=pad, do_sample=True)
    model.save_pretrained(args.out)
    return len(fast), model.num_parameters()


if __name__ == "__main__":
    sys.exit(main())
