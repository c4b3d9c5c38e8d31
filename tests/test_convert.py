"""Conversion keeps every byte of the reasoning, drops what leaks the answer, and loses no row in silence."""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ordebug_plugin.data.alpaca import is_document, read_alpaca
from ordebug_plugin.data.convert import RowError, Target, convert_file, convert_row
from ordebug_plugin.errors import InputError
from ordebug_plugin.prompt import SYSTEM_PROMPT
from ordebug_plugin.verify.reading import read_demonstration
from tests.conftest import conversation, demonstration


def write(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    return path


def load(path: Path) -> list[dict[str, object]]:
    text = path.read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()] if path.suffix == ".jsonl" else json.loads(text)


class TestReading:
    def test_list_document_and_lines_hold_the_same_rows(self, tmp_path: Path, rows: list[dict[str, object]]) -> None:
        lines = tmp_path / "c.jsonl"
        lines.write_text("\n\n".join(json.dumps(row) for row in rows), encoding="utf-8")
        files = [write(tmp_path / "a.json", rows), write(tmp_path / "b.json", {"metadata": {"n": 1}, "data": rows})]
        assert [list(read_alpaca(file).rows) for file in [*files, lines]] == [rows] * 3
        assert read_alpaca(files[1]).metadata == {"n": 1}

    def test_byte_order_mark_is_no_part_of_the_text(self, tmp_path: Path) -> None:
        path = tmp_path / "bom.json"
        path.write_bytes(b'\xef\xbb\xbf[{"a": 1}]')
        assert read_alpaca(path).rows == ({"a": 1},)

    @pytest.mark.parametrize(
        ("name", "content", "message"),
        [
            ("cut.json", b'[\n{"a": 1},\n{"a": ', r"cut\.json:3: not JSON"),
            ("lines.json", b'{"a": 1}\n{"a": 2}', r"lines\.json:2: not JSON .*name the file \*\.jsonl"),
            ("cut.jsonl", b'{"a": 1}\n\n{"a": ', r"cut\.jsonl:3: not JSON"),
            ("latin.json", b'[\n{"a": "\xe9"}]', r"latin\.json:2: not UTF-8"),
            ("keys.json", b'{"rows": []}', r"keys\.json: expected a list .* found an object with the keys 'rows'"),
            ("number.json", b"7", r"number\.json: expected a list .* found a single int"),
            ("empty.json", b"[]", r"empty\.json: no rows"),
            ("empty.jsonl", b"\n", r"empty\.jsonl: no rows"),
            ("deep.json", b"[" * 100_000, r"deep\.json:1: not a data file"),
        ],
    )
    def test_unusable_file_is_named_with_its_line(
        self, tmp_path: Path, name: str, content: bytes, message: str
    ) -> None:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=message):
            read_alpaca(tmp_path / name)

    def test_missing_file_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"none\.json: cannot be read: No such file"):
            read_alpaca(tmp_path / "none.json")

    @pytest.mark.parametrize(
        ("content", "expected"),
        [
            ('{"metadata": {}, "data": []}', True),
            ('{\n "data": [\n ]\n}', True),
            ('[{"data": []}]', False),
            ('{"instruction": "a"}\n{"instruction": "b"}', False),
            ('{"data": {}}', False),
            ("{ not JSON", False),
            ("", False),
        ],
    )
    def test_document_is_told_from_list_and_lines(self, tmp_path: Path, content: str, expected: bool) -> None:
        path = tmp_path / "x.json"
        path.write_text(content)
        assert is_document(path) is expected


