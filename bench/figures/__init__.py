"""The figures, one module each: `measure(plan)` runs what it needs and returns a `bench.report.Report`.

saturation   updates per second of ours and of the peers, and the floor under all
latency      time to the 200 at half of that, alone and beside handlers that sleep
recovery     how soon work goes on after a kill -9
flood        one chat with 100,000 waiting entries beside the others
sending      the road out: within limits, and as fast as it goes
growth       a thousand and a million known chats
sessions     turns of flows and conversations beside the echo, their memory, and their way back after a restart
start        `posthouse --help`, `posthouse up`, memory
"""
