"""A training log: write what you did, look at it, save it; later see records, progress and history.

    parsing    "squat 5x100, then bench 3x8 60kg" ──► lines with sets
    tokens     what `parsing` begins with: words, quantities with their unit, what joins them
    catalogue  what people call an exercise ──► the exercise, or the ones that they may mean
    diary      what is stored, as functions for `turn.transact`
    history    records and progress from what was stored
    chart      progress as a picture
    talks      the dialogues: log, correct a day, progress
    app        commands

`app` is the program; in posthouse.toml: `program = "posthouse_apps.workouts:app"`.
"""

from posthouse_apps.workouts.app import app

__all__ = ["app"]