class TestRow:
    def test_prompt_loses_id_and_type_and_nothing_else(self) -> None:
        row = demonstration(7)
        conversation = convert_row(row, system="S", keep_labels=False)
        labels = "## Problem\nID: mip_typeA_007\nType: A\n\n"
        assert conversation.user == f"{row['instruction']}\n\n{row['input']}".replace(labels, "")
        assert "mip_typeA" not in conversation.user
        assert conversation.changed
        assert conversation.metadata["problem_id"] == "mip_typeA_007"

    def test_labels_can_be_kept(self) -> None:
        row = demonstration(7)
        conversation = convert_row(row, system="S", keep_labels=True)
        assert conversation.user == f"{row['instruction']}\n\n{row['input']}"
        assert not conversation.changed

    def test_row_without_labels_is_not_counted_as_changed(self) -> None:
        row = demonstration(7)
        stripped = convert_row(row, system=None, keep_labels=False)
        again = convert_row({**row, "input": stripped.user.split("\n\n", 1)[1]}, system=None, keep_labels=False)
        assert (again.user, again.changed) == (stripped.user, False)

    @pytest.mark.parametrize(
        ("own", "default", "expected"), [("mine", "S", "mine"), (None, "S", "S"), ("", "S", "S"), (None, None, None)]
    )
    def test_system_of_the_row_comes_first(self, own: str | None, default: str | None, expected: str | None) -> None:
        assert convert_row({**demonstration(1), "system": own}, system=default, keep_labels=False).system == expected

    def test_other_columns_are_kept_in_the_metadata(self) -> None:
        row = {**demonstration(1), "source": "lab", "error_type": None}
        metadata = convert_row(row, system=None, keep_labels=False).metadata
        assert metadata == {"problem_id": "mip_typeA_001", "error_type": "A", "steps": 1, "source": "lab"}

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"output": None}, "'output' is missing"),
            ({"instruction": 3}, "'instruction' must be text, not int"),
            ({"input": ["a"]}, "'input' must be text, not list"),
            ({"output": " \n"}, "'output' is empty"),
            ({"instruction": "", "input": " "}, "both empty"),
            ({"output": "<think>\nx\n</think>\n\nDROP_CONSTRAINT(c)"}, "no action found"),
            ({"output": "<think>\nx\nAction: DROP_CONSTRAINT(c)"}, "the reasoning is not closed"),
            ({"output": "<think>\nx\n</think>\n\nAction: UPDATE_BOUNDS(x0, 5)"}, "UPDATE_BOUNDS needs 3"),
            ({"history": [["a", "b"]]}, "'history' holds earlier turns"),
            ({"metadata": "A"}, "'metadata' must be an object, not str"),
            ({"system": 1}, "'system' must be text, not int"),
            ({"error_type": "B"}, "'error_type' is a column and a key of 'metadata' at once"),
            ({"instruction": "\ud800"}, "lone surrogate"),
        ],
    )
    def test_unusable_row_is_refused_with_its_reason(self, change: dict[str, object], reason: str) -> None:
        with pytest.raises(RowError, match=reason):
            convert_row({**demonstration(1), **change}, system=None, keep_labels=False)


