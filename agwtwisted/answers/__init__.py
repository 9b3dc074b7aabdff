"""What a running gateway answers to the questions of its control API, and the actions that it takes for them."""
