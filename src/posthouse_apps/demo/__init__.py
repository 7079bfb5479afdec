"""The demo: the bundled bots, people who use them, and a process that may be killed at any time.

    stage        the processes, from the first word to the verdict
    people       who they are
      visits       somebody in the chat with one bot: writes, presses, and waits for what is owed
      athletes     log their training with `posthouse_apps.workouts`
      customers    have packs and stickers made by `posthouse_apps.stickers`
      respondents  fill in the surveys of `survey`, an aiogram bot as anybody would write it
    ledger       what each chat is owed, and what came

Nothing here knows how the bots work inside: what they owe is written down again, as people see it.
"""