class TestFile:
    def test_sharegpt(self, tmp_path: Path, rows: list[dict[str, object]]) -> None:
        source = write(tmp_path / "in.json", {"data": rows})
        report = convert_file(source, tmp_path / "out.json", to="sharegpt", system="S", keep_labels=False)
        assert (report.rows, report.written, report.changed, report.rejected, report.rejects) == (24, 24, 24, 0, None)
        first = load(tmp_path / "out.json")[0]
        assert list(first) == ["conversations", "system", "metadata"]
        assert first["system"] == "S"
        assert first["metadata"] == rows[0]["metadata"]
        assert first["conversations"] == [
            {"from": "human", "value": convert_row(rows[0], system=None, keep_labels=False).user},
            {"from": "gpt", "value": rows[0]["output"]},
        ]

    @pytest.mark.parametrize(("system", "roles"), [("S", ["system", "user", "assistant"]), ("", ["user", "assistant"])])
    def test_messages(self, tmp_path: Path, rows: list[dict[str, object]], system: str, roles: list[str]) -> None:
        source = write(tmp_path / "in.json", rows)
        convert_file(source, tmp_path / "out.jsonl", to="messages", system=system, keep_labels=False)
        converted = load(tmp_path / "out.jsonl")
        assert len(converted) == 24
        assert [message["role"] for message in converted[3]["messages"]] == roles  # type: ignore[attr-defined]
        assert converted[3]["messages"][-1]["content"] == rows[3]["output"]  # type: ignore[index]

    def test_nothing_is_lost(self, tmp_path: Path, rows: list[dict[str, object]]) -> None:
        bad = [{"instruction": "\ud800", "input": "a", "output": "b"}, "text", {**rows[0], "output": "Action: FLY()"}]
        mixed = [*rows[:2], *bad, *rows[2:]]
        source = tmp_path / "in.json"
        source.write_text(json.dumps(mixed))
        report = convert_file(source, tmp_path / "out.json", to="sharegpt", system=None, keep_labels=False)
        assert (report.rows, report.written, report.rejected) == (27, 24, 3)
        assert report.rejects == tmp_path / "out.rejects.jsonl"
        rejects = load(report.rejects)
        assert [(reject["row"], reject["data"]) for reject in rejects] == list(zip((3, 4, 5), bad, strict=True))
        assert all(reject["reason"] for reject in rejects)
        assert len(load(tmp_path / "out.json")) == 24

    def test_stale_rejects_are_removed(self, tmp_path: Path, rows: list[dict[str, object]]) -> None:
        source = write(tmp_path / "in.json", [*rows, {}])
        convert_file(source, tmp_path / "out.json", to="sharegpt", system=None, keep_labels=False)
        assert (tmp_path / "out.rejects.jsonl").exists()
        convert_file(write(source, rows), tmp_path / "out.json", to="sharegpt", system=None, keep_labels=False)
        assert not (tmp_path / "out.rejects.jsonl").exists()

    @pytest.mark.parametrize("to", ["sharegpt", "messages"])
    def test_same_input_gives_the_same_bytes(self, tmp_path: Path, rows: list[dict[str, object]], to: Target) -> None:
        source = write(tmp_path / "in.json", rows)
        for name in ("one.json", "two.json"):
            convert_file(source, tmp_path / name, to=to, system=SYSTEM_PROMPT, keep_labels=False)
        written = (tmp_path / "one.json").read_bytes()
        assert written == (tmp_path / "two.json").read_bytes()
        assert "约束".encode() in written  # text, not escapes

    def test_input_is_never_overwritten(self, tmp_path: Path, rows: list[dict[str, object]]) -> None:
        source = write(tmp_path / "in.json", rows)
        (tmp_path / "link.json").symlink_to(source)
        as_rejects = tmp_path / "x.rejects.jsonl"
        as_rejects.write_text("\n".join(json.dumps(row) for row in rows))
        before = source.read_bytes(), as_rejects.read_bytes()
        for origin, target in [(source, "in.json"), (source, "link.json"), (as_rejects, "x.json")]:
            with pytest.raises(InputError, match="would overwrite the input"):
                convert_file(origin, tmp_path / target, to="sharegpt", system=None, keep_labels=False)
        assert (source.read_bytes(), as_rejects.read_bytes()) == before

    def test_target_that_cannot_be_written_is_named(self, tmp_path: Path, rows: list[dict[str, object]]) -> None:
        source = write(tmp_path / "in.json", rows)
        (tmp_path / "folder.json").mkdir()
        with pytest.raises(InputError, match=r"folder\.json: cannot be written"):
            convert_file(source, tmp_path / "folder.json", to="sharegpt", system=None, keep_labels=False)
        with pytest.raises(InputError, match=r"out\.csv: name the target \*\.json or \*\.jsonl"):
            convert_file(source, tmp_path / "out.csv", to="sharegpt", system=None, keep_labels=False)

    @settings(max_examples=50, deadline=None)
    @given(think=st.text(st.characters(codec="utf-8"), min_size=1).filter(lambda text: "think>" not in text))
    def test_any_reasoning_survives_byte_for_byte(self, think: str) -> None:
        output = f"<think>\n{think}\n</think>\n\nAction: DROP_CONSTRAINT(c1)"
        with tempfile.TemporaryDirectory() as name:
            source = write(Path(name) / "in.json", [{**demonstration(1), "output": output}])
            for to, target in (("sharegpt", Path(name) / "a.json"), ("messages", Path(name) / "b.jsonl")):
                convert_file(source, target, to=to, system=None, keep_labels=False)  # type: ignore[arg-type]
            lines = (Path(name) / "b.jsonl").read_bytes().removesuffix(b"\n").split(b"\n")
            assert [json.loads(line)["messages"][-1]["content"] for line in lines] == [output]
            assert load(Path(name) / "a.json")[0]["conversations"][-1]["value"] == output  # type: ignore[index]


