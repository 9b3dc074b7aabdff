"""What the worker processes of one gateway have in common: memory with counts, and a lock. One process needs none."""
