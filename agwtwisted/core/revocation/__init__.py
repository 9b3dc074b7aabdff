"""Which answer about a revocation is believed, whom a question may go to, and what follows for the client."""
