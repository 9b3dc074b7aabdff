"""Building blocks of the core: errors with their places, bounded caches, rates. They depend on no stage."""
