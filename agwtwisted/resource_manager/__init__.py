"""The control plane: https on loopback, by which clients of Azure Resource Manager set up and change the gateway."""
