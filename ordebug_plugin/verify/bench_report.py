"""A checked benchmark as tables for people and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from statistics import median

from rich.table import Table

from ordebug_plugin.verify.benchmark import BenchmarkCheck, type_of
from ordebug_plugin.verify.facts import Facts
from ordebug_plugin.verify.finding import Check, Ruling
from ordebug_plugin.verify.proof import Proof

_ALL = "all"
_STATES = (Ruling.PROVEN, Ruling.WRONG, Ruling.UNCHECKED)


def proof_table(check: BenchmarkCheck) -> Table:
    """How many are proven, and how hard they are, by fault type."""
    table = Table(title=f"{check.name}: what the solver proves, n={len(check.proofs)}", title_justify="left")
    table.add_column("fault type", no_wrap=True)
    headings = ("problems", "proven", "wrong", "unchecked", "one drop is enough", "disjoint IISs, mean (most)")
    for heading in (*headings, "IIS rows, median", "cheapest repair, median"):
        table.add_column(heading, justify="right")
    for label in (*check.types, _ALL) if len(check.types) > 1 else check.types:
        proofs = check.of_type(None if label == _ALL else label)
        states = [str(sum(proof.state is state for proof in proofs)) for state in _STATES]
        table.add_row(label, str(len(proofs)), *states, *_facts([p.facts for p in proofs if p.facts is not None]))
    return table


def label_table(check: BenchmarkCheck) -> Table:
    """Where labels are wrong or could not be checked, by label and fault type."""
    table = Table(title="labels, held against the solver", title_justify="left")
    table.add_column("label", no_wrap=True)
    labels = (*check.types, _ALL) if len(check.types) > 1 else check.types
    for label in labels:
        table.add_column(label, justify="right", no_wrap=True)
    for name in Check:
        cells = [_cell(check.of_type(None if label == _ALL else label), name) for label in labels]
        if any(cells):
            table.add_row(name, *cells)
    return table


def reasons(check: BenchmarkCheck) -> list[str]:
    """One example of each wrong label per fault type, and how many there are."""
    groups: dict[tuple[Check, str], list[str]] = {}
    for proof, finding in check.wrong:
        groups.setdefault((finding.check, type_of(proof)), []).append(f"{proof.problem_id}: {finding.reason}")
    order = list(Check)
    return [
        f"{name}, type {label}, {len(lines)} wrong; {lines[0]}"
        for (name, label), lines in sorted(groups.items(), key=lambda group: (order.index(group[0][0]), group[0][1]))
    ]


def bench_record(check: BenchmarkCheck) -> dict[str, object]:
    """Everything, for machines."""
    return {
        "benchmark": check.name,
        "n": len(check.proofs),
        **{str(state): check.count(state) for state in _STATES},
        "wrong_labels": len(check.wrong),
        "by_type": {
            label: {
                "n": len(check.of_type(label)),
                **{str(state): check.count(state, label) for state in _STATES},
                "wrong_labels": {
                    str(name): count
                    for name in Check
                    if (count := sum(_has(proof, name, Ruling.WRONG) for proof in check.of_type(label)))
                },
            }
            for label in check.types
        },
        "problems": [_problem_record(proof) for proof in check.proofs],
    }


def _problem_record(proof: Proof) -> dict[str, object]:
    return {
        "problem_id": proof.problem_id,
        "problem_hash": proof.content_hash,
        "error_type": proof.error_type,
        "state": str(proof.state),
        "labels": {str(f.check): {"ruling": str(f.ruling), "reason": f.reason} for f in proof.findings},
        "failure": proof.failure,
        "facts": None if proof.facts is None else asdict(proof.facts),
    }


def _facts(facts: Sequence[Facts]) -> list[str]:
    """The four figures of a row of the table; a dash where there is nothing to count."""
    tried = [fact.single_drops for fact in facts if fact.single_drops is not None]
    disjoint = [fact.disjoint for fact in facts]
    rows = [fact.iis_rows for fact in facts if fact.iis_rows is not None]
    costs = [fact.cheapest for fact in facts if fact.cheapest is not None]
    return [
        f"{sum(map(bool, tried))} of {len(tried)}" if tried else "–",
        f"{sum(disjoint) / len(disjoint):.2f} ({max(disjoint)})" if disjoint else "–",
        f"{median(rows):g}" if rows else "–",
        f"{median(costs):.4g}" if costs else "–",
    ]


def _cell(proofs: Sequence[Proof], name: Check) -> str:
    """``ok`` where every such label is proven; empty where there is none."""
    wrong, unchecked = (sum(_has(proof, name, state) for proof in proofs) for state in (Ruling.WRONG, Ruling.UNCHECKED))
    if not wrong and not unchecked:
        return "ok" if any(_has(proof, name, Ruling.PROVEN) for proof in proofs) else ""
    return ", ".join(f"{count} {noun}" for count, noun in ((wrong, "wrong"), (unchecked, "unchecked")) if count)


def _has(proof: Proof, name: Check, ruling: Ruling) -> bool:
    return any(finding.check is name and finding.ruling is ruling for finding in proof.findings)
