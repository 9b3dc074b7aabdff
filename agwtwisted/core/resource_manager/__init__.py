"""What Azure Resource Manager's clients ask of a gateway and its neighbours, and what they are answered."""
