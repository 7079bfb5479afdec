"""What people cannot do."""


class Impossible(Exception):
    """This person cannot do that now; the message says why."""
