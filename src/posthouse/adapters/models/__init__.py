"""Language models over HTTP: `AnthropicModel` and `OpenAIModel` (also for every server that speaks its dialect).

a dialect   request body ── pure ──► bytes      answer, stream events ── pure ──► Reply, Event
`exchange`  one POST, and what came of it as a value; the only module with I/O
`sse`       bytes ── pure ──► server-sent events
`failures`  status and body ── pure ──► who has to act
"""
