"""The parts of the benchmark."""

from __future__ import annotations

import multiprocessing
import random
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gurobipy as gp
from bench_reward import sample_group

from judge_bench.apart import KEEP_ALL, keep_all, spread
from judge_bench.clock import alternate, show, summary, timed
from judge_bench.inside import gurobi_share
from judge_bench.naive import State, agree, naive_episode, naive_state
from judge_bench.ours import our_episode
from judge_bench.script import Script, draw_script, drawn_lp, drop_first, edits_of
from ordebug_plugin import reward_pool
from ordebug_plugin.actions import Action, ActionKind
from ordebug_plugin.errors import OrdebugError
from ordebug_plugin.grading import Task
from ordebug_plugin.problem import load_problem
from ordebug_plugin.prompt import render_answer
from ordebug_plugin.reward_pool import RewardPool
from ordebug_plugin.serving import variables
from ordebug_plugin.solver import Judge
from ordebug_plugin.store import STORE_VARIABLE
from ordebug_plugin.verdict import Status

SIZES = (10, 30, 100, 200, 500, 1000, 1900)
ROUNDS = 40  # of the benchmark, for workers: their start, one after the other, is little of it


@dataclass
class Run:
    """What all parts share."""

    env: gp.Env
    scripts: list[Script]
    scratch: Path
    rng: random.Random
    repeats: int
    disagreements: int = 0

    def episodes(self) -> dict[str, Any]:
        """Every state is new to our judge."""
        drops = self._heuristic()
        return {
            "as a model repairs": self._compare(self.scripts, "episodes, as a model repairs", careful=True),
            "as the heuristic repairs": self._compare(drops, "episodes, as the heuristic", careful=True),
        }

    def _heuristic(self) -> list[Script]:
        with Judge(models_kept=1) as judge:
            return [draw_script(self.rng, judge, script.problem, drop_first) for script in self.scripts]

    def turns(self) -> dict[str, Any]:
        """Answers that change nothing cost the naive loop as much as others."""
        scripts = []
        for script in self.scripts:
            actions: list[Action] = []
            for action in script.actions:
                if self.rng.random() < 0.5:
                    actions.append(Action(ActionKind.GET_IIS))
                if self.rng.random() < 0.1:
                    actions.append(Action(ActionKind.DROP_CONSTRAINT, "no such row"))
                actions.append(action)
            scripts.append(Script(script.problem, tuple(actions)))
        return self._compare(scripts, "episodes, other turns too", careful=True)

    def _compare(self, scripts: list[Script], title: str, *, careful: bool = False) -> dict[str, Any]:
        """Ours beside the naive loop, and beside one whose author knows Gurobi well: one thread, attributes in bulk."""
        found: dict[str, list[list[State]]] = {}
        judges = iter([Judge(models_kept=KEEP_ALL) for _ in range(self.repeats * (1 + careful))])

        def ours() -> None:
            with next(judges) as judge:
                found["ours"] = [our_episode(judge, script) for script in scripts]

        def naive() -> None:
            found["naive"] = [naive_episode(self.env, script) for script in scripts]

        pairs = alternate(self.repeats, ours, naive)
        states = [pair for both in zip(found["ours"], found["naive"], strict=True) for pair in zip(*both, strict=True)]
        different = sum(not agree(mine, theirs) for mine, theirs in states)
        self.disagreements += different
        figures = summary(pairs, len(scripts), "episodes")
        figures["steps"] = sum(len(script.actions) for script in scripts)
        figures["ours_steps_per_s"] = figures["ours_episodes_per_s"] * figures["steps"] / len(scripts)
        figures["states"], figures["other_status_or_objective"] = len(states), different
        figures["other_iis"] = sum(mine[2:] != theirs[2:] for mine, theirs in states)
        show(title, figures)
        if careful:
            with gp.Env(params={"OutputFlag": 0, "Threads": 1}) as env:

                def in_bulk() -> None:
                    found["naive"] = [naive_episode(env, script, bulk=True) for script in scripts]

                figures["careful"] = summary(alternate(self.repeats, ours, in_bulk), len(scripts), "episodes")
            show("  beside a careful loop", figures["careful"])
        return figures

    def repeated(self) -> dict[str, Any]:
        """What was answered before."""
        with Judge(models_kept=KEEP_ALL) as judge:
            asked = [(script.problem, edits) for script in self.scripts for edits in edits_of(judge, script)]
            actions = [script.actions[:turn] for script in self.scripts for turn in range(len(script.actions) + 1)]

            def ours() -> None:
                for problem, edits in asked:
                    if judge.solve(problem, edits).status is Status.INFEASIBLE:
                        judge.iis(problem, edits)

            def naive() -> None:
                for (problem, _), some in zip(asked, actions, strict=True):
                    naive_state(self.env, problem.path, some)

            ours()
            figures = {"questions": summary(alternate(self.repeats, ours, naive), len(asked), "states")}
            show("repeats: questions", figures["questions"])
            episodes = alternate(
                self.repeats,
                lambda: [our_episode(judge, script) for script in self.scripts],
                lambda: [naive_episode(self.env, script) for script in self.scripts],
            )
            figures["episodes"] = summary(episodes, len(self.scripts), "episodes")
            show("repeats: episodes", figures["episodes"])
        return figures

    def rewards(self) -> dict[str, Any]:
        """Groups of answers."""
        groups = self._groups()
        n, figures = sum(len(group) for group in groups), {}
        for title, looks in (("rewards", 2), ("rewards, one look", 1)):

            def ours() -> None:
                reward_pool._grader.cache_clear()  # and with it all that is known of these models
                grade(RewardPool(workers=0), groups)

            def naive(looks: int = looks) -> None:
                self._look(groups, looks)

            figures[title] = summary(alternate(self.repeats, ours, naive), n, "rewards")
            show(title, figures[title])
        figures["rewards, 2 workers"] = self._rewards_of_two(groups)
        pool = RewardPool(workers=0)
        grade(pool, groups[::2])
        grade(pool, groups[1::2])

        def again() -> None:  # the pool answers for its last batch without looking: two batches in turn
            grade(pool, groups[::2])
            grade(pool, groups[1::2])

        figures["repeats"] = summary(alternate(self.repeats, again, naive), n, "rewards")
        show("repeats: rewards", figures["repeats"])
        distinct = {(script.problem.content_hash, script.actions) for group in groups for script in group}
        figures["repeated_share"] = 1 - len(distinct) / n
        return figures

    def _rewards_of_two(self, groups: list[list[Script]]) -> dict[str, Any]:
        """As a training has them on two cores: the CPU time of the workers is not ours to see, so by wall time."""
        n, ours, naive = sum(len(group) for group in groups), [], []
        for _ in range(self.repeats):
            pool = RewardPool(workers=2)  # its processes have seen nothing yet but what starts them
            grade(pool, [[self._drawn(10, number)] for number in range(8)])
            with timed(ours):
                grade(pool, groups)
            pool.close()
            with timed(naive):
                self._look(groups, 2)
        ratios = [theirs[0] / mine[0] for mine, theirs in zip(ours, naive, strict=True)]
        figures = {
            "rewards": n,
            "ratio_wall": statistics.median(ratios),
            "ratio_wall_range": [min(ratios), max(ratios)],
        }
        figures["ours_rewards_per_s"] = n / statistics.median(wall for wall, _ in ours)
        figures["own_cpu_us"] = 1e6 * statistics.median(cpu for _, cpu in ours) / n  # of the process that hands out
        print(
            f"{'rewards, 2 workers':28} ours {figures['ours_rewards_per_s']:.0f} a second   ratio wall "
            f"{figures['ratio_wall']:.2f} ({min(ratios):.2f} to {max(ratios):.2f})   to hand out and collect "
            f"{figures['own_cpu_us']:.1f} µs",
            flush=True,
        )
        return figures

    def _look(self, groups: list[list[Script]], looks: int) -> None:
        """The naive loop's looks at every answer: at the state after it, and with two at the one before."""
        for group in groups:
            for script in group:
                for turn in range(2 - looks, 2):
                    naive_state(self.env, script.problem.path, script.actions[:turn])

    def _drawn(self, rows: int, number: int) -> Script:
        path = self.scratch / f"lp{rows}-{number}.lp"
        path.write_text(drawn_lp(self.rng, rows))
        with Judge(models_kept=1) as judge:
            return draw_script(self.rng, judge, load_problem(path))

    def _groups(self) -> list[list[Script]]:
        with Judge(models_kept=1) as judge:
            return [
                [Script(script.problem, (action,)) for action in sample_group(self.rng, judge, script.problem)]
                for script in self.scripts
            ]

    def growth(self) -> dict[str, Any]:
        """LPs of several sizes."""
        figures = {}
        for rows in SIZES:
            scripts = [self._drawn(rows, number) for number in range(max(2, min(20, 2000 // rows)))]
            figures[str(rows)] = self._compare(scripts, f"growth: {rows} rows")
        return figures

    def workers(self) -> dict[str, Any]:
        """Two processes beside one, as the commands have them (`parallel.call_each`)."""
        ones, twos = [], []
        for _ in range(self.repeats):
            ones.append(spread(self.scripts * ROUNDS, 1))
            twos.append(spread(self.scripts * ROUNDS, 2))
        n = ROUNDS * len(self.scripts)
        cpu = [one.busiest / two.busiest for one, two in zip(ones, twos, strict=True)]
        figures = {
            "episodes": n,
            "episodes_per_s": {
                "1": n / statistics.median(one.wall for one in ones),
                "2": n / statistics.median(two.wall for two in twos),
            },
            "ratio_wall": statistics.median(one.wall / two.wall for one, two in zip(ones, twos, strict=True)),
            "ratio_cpu": statistics.median(cpu),
            "ratio_cpu_range": [min(cpu), max(cpu)],
            "cpu_us_per_episode": {
                "1": 1e6 * statistics.median(one.total for one in ones) / n,
                "2": 1e6 * statistics.median(two.total for two in twos) / n,
            },
            "share_of_the_busier": statistics.median(two.busiest / two.total for two in twos),
        }
        print(
            f"{'workers: 2 beside 1':28} wall {figures['ratio_wall']:.2f}   CPU time of one beside the busier of two "
            f"{figures['ratio_cpu']:.2f} ({min(cpu):.2f} to {max(cpu):.2f}): it did "
            f"{figures['share_of_the_busier']:.1%} of the work, and an episode took "
            f"{figures['cpu_us_per_episode']['2']:.0f} µs beside {figures['cpu_us_per_episode']['1']:.0f}",
            flush=True,
        )
        return figures

    def store(self) -> dict[str, Any]:
        """The heuristic's episodes, by new judges: without a store, with an empty one, with one that knows them."""
        scripts = self._heuristic()
        times: dict[str, list[tuple[float, float]]] = {"without": [], "empty": [], "full": []}
        for repeat in range(self.repeats):
            for name, into in times.items():
                folder = "" if name == "without" else str(self.scratch / f"store{repeat}")
                with variables({STORE_VARIABLE: folder}), timed(into), Judge(models_kept=KEEP_ALL) as judge:
                    for script in scripts:
                        our_episode(judge, script)
        figures: dict[str, Any] = {}
        for name, taken in times.items():
            cpu = [1e6 * seconds / len(scripts) for _, seconds in taken]
            figures[name] = {"cpu_us": statistics.median(cpu), "cpu_us_range": [min(cpu), max(cpu)]}
        said = (
            f"{name} {one['cpu_us']:.0f} ({min(one['cpu_us_range']):.0f} to {max(one['cpu_us_range']):.0f})"
            for name, one in figures.items()
        )
        print(f"{'store, µs an episode':28} {', '.join(said)}", flush=True)
        return figures

    def memory(self) -> dict[str, Any]:
        """What a model costs that is kept, with its answers."""
        context = multiprocessing.get_context("spawn")
        results = context.Queue()
        process = context.Process(target=keep_all, args=(self.scripts, results))
        process.start()
        before, after = results.get()
        process.join()
        figures = {"models": len(self.scripts), "before_mib": before / 1024, "after_mib": after / 1024}
        figures["kib_per_model"] = (after - before) / len(self.scripts)
        if after <= before:  # what the start took is enough for so few
            print(f"{'memory':28} {len(self.scripts)} models are too few to see what they take")
            return figures
        print(
            f"{'memory':28} {figures['kib_per_model']:.1f} KiB for each of {len(self.scripts)} models kept, beside "
            f"{figures['before_mib']:.0f} MiB of the process",
            flush=True,
        )
        return figures

    def gurobi(self) -> dict[str, Any]:
        """Where our time goes."""
        shares = [gurobi_share(self.scripts) for _ in range(self.repeats)]
        print(f"{'share inside Gurobi':28} {statistics.median(shares):.1%} ({min(shares):.1%} to {max(shares):.1%})")
        return {"share": statistics.median(shares), "range": [min(shares), max(shares)]}


def grade(pool: RewardPool, groups: list[list[Script]]) -> None:
    flat = [script for group in groups for script in group]
    # No two samples of a policy give the same reasons, though many take the same action.
    texts = [[render_answer(f"Sample {number}.", script.actions[0])] for number, script in enumerate(flat)]
    if None in pool.components([Task(script.problem) for script in flat], texts):
        raise OrdebugError("an answer could not be judged")
