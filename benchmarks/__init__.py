"""Benchmarks: the gateway next to other proxies on loopback, and its single steps in memory (``micro/``).

``python -m benchmarks --help`` says how to run them. What is trusted is the CPU time of the proxy per operation: it
hardly depends on who else uses the machine, as rate and latency do.

===================  =====================================================================================
``load.c``           the load generator; every answer is checked, errors count and fail the run
``backend.c``        the backend behind every proxy, which ``backend.py`` runs
``programs.py``      compiles, starts, pins, measures and ends processes
``pki.py``           certificates
``responders.py``    OCSP responders
``peers.py``         what a proxy is, and the job that all do
``proxies.py``       those in C, and the gateway
``python_peers.py``  those in Python, in the environments of ``environments.py``
``installing.py``    brings what Debian packages
``releases.py``      nginx and HAProxy of other releases of Debian, with their OpenSSL, in a folder
``templates/``       their configurations
``options.py``       the command line
``worktrees.py``     working copies of commits that are compared
``load.py``          runs the generator
``generators.py``    the generator next to wrk and h2load, which ``client_certificate.c`` gives a client certificate
``checks.py``        shows, before anything is measured, that wrong answers are found and that all do the same job
``workloads.py``     what is measured
``measure.py``       rounds and memory
``growth.py``        how the cost grows
``operation.py``     reloads (``reloads.py``) and workers (``workers.py``, with half a core each by ``halves.py``)
``report.py``        the table and the JSON file
``plots.py``         the page of plots
``where.py``         where the time of an operation goes, by perf and py-spy
``instructions.py``  counts instructions of single operations by callgrind (``counted.c``), and calls of functions
``summary.py``       puts a run into docs/performance.md
===================  =====================================================================================
"""
