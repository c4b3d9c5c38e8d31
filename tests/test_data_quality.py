"""The quality of a file in five dimensions, its length in tokens, and the page that shows both."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import yaml

from ordebug_plugin.actions import parse_action
from ordebug_plugin.cli import main
from ordebug_plugin.prompt import EXTENDED_SYSTEM_PROMPT, SYSTEM_PROMPT
from ordebug_plugin.verify.dataset import replay_all
from ordebug_plugin.verify.dimension import Dimension, Level
from ordebug_plugin.verify.length import DEFAULT_CUTOFF, Lengths, Ruler, summarize
from ordebug_plugin.verify.matching import match_rows
from ordebug_plugin.verify.quality import dimensions
from ordebug_plugin.verify.reading import read_demonstration
from ordebug_plugin.verify.reasoning import agrees, masked, unknown_names, unsourced_numbers
from ordebug_plugin.verify.share import Share
from tests.conftest import REPO
from tests.demonstrations import GOOD, LOOK, SMALL, STATE, WRONG, Data, row, talk
from tests.toys import CONFLICT, answer

needs_transformers = pytest.mark.skipif(
    importlib.util.find_spec("transformers") is None,
    reason="transformers is not installed here: run .venvs/llamafactory/bin/python -m pytest",
)
NAMES = ("low", "high", "side", "r1", "r12")
LEAKING = f"## Problem\nID: toy\nType: A\n\n{STATE}"


def quality(bench: Path, rows: Sequence[object]) -> dict[str, Dimension]:
    source = bench.parent / "rows.json"
    source.write_text(json.dumps(rows))
    return {one.name: one for one in dimensions(replay_all(match_rows(source, bench)))}


def figures(dimension: Dimension) -> dict[str, object]:
    return {figure.name: figure.value for figure in dimension.figures}


def charts(dimension: Dimension) -> dict[str, dict[str, int]]:
    return {chart.name: dict(chart.bars) for chart in dimension.charts}


def words(think: str, action: str = "UPDATE_RHS(low, 1.0)") -> str:
    return f"<think>\n{think}\n</think>\n\nAction: {action}"


class TestDimensions:
    def test_a_good_file_is_sound_in_format_and_correctness(self, toy_bench: Path) -> None:
        found = quality(toy_bench, [row(), talk(toy_bench, LOOK, SMALL, GOOD, learn=[3])])
        assert found["correctness"].level is Level.SOUND
        assert figures(found["correctness"])["useful"] == Share(2, 2)
        # One row has a system prompt of its own and one has none: two templates in one file.
        assert (found["format"].level, figures(found["format"])["systems"]) == (Level.FLAWED, 2)
        assert quality(toy_bench, [row(), row()])["format"].level is Level.SOUND

    @pytest.mark.parametrize(
        ("bad", "dimension", "name", "verdict"),
        [
            (row(state=LEAKING), "format", "leaks", "gives its label away"),
            (row("nothing"), "format", "parsable", "no action that can be read"),
            (row(state=""), "format", "readable", "a prompt that cannot be read"),
            (row(state=STATE.replace("x", "y").replace("2", "3")), "format", "true_prompt", "another state"),
            (7, "format", "read", "no demonstration at all"),
            (row(answer("DROP_CONSTRAINT(nope)")), "correctness", "executed", "refused"),
            (row(answer("DROP_CONSTRAINT(side)")), "correctness", "useful", "helps nothing"),
            (row(answer("DROP_CONSTRAINT(high)")), "correctness", "hit", "misses the culprit"),
            (row(answer("DROP_CONSTRAINT(high)")), "correctness", "objective_kept", "another objective"),
            (row("Action: UPDATE_RHS(low, 1.0)"), "coherence", "thinks", "no reasoning"),
            (row(words("because of 1.0")), "coherence", "names_target", "does not name what is acted on"),
            (row(words("low and r99 clash over 1.0")), "coherence", "names_known", "a name that no prompt shows"),
            (row(words("low is 77 off, so 1.0")), "coherence", "numbers_known", "a number from nowhere"),
            (row(words("1.0? I drop low.")), "coherence", "agrees", "not the one announced"),
        ],
    )
    def test_each_finding_has_a_row_that_makes_its_dimension_poor(
        self, toy_bench: Path, bad: object, dimension: str, name: str, verdict: str
    ) -> None:
        before = quality(toy_bench, [row(), row()])[dimension]
        after = quality(toy_bench, [row(), bad])[dimension]
        assert verdict not in before.verdict
        assert verdict in after.verdict
        assert after.level is Level.POOR
        assert figures(after)[name] != figures(before)[name]

    def test_a_rare_finding_is_a_flaw(self, toy_bench: Path) -> None:
        rows = [row()] * 19
        assert quality(toy_bench, [*rows, row("nothing")])["format"].level is Level.FLAWED
        assert quality(toy_bench, [*rows[:18], row("nothing")])["format"].level is Level.POOR

    def test_mixed_layouts_are_told(self, toy_bench: Path) -> None:
        found = quality(toy_bench, [row(), row(), row(state=STATE.replace("## Model Structure", "## Size"))])
        assert "2 layouts of prompts are mixed" in found["format"].verdict
        assert figures(found["format"])["layout"] == Share(2, 3)

    def test_a_formula_is_no_reasoning(self, toy_bench: Path) -> None:
        same = [row(words(f"{name} asks too much.", f"DROP_CONSTRAINT({name})")) for name in ("low", "high", "side")]
        found = quality(toy_bench, same)["coherence"]
        assert "a formula, not reasoning" in found.verdict
        values = figures(found)
        assert (values["distinct"], values["patterns"], values["pattern"]) == (Share(3, 3), Share(1, 3), Share(3, 3))

    def test_coverage(self, toy_bench: Path) -> None:
        index = json.loads((toy_bench / "dataset.json").read_text())
        first = {**index["problems"][0], "family": "mixing"}
        (toy_bench / "other.lp").write_text(CONFLICT.replace("x <= 2", "x <= 3"))
        other = {**first, "problem_id": "other", "model_file": "other.lp", "error_type": "B", "difficulty": "hard"}
        (toy_bench / "dataset.json").write_text(json.dumps({"problems": [first, other]}))
        rows = [row(), row(LOOK), row(answer("DROP_CONSTRAINT(high)")), row(answer("DROP_CONSTRAINT(side)"))]
        found = quality(toy_bench, [*rows, talk(toy_bench, SMALL, GOOD)])
        counts = charts(found["coverage"])
        assert counts["family"] == {"mixing": 5}
        assert counts["error_type"] == {"A": 5}
        assert counts["kind"] == {
            "DROP_CONSTRAINT": 2,
            "UPDATE_RHS": 2,
            "CHECK_SLACK": 1,
            "RELAX_CONSTRAINT": 1,
        }
        assert counts["place"] == {"1": 4, "2": 1, "none of them": 1}
        assert (counts["turns"], counts["turn"]) == ({"1": 4, "2": 1}, {"1": 5, "2": 1})
        assert figures(found["coverage"])["problems"] == Share(1, 2)
        assert "no row for B, which the benchmark has" in found["coverage"].verdict
        assert found["coverage"].level is Level.FLAWED
        assert "no row that is hard, which the benchmark has" in found["difficulty"].verdict
        assert charts(found["difficulty"])["difficulty"] == {"easy": 5}
        assert charts(found["difficulty"])["iis_size"] == {"2": 5}
        assert charts(found["difficulty"])["n_rows"] == charts(found["difficulty"])["n_variables"] == {"1–10": 5}

    def test_copying_the_first_row_covers_nothing(self, toy_bench: Path) -> None:
        found = quality(toy_bench, [row(), row(SMALL)])["coverage"]
        assert found.level is Level.POOR
        assert "copying it is all there is to learn" in found.verdict

    def test_what_is_not_known_is_not_sound(self, toy_bench: Path) -> None:
        found = quality(toy_bench, [row(problem_id="elsewhere")])
        assert (found["correctness"].level, found["difficulty"].level) == (Level.UNKNOWN, Level.UNKNOWN)
        assert found["correctness"].verdict == "not one row could be replayed"


class TestReasoning:
    @pytest.mark.parametrize(
        ("think", "unknown"),
        [
            ("r1 and r12 clash", ()),
            ("r1 and r2 clash", ("r2",)),
            ("constraint 'demand' is tight", ("demand",)),
            ("flow[a,b] is tight", ("flow[a,b]",)),
            ("r1(the first) is tight", ()),
            ("low is tight", None),
            ("Step 1: I use GET_IIS, then update_bounds", None),
        ],
    )
    def test_names_that_no_prompt_shows(self, think: str, unknown: tuple[str, ...] | None) -> None:
        assert unknown_names(think, "Conflicting Constraints: ['r1', 'r12']") == unknown

    @pytest.mark.parametrize(
        ("think", "unsourced"),
        [
            ("no numbers, r12 is a name", None),
            ("it asks for 40", ()),
            ("it asks for 41", ("41",)),
            ("it asks for 4e1", ()),
            ("3 rows and 2 bounds, 5 in all", ()),
            ("4 rows", ("4",)),
            ("a side of 7.5 is right", ()),
            ("40 * 3 + 2 = 122, so 122", ()),
            ("r12 = 122", ("122",)),
            ("it comes to 20 * 3 = 60, where 40 is asked: 20 apart", ()),
            ("it comes to -5 * 3 = -15, where 40 is asked: 55 apart", ()),
            ("it is 40, where 3 is asked: 37 apart", ()),
            ("it is -40, where 3 is asked: 43 apart", ()),
            ("it is 40, where 3 is asked: 38 apart", ("38",)),
            ("it is 40, where 3 is asked. They are 37 apart", ("37",)),
            ("Step 9: it asks for 40\n7. it is too much", ()),
        ],
    )
    def test_numbers_from_nowhere(self, think: str, unsourced: tuple[str, ...] | None) -> None:
        prompt = "Conflicting Constraints: ['r1', 'low', 'high']\nConflicting Bounds: ['x', 'y']\nr1 <= 40"
        assert unsourced_numbers(think, prompt, NAMES, parse_action("UPDATE_RHS(r1, 7.5)")) == unsourced

    @pytest.mark.parametrize(
        ("think", "action", "expected"),
        [
            ("I drop low.", "DROP_CONSTRAINT(low)", True),
            ("I drop low.", "DROP_CONSTRAINT(high)", False),
            ("I drop it.", "DROP_CONSTRAINT(high)", True),
            ("I drop low.", "RELAX_CONSTRAINT(low, 1.0)", False),
            ("I relax low by 1.5 units.", "RELAX_CONSTRAINT(low, 1.5)", True),
            ("Relaxing low.", "DROP_CONSTRAINT(low)", False),
            ("Relaxing low.", "UPDATE_RHS(low, 1.0)", True),
            ("Dropping low was too much. So I relax high.", "RELAX_CONSTRAINT(high, 1.0)", True),
            ("I could drop low.", "RELAX_CONSTRAINT(high, 1.0)", None),
            ("I do not drop low.", "RELAX_CONSTRAINT(high, 1.0)", None),
            ("low is at fault.", "DROP_CONSTRAINT(high)", None),
            ("low goes.", "DROP_CONSTRAINT(low)", True),
            ("low goes.", "DROP_CONSTRAINT(high)", False),
            ("I will not touch high; low is the culprit. I set low to 2.", "UPDATE_RHS(high, 2.0)", False),
            ("I will not touch high; low is the culprit. I set low to 2.", "UPDATE_RHS(low, 2.0)", True),
            ("I set low to 2.", "DROP_CONSTRAINT(low)", False),
            ("low becomes 2.", "UPDATE_RHS(high, 2.0)", False),
            ("It becomes 2.", "UPDATE_RHS(high, 2.0)", True),
            ("low gets 2, nothing else changes.", "UPDATE_RHS(high, 2.0)", False),
            ("low goes back to 0 below and 4 above.", "UPDATE_BOUNDS(high, 0.0, 4.0)", False),
            ("I give low 0 below and no upper bound above.", "UPDATE_BOUNDS(high, 0.0, inf)", False),
            ("I write low anew as it is stated.", "REWRITE_CONSTRAINT(high, x >= 1)", False),
            ("The whole row low is written as its statement has it.", "REWRITE_CONSTRAINT(high, x >= 1)", False),
            ("low has to be rewritten.", "REWRITE_CONSTRAINT(low, x >= 1)", True),
            ("I loosen low by 2.", "RELAX_CONSTRAINT(high, 2.0)", False),
            ("I could set low to 2.", "UPDATE_RHS(high, 2.0)", None),
            ("With that the conflict becomes smaller for low.", "UPDATE_RHS(high, 2.0)", None),
            ("I drop low.", "GET_IIS()", None),
        ],
    )
    def test_what_is_announced(self, think: str, action: str, expected: bool | None) -> None:
        assert agrees(think, NAMES, parse_action(action)) is expected

    def test_masks(self) -> None:
        one, other = "In conflict: r1; low; high. r1 goes, by 2.5.", "In conflict: r12; side. high goes, by 10."
        assert masked(one, NAMES) == masked(other, NAMES) == "In conflict: ·…. · goes, by #."


class TestLengths:
    def test_percentiles_are_lengths_that_occur(self) -> None:
        lengths = summarize("t", 60, range(100, 0, -1))
        assert (lengths.longest, lengths.percentile(50), lengths.percentile(99), lengths.truncated) == (100, 50, 99, 40)
        assert Lengths("t", 5, (7,)).percentile(50) == Lengths("t", 5, (7,)).percentile(99) == 7

    @pytest.mark.llamafactory
    @needs_transformers
    def test_what_training_sees_is_measured(self, toy_bench: Path, tiny_model: Path, tmp_path: Path) -> None:
        from transformers import AutoTokenizer  # noqa: PLC0415

        source, report, kept = (tmp_path / name for name in ("rows.json", "report.json", "kept.json"))
        rows = [row(state=LEAKING), talk(toy_bench, SMALL, GOOD)]
        source.write_text(json.dumps(rows))
        tokenizer: Any = AutoTokenizer.from_pretrained(tiny_model)
        alpaca = [
            {"role": "system", "content": SYSTEM_PROMPT},
            {"role": "user", "content": f"{rows[0]['instruction']}\n\n{STATE}"},
            {"role": "assistant", "content": GOOD},
        ]
        texts = [tokenizer.apply_chat_template(chat, tokenize=False) for chat in (alpaca, rows[1]["messages"])]
        assert SMALL not in texts[1]  # training keeps the reasoning of earlier turns, which the template drops
        texts[1] = texts[1].replace("Action: RELAX_CONSTRAINT(low, 1.0)<", f"{SMALL}<")
        assert texts[1].count(SMALL) == texts[1].count(GOOD) == 1
        expected = [len(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in texts]
        assert expected[0] < expected[1]
        options = ["--bench", str(toy_bench), "--workers", "0", "--json", str(report), "--tokenizer", str(tiny_model)]
        assert main(["data", "verify", str(source), *options]) == 0
        record = json.loads(report.read_text())
        assert [one["tokens"] for one in record["rows"]] == expected
        assert record["tokens"] == {
            "tokenizer": tiny_model.name,
            "cutoff_len": 4096,
            "max": expected[1],
            "p50": expected[0],
            "p99": expected[1],
            "truncated": 0,
        }
        # A row that would be cut is a finding, and is not kept.
        short = [*options, "--cutoff-len", str(expected[0]), "--keep", str(kept)]
        assert main(["data", "verify", str(source), *short]) == 1
        record = json.loads(report.read_text())
        assert (record["tokens"]["truncated"], record["findings"]["fits"]) == (1, 1)
        assert "longer than the cutoff" in record["quality"]["format"]["verdict"]
        assert json.loads(kept.read_text()) == rows[:1]

    @pytest.mark.llamafactory
    @needs_transformers
    def test_a_row_with_extended_actions_is_measured_with_their_system_prompt(self, tiny_model: Path) -> None:
        ruler = Ruler(tiny_model, system=SYSTEM_PROMPT)
        extended = read_demonstration(row(action_set="extended"), 1)
        stated = read_demonstration({**row(), "system": EXTENDED_SYSTEM_PROMPT}, 1)
        assert ruler.measure(extended) == ruler.measure(stated) > ruler.measure(read_demonstration(row(), 1))

    @pytest.mark.llamafactory
    @needs_transformers
    def test_a_template_that_refuses_a_row_names_it(
        self, toy_bench: Path, tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        model = tmp_path / "model"
        model.mkdir()
        for path in tiny_model.iterdir():
            (model / path.name).write_bytes(path.read_bytes())
        (model / "chat_template.jinja").write_text("{{ raise_exception('no system prompts') }}")
        assert self._fails(toy_bench, model, capsys).endswith("refuses it: no system prompts")
        (model / "chat_template.jinja").unlink()
        assert "has no chat template" in self._fails(toy_bench, model, capsys)
        (model / "tokenizer.json").unlink()
        assert "no tokenizer can be read from it" in self._fails(toy_bench, model, capsys)

    def test_a_folder_that_is_none(self, toy_bench: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert "nothing is fetched" in self._fails(toy_bench, Path("Qwen/Qwen3-8B"), capsys)

    def test_without_transformers(
        self, toy_bench: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "transformers", None)  # importing it fails, as where it is not installed
        assert "install the extra of a framework" in self._fails(toy_bench, toy_bench, capsys)

    def test_the_default_cutoff_is_that_of_the_recipe(self) -> None:
        assert yaml.safe_load((REPO / "recipes" / "sft.yaml").read_text())["cutoff_len"] == DEFAULT_CUTOFF

    @staticmethod
    def _fails(bench: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> str:
        source = bench.parent / "rows.json"
        source.write_text(json.dumps([row()]))
        capsys.readouterr()
        assert main(["data", "verify", str(source), "--bench", str(bench), "--tokenizer", str(model)]) == 2
        return " ".join(capsys.readouterr().err.split())


class _Page(HTMLParser):
    """The tags of a page, and the texts of its <pre> elements."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.pres: list[str] = []
        self._inside = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        assert all(name not in ("src", "onload", "onerror") for name, _ in attrs)
        assert all((value or "").startswith("#") for name, value in attrs if name == "href")
        if tag == "pre":
            self.pres.append("")
            self._inside = True

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag != "pre"

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.pres[-1] += data


