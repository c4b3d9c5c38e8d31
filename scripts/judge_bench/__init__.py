"""The parts of bench_judge.py, which says what they measure."""
