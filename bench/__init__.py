"""Benchmarks: each file measures one thing against a yardstick from the same run. `python -m bench.NAME`."""
