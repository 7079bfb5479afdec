"""Protocols named by the promise they keep; adapters are named by their technology."""
