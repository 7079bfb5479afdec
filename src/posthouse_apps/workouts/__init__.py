"""The bundled bot that keeps a training log: what was lifted, said in plain words, in English or Russian."""
