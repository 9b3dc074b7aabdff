"""What every question of the core is built of: errors with their places, bounded memories, rates. It knows no stage."""
