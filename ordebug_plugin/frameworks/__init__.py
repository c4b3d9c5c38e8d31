"""The only importers of LLaMA-Factory and ms-swift."""
