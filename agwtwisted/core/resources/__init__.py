"""The product's resources as values: listeners, profiles, pools, settings, rules."""
