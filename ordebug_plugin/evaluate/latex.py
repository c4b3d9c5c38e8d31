"""A comparison as the table of a paper: the published layout, in booktabs."""

from __future__ import annotations

from ordebug_plugin.evaluate.comparison import Comparison
from ordebug_plugin.evaluate.table import PUBLISHED, Measure
from ordebug_plugin.statistics import Estimate

_SIGNS = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "–": "--",
}


def render_latex(comparison: Comparison) -> str:
    """A ``table`` with a row for each run; it needs the package booktabs. The caption says what the runs are."""
    columns = "l" + "r" * len(PUBLISHED)
    heads = " & ".join(["", *(escape(measure.heading) for measure in PUBLISHED)])
    rows = [
        " & ".join(
            [escape(run.name), *(_cell(measure, run.summary.metrics.get(measure.name)) for measure in PUBLISHED)]
        )
        for run in comparison.runs
    ]
    return "\n".join(
        [
            r"% needs \usepackage{booktabs}",
            r"\begin{table}[t]",
            r"\centering",
            r"\small",  # nine columns in the width of a text
            r"\setlength{\tabcolsep}{3.5pt}",
            rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            rf"{heads} \\",
            r"\midrule",
            *(rf"{row} \\" for row in rows),
            r"\bottomrule",
            r"\end{tabular}",
            rf"\caption{{{caption(comparison)}}}",
            r"\end{table}",
            "",
        ]
    )


def caption(comparison: Comparison) -> str:
    """What the runs are, what the columns mean, what is not separable, and what must be known besides."""
    sentences = [f"{run.name}: {run.description}" for run in comparison.runs]
    sentences.append(
        "RR@k: share of problems recovered within k turns, DA: touched IIS rows / IIS rows, both in percent"
    )
    sentences.append("Steps, tokens and seconds are means over all episodes")
    for pairing in comparison.pairings:
        for pair in pairing.overall:
            if pair.metric == "rr@5" and pair.difference.n:
                sentences.append(f"Paired test, {pair.sentence(pairing.first, pairing.second)}")
    sentences += comparison.notes
    return escape(". ".join(sentences) + ".")


def escape(text: str) -> str:
    """A text as it is, on one line, whatever signs it holds."""
    return "".join(_SIGNS.get(sign, sign) for sign in " ".join(text.split()))


def _cell(measure: Measure, estimate: Estimate | None) -> str:
    return escape(measure.value(estimate).removesuffix("%"))
