"""Checks of other people's data, and of ours: what a benchmark or a file of demonstrations says, and what is proven."""
