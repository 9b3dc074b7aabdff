"""Macro benchmarks on loopback: the gateway next to nginx and HAProxy, doing the same job on the same core.

``python -m benchmarks --help`` says how to run them. What is trusted is the CPU time of the proxy per operation: it
hardly depends on who else uses the machine, as rate and latency do.

=================  =====================================================================================
``load.c``         the load generator; every answer is checked, errors count and fail the run
``backend.c``      the backend behind every proxy
``programs.py``    compiles, starts, pins, measures and ends processes
``pki.py``         certificates
``peers.py``       the proxies, and how each is told to do the same job
``templates/``     their configurations
``load.py``        runs the generator
``checks.py``      shows, before anything is measured, that wrong answers are found and that the peers do the same job
``workloads.py``   what is measured
``measure.py``     rounds and memory
``report.py``      the table and the JSON file
=================  =====================================================================================
"""
