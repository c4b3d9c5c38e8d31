"""Policies that reason from evidence, for demonstrations: what they say is true, and can be checked."""
