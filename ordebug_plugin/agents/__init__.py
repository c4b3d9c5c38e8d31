"""Policies that repair: heuristics, the oracle, and a client for any OpenAI-compatible server."""
