"""A configuration compiled: sites and routes of each port, redirects, probes, and the names that servers prove."""
