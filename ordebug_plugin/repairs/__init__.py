"""Repairs of model files: compared by names, explained, weighed against others, and scored, whoever made them."""
