"""Measures Posthouse against its peers, in one run on one machine.

The peer half, from the bottom up:

    measure       machine conditions, memory and processor time of a process, tables
    load          the load generator: updates in, latencies out, in a process of its own
    null_server   answers 200 and nothing else: the ceiling of the load generator
    floors        uvicorn around an empty application: what the web server alone costs
    environments  installs the peers under `bench/.peers/`, starts Redis
    peers         runs one peer under load

The programs of the peers lie in the directory `bench/peers/`. They are not modules of this package: each runs
in an environment of its own, and `bench.peers` is always the file.

Every number is printed with the conditions it was taken under. Nothing here is shipped.
"""