class TestPage:
    @staticmethod
    def _page(bench: Path, rows: Sequence[Data], expected: int = 1) -> str:
        source, page = bench.parent / "rows.json", bench.parent / "page.html"
        source.write_text(json.dumps(rows))
        options = ["--bench", str(bench), "--workers", "0", "--page", str(page)]
        assert main(["data", "verify", str(source), *options]) == expected
        return page.read_text()

    def test_texts_are_never_markup(self, toy_bench: Path) -> None:
        attack = "<script>alert(1)</script>"
        model = CONFLICT.replace("low:", f"{attack}:")
        (toy_bench / "toy.lp").write_text(model)
        think = f"{attack}<img src=x onerror=alert(2)> & 'low' \"r9\""
        state = STATE.replace("'low'", f"'{attack}'")
        hostile = row(words(think, f"DROP_CONSTRAINT({attack})"), state, problem_id="toy")
        stranger = row(problem_id=attack)
        text = self._page(toy_bench, [hostile, stranger, row(answer(f"DROP_CONSTRAINT({attack}x)"))])
        page = _Page(text)
        assert "script" not in page.tags
        assert "img" not in page.tags
        assert attack not in text
        assert hostile["output"] in page.pres
        assert any(state in pre for pre in page.pres)

    def test_every_kind_of_finding_has_examples_and_no_more_than_fifty(self, toy_bench: Path) -> None:
        many = [row(answer(f"DROP_CONSTRAINT(nope{number})")) for number in range(60)]
        text = self._page(toy_bench, [row(), row(state=LEAKING), *many, row(SMALL)])
        kinds = dict(re.findall(r'id="finding-(\w+)"><summary>[^:<]*: (\d+) row', text))
        assert (kinds["executed"], kinds["leaks"], kinds["contradictions"]) == ("60", "1", "63")
        assert "(the first 50 are shown)" in text
        part = text[text.index('id="finding-executed"') : text.index('id="finding-arrives"')]
        assert part.count("<pre>") == 2 * 50
        for heading in ("Format consistency", "Action correctness", "Reasoning coherence", "Coverage", "Difficulty"):
            assert heading in text

    def test_a_conversation_shows_all_its_turns(self, toy_bench: Path) -> None:
        text = self._page(toy_bench, [row(), talk(toy_bench, LOOK, WRONG, learn=[2])])
        page = _Page(text)
        assert any(pre == LOOK for pre in page.pres)
        assert "turn 1, answer, not learned" in text
        assert "1 of 2 rows are proven" in text

    def test_a_file_without_findings(self, toy_bench: Path) -> None:
        text = self._page(toy_bench, [row(words("low asks for more than high; 1.0 it is."))], expected=0)
        assert "<p>None.</p>" in text

    def test_an_output_that_cannot_be_written_is_found_out_before_the_work(
        self, toy_bench: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        source = toy_bench.parent / "rows.json"
        source.write_text(json.dumps([row()]))
        for target, message in ((toy_bench, "is a folder"), (source / "page.html", "page.html: cannot be written")):
            assert main(["data", "verify", str(source), "--bench", "nowhere", "--page", str(target)]) == 2
            assert message in " ".join(capsys.readouterr().err.split())
        same = ["--page", "out.json", "--json", "out.json"]
        assert main(["data", "verify", str(source), "--bench", "nowhere", *same]) == 2
        assert "two outputs have the same name" in " ".join(capsys.readouterr().err.split())
