"""Train and evaluate language models that repair infeasible optimization models.

The parts, in the order in which they may import each other: `errors`, `actions`, `problem`, `solver`, `env`,
`prompt`, `scoring`, `agents`, `generate`, `data`, `evaluate`, `frameworks`, `cli`. See docs/architecture.md.
"""

__version__ = "0.1.0"