class TestConversations:
    """What `ordebug data demos --chat` and `ordebug data collect --chat` write."""

    def write(self, path: Path, *chats: object) -> Path:
        path.write_text("".join(json.dumps(chat) + "\n" for chat in chats), encoding="utf-8")
        return path

    def test_messages_keep_every_turn_and_say_which_are_learnt(self, tmp_path: Path) -> None:
        chat = conversation(1)
        source = self.write(tmp_path / "chat.jsonl", chat)
        report = convert_file(source, tmp_path / "kept.jsonl", to="messages", system="other", keep_labels=True)
        assert load(tmp_path / "kept.jsonl") == [chat]
        assert (report.rows, report.written, report.made, report.changed) == (1, 1, 1, 0)
        report = convert_file(source, tmp_path / "out.jsonl", to="messages", system=None, keep_labels=False)
        (written,) = load(tmp_path / "out.jsonl")
        assert report.changed == 1
        for old, new in zip(chat["messages"], written["messages"], strict=True):  # type: ignore[call-overload]
            assert "ID: mip" not in new["content"]
            assert "Type: A" not in new["content"]
            if old["role"] != "user":
                assert new == old

    def test_sharegpt_ends_with_each_answer_to_learn(self, tmp_path: Path) -> None:
        chats = [conversation(number) for number in range(3)]
        source = self.write(tmp_path / "chat.jsonl", *chats)
        report = convert_file(source, tmp_path / "out.json", to="sharegpt", system=None, keep_labels=True)
        assert (report.rows, report.written, report.made, report.rejected) == (3, 3, 6, 0)
        rows = load(tmp_path / "out.json")
        for number, (second, third) in enumerate(zip(rows[::2], rows[1::2], strict=True)):
            spoken = [message["content"] for message in chats[number]["messages"]]  # type: ignore[attr-defined]
            for row, turns in ((second, 2), (third, 3)):
                assert row["system"] == SYSTEM_PROMPT
                assert [turn["value"] for turn in row["conversations"]] == spoken[1 : 1 + 2 * turns]  # type: ignore[attr-defined]
                assert [turn["from"] for turn in row["conversations"]] == ["human", "gpt"] * turns  # type: ignore[attr-defined]
                assert row["metadata"] == {"problem_id": f"c{number}", "turn": turns, "learn": [turns]}

    @pytest.mark.parametrize("to", ["messages", "sharegpt"])
    def test_what_is_learnt_may_be_said_in_the_metadata_alone(self, tmp_path: Path, to: Target) -> None:
        """As a stumble that is marked there must not be trained on, and is judged by that when it is verified."""
        chat = conversation(1)
        said = [{"role": one["role"], "content": one["content"]} for one in chat["messages"]]  # type: ignore[attr-defined]
        source = self.write(tmp_path / "chat.jsonl", {**chat, "messages": said})
        convert_file(source, tmp_path / "out.jsonl", to=to, system=None, keep_labels=True)
        rows = load(tmp_path / "out.jsonl")
        if to == "messages":
            assert rows == [chat]
        found = [read_demonstration(row, 1) for row in rows]
        learned = [[turn.number for turn in one.learned] for one in found]
        assert learned == ([[2, 3]] if to == "messages" else [[2], [3]])

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            (lambda m: m[2:], "user and assistant must take turns"),
            (lambda m: m[:-1], "user and assistant must take turns"),
            (lambda m: [], "must be a list of messages"),
            (lambda m: [*m[:-1], {**m[-1], "content": "I give up."}], "action of turn 3 cannot be executed"),
            (lambda m: [*m[:-1], {**m[-1], "content": None}], "message 7 needs the strings"),
            (lambda m: [*m[:-1], {**m[-1], "loss": "no"}], "loss of message 7 must be true or false"),
            (lambda m: [*m[:-1], {**m[-1], "content": "\ud800"}], "message 7 holds a lone surrogate"),
            (lambda m: m[:3], "metadata.learn must list turns from 1 to 1"),
            (lambda m: [{**one, "loss": True} for one in m], "contradict each other"),
        ],
    )
    def test_what_is_no_conversation_is_refused(self, tmp_path: Path, change: Any, reason: str) -> None:
        good, bad = conversation(1), conversation(2)
        bad["messages"] = change(bad["messages"])
        source = self.write(tmp_path / "chat.jsonl", good, bad)
        report = convert_file(source, tmp_path / "out.jsonl", to="messages", system=None, keep_labels=False)
        assert (report.written, report.rejected) == (1, 1)
        assert report.rejects is not None
        (refused,) = load(report.rejects)
        assert reason in str(refused["reason"])
        assert refused["row"] == 2


@pytest.mark.public
class TestPublicData:
    @pytest.mark.parametrize(("name", "rejected"), [("heuristic", 0), ("gpt52chat", None)])
    def test_only_one_value_bounds_are_refused(
        self, tmp_path: Path, public_data: Path, name: str, rejected: int | None
    ) -> None:
        source = public_data / "sft" / f"{name}.json"
        rows = json.loads(source.read_text(encoding="utf-8"))["data"]
        one_value = [
            number for number, row in enumerate(rows, 1) if re.search(r"UPDATE_BOUNDS\([^,]+,[^,]+\)$", row["output"])
        ]
        report = convert_file(source, tmp_path / "out.json", to="sharegpt", system=SYSTEM_PROMPT, keep_labels=False)
        refused = [reject["row"] for reject in load(report.rejects)] if report.rejects else []
        assert refused == one_value
        assert (len(refused) == 0) == (rejected == 0)
        assert report.changed == report.written == len(rows) - len(refused)
        kept = [row["output"] for number, row in enumerate(rows, 1) if number not in set(refused)]
        written = load(tmp_path / "out.json")
        assert [row["conversations"][1]["value"] for row in written] == kept  # type: ignore[index]
        prompts = [row["conversations"][0]["value"] for row in written]  # type: ignore[index]
        assert not [text for text in prompts if re.search(r"ID:|Type:|(lp|mip)_type", text)]
