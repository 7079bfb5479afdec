"""Measures Posthouse against its peers, in one run on one machine: `python -m bench`, or `make bench`.

From the bottom up:

    measure        machine conditions, memory and processor time of a process, tables
    report         a figure's tables, verdicts and data
    process        a server process: started, spoken to by lines, ended
    load           the load generator: updates in, latencies out, in a process of its own
    post           a few updates by hand
    null_server    answers 200 and nothing else: the ceiling of the load generator
    floors         uvicorn around an empty application: what the web server alone costs
    rows           the handler and the rows alone: what the work costs with nothing around it
    environments   installs the peers under `bench/.peers/`, starts Redis
    peers          runs one peer under load
    databases      what our databases hold; starts PostgreSQL
    preload        fills a database by SQL before a process opens it
    ours           runs one process of ours under load, and is that process
    echo_native    the bot it runs; echo_aiogram the same, hosted
    telegram_stub  a Bot API server that says yes and remembers when
    figures        one module a figure
    __main__       all of them, and the table of what is reached

The programs of the peers lie in the directory `bench/peers/`. They are not modules of this package: each runs
in an environment of its own, and `bench.peers` is always the file.

Every number is printed with the conditions it was taken under. Nothing here is shipped.
"""
