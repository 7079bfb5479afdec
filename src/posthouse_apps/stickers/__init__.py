"""The bundled bot that makes stickers from a photo: whole packs, single ones, and in conversation (S0).

    posthouse.toml      [bots.stickers]  program = "posthouse_apps.stickers:app"
                        [models.assistant]  optional: any language model; else rules that read English and Russian

    bot          the application: texts, tables
    commands     /start, /pack, /single, /assistant, /credits, /balance
    packs        the flow `pack`        ┐ three sessions of one person may run side by side,
    singles      the flow `single`      ├ and no button of one acts in another
    assistant    the flow `assistant`   ┘
    charges      what a session pays, in the turn that queues the work
    credits      what a person has
    drawing      the jobs
    sets         sticker sets in Telegram
    sheets       several stickers in one picture, and an example of each style
    rendering    the road from a photo to a sticker
    cutout       the subject of a photo
    captions     the words on a sticker
    faces        the face of each emotion
    ornaments    the small shapes beside the figure
    canvas       the size of a sticker, its white edge and its shadow
    styles       how a sticker can look: style, emotion, pose

It is written as any author's would be: with public names only.
"""

from posthouse_apps.stickers import commands
from posthouse_apps.stickers.bot import app

flows = app.flows
"""Its flows by name, for diagrams: `flows["pack"].diagram()`."""

__all__ = ["app", "commands", "flows"]
