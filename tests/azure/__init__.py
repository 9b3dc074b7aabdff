"""azure-cli against a control plane of this machine: every command that people use for a gateway, with its outcome."""
