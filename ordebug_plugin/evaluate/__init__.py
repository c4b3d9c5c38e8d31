"""Episodes of an agent on a benchmark, their records on disk, and the tables made from them."""
