"""Sweeps: one setting varied, and for each point SFT, its figures, a short GRPO, and what came of it."""
