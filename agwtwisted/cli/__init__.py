"""What operators run beside the gateway: `explain` a verdict, extract a CA file. It asks the same contexts and rules
as the gateway; nothing imports it."""
