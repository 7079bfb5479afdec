"""What we test with, shipped so that users can test with it too.

| module | has |
|---|---|
| `town` | people for tests: they write, press, pay, and see what comes back |
| `fixtures` | the same as pytest fixtures |
| `platforms` | the whole platform inside a test: `running(settings)` |
| `clock` | a clock for parts of the platform |
| `contracts` | the contract of every port |

Nothing here patches anything of ours: substitutes are small, real implementations that are passed in.
"""

from posthouse.testing.platforms import running, settings_against

__all__ = ["running", "settings_against"]
