"""What processes of one gateway have in common: memory with counts, a lock, files of the state directory."""
