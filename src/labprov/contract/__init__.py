"""The contract suite: run it with ``pytest -p labprov.contract``."""
