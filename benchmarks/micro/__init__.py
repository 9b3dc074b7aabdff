"""What single steps cost, in memory and with pytest-benchmark: ``make bench-micro``. Each result is looked at first."""
