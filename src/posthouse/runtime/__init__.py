"""The engine: ingress, lanes, executor, turn, sender, workers, timers, caretaker, control. No SQL, no HTTP."""
