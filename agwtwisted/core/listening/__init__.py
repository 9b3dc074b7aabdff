"""Who may connect: which connection gives way to another, and what a PROXY header says."""
