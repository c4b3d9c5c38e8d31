"""Runs side by side: JSON, Markdown, LaTeX, and what the page holds; the browser has a file of its own."""

import base64
import hashlib
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from ordebug_plugin.cli import main
from ordebug_plugin.evaluate.comparison import load_comparison
from ordebug_plugin.evaluate.embed import EXCERPT, unpack
from ordebug_plugin.evaluate.records import load_episodes
from ordebug_plugin.evaluate.story import tell
from ordebug_plugin.metrics import RR_TURNS, recovery_by_tokens
from ordebug_plugin.scoring import score
from tests.compared import HOSTILE, MODEL_RUN, PROBLEMS, Runs, make_runs


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    return make_runs(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def outputs(runs: Runs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All four outputs of one call."""
    folder = tmp_path_factory.mktemp("out")
    names = {"--json": "c.json", "--md": "c.md", "--latex": "c.tex", "--page": "c.html"}
    options = [text for option, name in names.items() for text in (option, str(folder / name))]
    assert main(["compare", *runs.arguments, *options]) == 0
    return folder


@pytest.fixture(scope="module")
def record(outputs: Path) -> dict[str, Any]:
    return json.loads((outputs / "c.json").read_text())


class TestJson:
    def test_it_is_what_the_command_prints_without_a_file(
        self, runs: Runs, record: dict[str, Any], capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["compare", *runs.arguments, "--json"]) == 0
        assert json.loads(capsys.readouterr().out) == record

    def test_figures_are_those_of_the_runs(self, runs: Runs, record: dict[str, Any]) -> None:
        assert list(record["runs"]) == runs.names
        assert record["runs"] == {name: runs.summary(name) for name in runs.names}

    def test_the_curve_goes_through_the_published_rates(self, runs: Runs, record: dict[str, Any]) -> None:
        for name in runs.names:
            curve, metrics = record["recovery_by_turn"][name], record["runs"][name]["metrics"]
            shared = [k for k in RR_TURNS if k <= len(curve)]
            assert shared
            assert [curve[k - 1] for k in shared] == [metrics[f"rr@{k}"] for k in shared]
        assert len(record["recovery_by_turn"][MODEL_RUN]) == 6

    def test_difficulties_hold_all_episodes_from_easy_to_hard(self, runs: Runs, record: dict[str, Any]) -> None:
        for name in runs.names:
            groups = record["by_difficulty"][name]
            assert sum(figures["infra"]["n"] for figures in groups.values()) == PROBLEMS
        assert load_comparison(runs.folders).difficulties == ("easy", "medium", "hard")

    def test_preservation_classes_hold_all_episodes(self, runs: Runs, record: dict[str, Any]) -> None:
        for name in runs.names:
            classes = record["preservation_classes"][name]
            assert sum(classes.values()) == PROBLEMS
            recovered = record["runs"][name]["outcomes"].get("recovered", 0)
            assert classes["not recovered"] == PROBLEMS - recovered

    def test_paired_tests_by_type_rest_on_the_problems_of_the_type(self, record: dict[str, Any]) -> None:
        rows = [row for row in record["paired_by_type"] if row["metric"] == "preservation"]
        assert {row["type"] for row in rows} == {"A", "B & <i>", "C"}
        assert {row["n"] for row in rows} == {PROBLEMS // 3}

    def test_every_defined_test_has_its_sentence(self, record: dict[str, Any]) -> None:
        defined = [row for row in record["paired"] if row["n"]]
        assert len(record["verdicts"]) == len(defined)
        for row, sentence in zip(defined, record["verdicts"], strict=True):
            assert sentence.startswith(f"{row['metric']}: ")
            assert ("not separable" in sentence) == (not row["separable"])


def test_recovery_by_tokens_counts_what_was_recovered_that_cheaply(runs: Runs) -> None:
    episodes = list(load_episodes(runs.folders[1] / "episodes.jsonl"))
    curve = recovery_by_tokens(episodes)
    costs = [
        sum(turn.reply.completion_tokens or 0 for turn in episode.turns)
        for episode in episodes
        if episode.outcome == "recovered"
    ]
    assert len(curve) > 3
    for budget, figure in curve:
        assert figure.value == sum(cost <= budget for cost in costs) / PROBLEMS
    assert curve[-1][0] == max(costs)
    few = recovery_by_tokens(episodes, points=4)
    assert len(few) <= 4
    assert set(few) <= set(curve)
    assert recovery_by_tokens(list(load_episodes(runs.folders[0] / "episodes.jsonl"))) == ()


def _lose(runs: Runs, folder: Path, name: str, n: int) -> Path:
    """A run as its server would have left it, ended before the first n episodes did."""
    folder.mkdir()
    (folder / "config.yaml").write_bytes((runs.folders[runs.names.index(name)] / "config.yaml").read_bytes())
    episodes = runs.episodes(name)
    for episode in episodes[:n]:
        episode.update(outcome=None, error="ServerError: gone", repair=None)
    (folder / "episodes.jsonl").write_text("".join(json.dumps(one) + "\n" for one in episodes))
    return folder


def test_a_run_that_lost_episodes_is_a_finding_wherever_it_is_compared(
    runs: Runs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lost = _lose(runs, tmp_path / "lost", "oracle", 20)
    outputs = {option: tmp_path / f"c{option}" for option in ("--json", "--md", "--latex", "--page")}
    written = [text for option, path in outputs.items() for text in (option, str(path))]
    assert main(["compare", str(lost), runs.arguments[2], *written]) == 1
    shown = capsys.readouterr()
    said = "lost: 20 of 24 episodes were lost to infrastructure: those judged are more often short ones"
    assert said in " ".join(shown.err.split())
    assert "--resume runs the lost ones again" in " ".join(shown.err.split())
    assert "n=4 of 24" in shown.out
    assert "oracle against lost, on 4 shared problems" in shown.out
    texts = {option: path.read_text() for option, path in outputs.items()}
    assert all("20 of 24 episodes were lost to infrastructure" in text for text in texts.values())
    record = json.loads(texts["--json"])
    assert record["judged"] == {"lost": 4, "oracle": PROBLEMS}
    assert record["lost_to_infrastructure"] == {"lost": 20, "oracle": 0}
    assert record["shared_problems"] == [{"first": "lost", "second": "oracle", "n": 4}]
    assert "lost, n=4 of 24" in texts["--md"]
    rows = texts["--md"].partition("## By difficulty")[2].partition("##")[0].splitlines()
    groups = [line.split(" | ")[:3] for line in rows if line.startswith(("| easy ", "| medium ", "| hard "))]
    expected = [("easy", 0, 8), ("medium", 0, 8), ("hard", 4, 8)]
    assert groups == [
        [f"| {label}", name, str(n)] for label, few, all_ in expected for name, n in (("lost", few), ("oracle", all_))
    ]
    assert "4 of 24 episodes judged" in texts["--latex"].partition(r"\caption{")[2]
    assert "lost, n=4 of 24</th>" in texts["--page"]
    assert "on 4 shared problems</h3>" in texts["--page"]


def test_what_runs_differ_in_is_said_of_each(runs: Runs, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    few, page = tmp_path / "few", tmp_path / "c.html"
    bench = str(runs.folders[0].parent / "bench")
    assert main(["eval", bench, "--agent", "oracle", "--limit", "9", "--out", str(few)]) == 0
    capsys.readouterr()
    assert main(["compare", str(few), str(runs.folders[0]), "--page", str(page)]) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert f"the runs differ in their problems: few 9, drop-first {PROBLEMS}; pairs hold the shared" in said
    assert "--max-steps" not in said
    # The labels of plots: each type has a third of the problems, and the harder ones are not in the short run.
    assert ">A (3–8)<" in page.read_text()
    assert ">easy (8)<" in page.read_text()
    assert ">hard (0–8)<" in page.read_text()
    assert main(["compare", *runs.arguments]) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert f"the runs differ in --max-steps: drop-first 20, {MODEL_RUN} 6, oracle 20; pairs" in said
    assert "in their problems" not in said


def test_a_run_interrupted_before_its_first_episode_is_no_unreadable_file(
    runs: Runs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    (bare / "config.yaml").write_bytes((runs.folders[0] / "config.yaml").read_bytes())
    for command in (["compare", str(bare), runs.arguments[1]], ["score", str(bare)], ["passk", str(bare)]):
        assert main(command) == 2
        said = " ".join(capsys.readouterr().err.split())
        assert "no episode of" in said
        assert f"bare has ended yet: the same `ordebug eval … --out {bare}`" in said.replace(
            f"{tmp_path}/bare h", "bare h"
        )
        assert "Errno" not in said


def test_a_run_that_lost_every_episode_is_not_said_to_share_no_problem(
    runs: Runs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lost = _lose(runs, tmp_path / "lost", "oracle", PROBLEMS)
    assert main(["compare", str(lost), runs.arguments[2]]) == 2
    assert "lost: every episode was lost to infrastructure" in " ".join(capsys.readouterr().err.split())


def test_score_and_postmortem_find_lost_episodes(
    runs: Runs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lost, page, record = _lose(runs, tmp_path / "lost", MODEL_RUN, 20), tmp_path / "p.html", tmp_path / "p.json"
    assert main(["score", str(lost), "--write"]) == 1
    assert "20 of 24 episodes were lost to infrastructure" in " ".join(capsys.readouterr().err.split())
    whole = str(runs.folders[runs.names.index(MODEL_RUN)])
    assert main(["postmortem", whole, str(lost), "--page", str(page), "--json", str(record)]) == 1
    said = " ".join(capsys.readouterr().out.split())
    assert "bad: lost: 20 of 24 episodes were lost to infrastructure" in said
    assert "it is not compared" in said
    assert "lost against" not in said
    assert json.loads(record.read_text())["missing_episodes"] == {"lost": 20}
    assert "20 of 24 episodes were lost" in page.read_text()
    assert "lost, n=4 of 24<br>(incomplete)" in page.read_text()
    assert main(["postmortem", whole]) == 0


def test_a_lost_episode_is_no_loss_in_paired_tests(runs: Runs, tmp_path: Path) -> None:
    lost = _lose(runs, tmp_path / "lost", "oracle", 20)
    (pairing,) = load_comparison([runs.folders[2], lost]).pairings
    assert {pair.metric for pair in pairing.overall if pair.difference.n == PROBLEMS - 20} >= {"rr@1", "rr@5", "hit"}
    # An agent without a model counts no tokens.
    assert all(pair.difference.value == 0 for pair in pairing.overall if pair.metric != "tokens")


class TestMarkdown:
    def test_the_published_table_holds_the_figures(self, runs: Runs, outputs: Path) -> None:
        table = (outputs / "c.md").read_text().partition("## As published")[2].partition("## All measures")[0]
        lines = [line for line in table.splitlines() if line.startswith("|")]
        assert lines[0] == "|  | RR@5 | RR@10 | RR@15 | RR@20 | DA | steps | tokens | seconds | episodes |"
        assert len(lines) == 2 + len(runs.names)
        for line, name in zip(lines[2:], runs.names, strict=True):
            metrics = runs.summary(name)["metrics"]
            assert f"| {100 * metrics['rr@5']['value']:.1f}% |" in line
            assert f"| {metrics['steps']['value']:.3f} |" in line

    def test_every_row_of_a_table_has_as_many_cells(self, outputs: Path) -> None:
        text = (outputs / "c.md").read_text()
        tables = [block for block in text.split("\n\n") if block.startswith("|")]
        assert len(tables) == 7
        for table in tables:
            assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1

    def test_names_are_not_read_as_markdown(self, outputs: Path) -> None:
        text = (outputs / "c.md").read_text()
        assert r"sft\_\<b\>\|1" in text
        assert "<b>" not in text
        assert "not separable" in text


class TestLatex:
    def test_it_is_a_booktabs_table_with_a_row_for_each_run(self, runs: Runs, outputs: Path) -> None:
        text = (outputs / "c.tex").read_text()
        body = text.partition(r"\midrule")[2].partition(r"\bottomrule")[0].strip().splitlines()
        assert [line.count(" & ") for line in body] == [8] * len(runs.names)
        assert all(line.endswith(r" \\") for line in body)
        rate = runs.summary("oracle")["metrics"]["rr@5"]["value"]
        assert body[2].startswith(f"oracle & {100 * rate:.1f} & ")
        assert r"\begin{tabular}{lrrrrrrrr}" in text

    def test_the_caption_says_what_the_runs_are(self, outputs: Path) -> None:
        caption = (outputs / "c.tex").read_text().partition(r"\caption{")[2]
        assert (
            rf"sft\_\textless{{}}b\textgreater{{}}\textbar{{}}1: model m, temperature 0, {PROBLEMS} problems" in caption
        )
        assert "at most 6 turns" in caption
        assert "agent oracle" in caption

    def test_a_note_stands_in_the_caption(self, runs: Runs, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        latex, page = tmp_path / "c.tex", tmp_path / "c.html"
        folders = [str(folder) for folder in runs.folders]
        options = ["compare", *folders, "--latex", str(latex), "--page", str(page), "--note"]
        assert main([*options, "oracle=knows the answers, 100% of them."]) == 0
        assert r"oracle: knows the answers, 100\% of them, agent oracle" in latex.read_text()
        assert "knows the answers, 100% of them, agent oracle" in page.read_text()
        for wrong, reason in (("oracle", "write RUN=TEXT"), ("nobody=here", "names 'nobody', but the runs are")):
            assert main([*options, wrong]) == 2
            assert reason in " ".join(capsys.readouterr().err.split())

    def test_every_special_sign_is_escaped(self, outputs: Path) -> None:
        text = (outputs / "c.tex").read_text()
        caption = text.partition(r"\caption{")[2]
        assert not re.search(r"(?<!\\)[%#$_&^~<>|]", caption)
        assert text.count("{") == text.count("}")

    @pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex and booktabs")
    def test_latex_accepts_it_and_it_fits_the_page(self, outputs: Path, tmp_path: Path) -> None:
        head = r"\documentclass{article}\usepackage{booktabs}\begin{document}"
        text = (outputs / "c.tex").read_text()
        (tmp_path / "page.tex").write_text(head + text + r"\end{document}")
        command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "page.tex"]
        done = subprocess.run(command, check=False, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout
        assert "Overfull" not in done.stdout


class _Page(HTMLParser):
    """The tags of a page, its embedded data by id, and its text outside of them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.data: dict[str, str] = {}
        self.scripts: list[str] = []
        self._script: dict[str, str | None] | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._script = dict(attrs) if tag == "script" else None

    def handle_endtag(self, tag: str) -> None:
        self._script = None

    def handle_data(self, data: str) -> None:
        if self._script is None:
            return
        identity = self._script.get("id")
        if identity:
            self.data[identity] = data
        else:
            self.scripts.append(data)


@pytest.fixture(scope="module")
def page(outputs: Path) -> _Page:
    return _Page((outputs / "c.html").read_text())


class TestPage:
    def test_its_figures_are_those_of_the_runs(self, runs: Runs, page: _Page) -> None:
        assert json.loads(page.data["figures"])["runs"] == {name: runs.summary(name) for name in runs.names}

    def test_its_tables_say_what_summary_json_says(self, runs: Runs, outputs: Path) -> None:
        text = (outputs / "c.html").read_text()
        row = re.search(r'<tr data-measure="preservation">.*?</tr>', text, re.DOTALL)
        assert row is not None
        for name in runs.names:
            figure = runs.summary(name)["metrics"]["preservation"]
            assert f"{figure['value']:.3f} [{figure['low']:.3f}, {figure['high']:.3f}]" in row[0]

    def test_it_loads_nothing_and_runs_nothing_but_its_own_script(self, page: _Page) -> None:
        names = [tag for tag, _ in page.tags]
        assert not {"img", "link", "iframe", "object", "b", "i"} & set(names)
        for _, attributes in page.tags:
            assert not {"src", "href", "style"} & attributes.keys()
            assert not [name for name in attributes if name.startswith("on")]
        (policy,) = [one["content"] for tag, one in page.tags if one.get("http-equiv") == "Content-Security-Policy"]
        (script,) = page.scripts
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert policy == f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"

    def test_it_holds_every_episode_as_it_was(self, runs: Runs, page: _Page) -> None:
        listing = json.loads(page.data["listing"])
        parts = [unpack(page.data[f"part-{number}"]) for number in range(len(page.data) - 2)]
        assert len(parts) > 1
        assert len(listing["episodes"]) == PROBLEMS * len(runs.names)
        recorded = {(name, one["problem_id"]): one for name in runs.names for one in runs.episodes(name)}
        for run, problem, _, outcome, answers, *_, part, place, _ in listing["episodes"]:
            detail, truth = parts[part][place], recorded[listing["runs"][run], listing["problems"][problem][0]]
            assert outcome == truth["outcome"]
            assert answers == len(truth["turns"]) == len(detail["turns"])
            assert detail["iis"]["rows"] == truth["iis"]["rows"]
            for shown, turn in zip(detail["turns"], truth["turns"], strict=True):
                assert shown["prompt"] == turn["prompt"]
                think = "" if shown["think"] is None else f"<think>\n{shown['think']}\n</think>\n\n"
                assert think + shown["answer"] == turn["answer"]
                assert (shown["status"], shown["objective"]) == (turn["status"], turn["objective"])

    def test_long_texts_are_cut_and_say_so(self, runs: Runs, tmp_path: Path) -> None:
        long = tmp_path / "long"
        long.mkdir()
        for name in ("config.yaml", "summary.json"):
            (long / name).write_bytes((runs.folders[0] / name).read_bytes())
        episodes = runs.episodes("drop-first")
        episodes[0]["turns"][0]["prompt"] = "x" * (EXCERPT + 17)
        episodes[0]["turns"][0]["answer"] = "\ud800"  # a lone surrogate, as a model may emit
        (long / "episodes.jsonl").write_text("".join(json.dumps(one) + "\n" for one in episodes))
        page = tmp_path / "c.html"
        assert main(["compare", str(long), runs.arguments[2], "--page", str(page)]) == 0
        turn = unpack(_Page(page.read_text()).data["part-0"])[0]["turns"][0]
        assert turn["prompt"] == "x" * EXCERPT + "\n… 17 characters more, in episodes.jsonl"
        assert turn["answer"] == "\ud800"

    def test_one_fault_type_and_unlabelled_problems_are_fine(self, runs: Runs, tmp_path: Path) -> None:
        folders = []
        for name in ("drop-first", "oracle"):
            folder = tmp_path / name
            folder.mkdir()
            source = next(one for one in runs.folders if one.name == name)
            (folder / "config.yaml").write_bytes((source / "config.yaml").read_bytes())
            bare = [{**one, "error_type": None, "difficulty": None} for one in runs.episodes(name)[:3]]
            (folder / "episodes.jsonl").write_text("".join(json.dumps(one) + "\n" for one in bare))
            folders.append(str(folder))
        assert main(["compare", *folders, "--page", str(tmp_path / "p.html"), "--md", str(tmp_path / "p.md")]) == 1
        assert "unknown" in (tmp_path / "p.md").read_text()
        assert "drop-first is incomplete, 21 episodes are missing" in (tmp_path / "p.html").read_text()


@pytest.fixture(scope="module")
def stories(runs: Runs) -> list[tuple[dict[str, Any], Any]]:
    episodes = list(load_episodes(runs.folders[1] / "episodes.jsonl"))
    return [(one, tell(one, score(one))) for one in episodes]


class TestStory:
    def test_each_kind_of_turn_is_told(self, stories: list[tuple[Any, Any]]) -> None:
        told = {}
        for episode, story in stories:
            for turn, words in zip(episode.turns, story.turns, strict=True):
                told[str(turn.step.action)] = words
        assert told["GET_IIS()"].change == "nothing: the action only looks"
        assert told["RELAX_CONSTRAINT(side, 1.0)"].change == "side is loosened by 1"
        assert told["RELAX_CONSTRAINT(side, 1.0)"].flaw == "touches nothing that is in the conflict"
        assert told["RELAX_CONSTRAINT(low, 0.5)"].flaw is None
        assert told["RELAX_CONSTRAINT(low, 0.5)"].conflict == "the same conflict"
        assert told["DROP_CONSTRAINT(low)"].conflict == "the conflict is resolved"
        assert told["None"].change == "nothing"
        assert "no action" in (told["None"].flaw or "")

    def test_the_first_wrong_turn_is_named(self, stories: list[tuple[Any, Any]]) -> None:
        assert all(story.wrong_turn is not None for episode, story in stories if score(episode).hit == 0)
        lost = [(episode, story) for episode, story in stories if episode.outcome == "out-of-turns"]
        found = [(episode, story) for episode, story in stories if score(episode).recovered and not score(episode).hit]
        assert lost
        assert found
        for _, story in lost + found:
            assert [turn.flaw is not None for turn in story.turns].index(True) + 1 == story.wrong_turn
        assert all("no repair within 6 turns" in story.headline for _, story in lost)
        assert all("the first repair does not touch the culprit low" in story.headline for _, story in found)

    def test_what_a_repair_cost_is_told(self, runs: Runs) -> None:
        dropped = list(load_episodes(runs.folders[0] / "episodes.jsonl"))[-1]
        headline = tell(dropped, score(dropped)).headline
        assert "the optimum is 0 where it was 1 before the fault, no longer enforced: low" in headline
        good = list(load_episodes(runs.folders[2] / "episodes.jsonl"))[-1]
        assert tell(good, score(good)).headline == "recovered in turn 2, the first repair touches the culprit"
        assert tell(good, score(good)).wrong_turn is None


class TestRefusals:
    def _check(self, capsys: pytest.CaptureFixture[str], arguments: list[str], text: str) -> None:
        assert main(["compare", *arguments]) == 2
        message = capsys.readouterr().err
        assert text in message
        assert "Traceback" not in message

    def test_outputs_that_cannot_be(self, runs: Runs, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        same = ["--md", str(tmp_path / "x"), "--page", str(tmp_path / "x")]
        self._check(capsys, [*runs.arguments, *same], "two outputs have the same name")
        inside = runs.folders[0] / "summary.json"
        before = inside.read_bytes()
        self._check(capsys, [*runs.arguments, "--json", str(inside)], "lies in the folder of a run")
        assert inside.read_bytes() == before
        self._check(capsys, [*runs.arguments, "--page", str(tmp_path)], "it is a folder")

    def test_a_run_taken_for_the_file_of_json(self, runs: Runs, capsys: pytest.CaptureFixture[str]) -> None:
        self._check(capsys, ["--json", *runs.arguments], "it is a folder")

    def test_a_run_beside_itself(self, runs: Runs, capsys: pytest.CaptureFixture[str]) -> None:
        self._check(capsys, [runs.arguments[0]] * 2, "named twice")


def test_nothing_hostile_is_markup_anywhere(outputs: Path) -> None:
    assert HOSTILE not in (outputs / "c.html").read_text()
    assert "<img" not in (outputs / "c.html").read_text()
