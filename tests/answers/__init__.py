"""What a running gateway answers."""
