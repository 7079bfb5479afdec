"""Adapters, named by their technology. Strangers to one another; only `bootstrap` names them."""
