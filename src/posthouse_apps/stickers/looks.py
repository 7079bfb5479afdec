"""Looks in order: which styles the carousel walks, which stickers a pack has, and what each is called."""

from __future__ import annotations

from posthouse.kits.i18n import N_
from posthouse_apps.stickers.rendering import Look
from posthouse_apps.stickers.styles import Emotion, Pose, Style

STYLES = tuple(Style)
EMOTIONS = tuple(Emotion)
POSES = tuple(Pose)

EMOJI = {
    Emotion.CALM: "😌",
    Emotion.HAPPY: "😊",
    Emotion.LOVE: "😍",
    Emotion.LAUGHING: "😂",
    Emotion.COOL: "😎",
    Emotion.SURPRISED: "😮",
    Emotion.SAD: "😢",
    Emotion.ANGRY: "😡",
    Emotion.SLEEPY: "😴",
    Emotion.PARTY: "🥳",
}

LABELS: dict[str, str] = {
    **{style: N_(f"style.{style}") for style in STYLES},
    **{emotion: N_(f"emotion.{emotion}") for emotion in EMOTIONS},
    **{pose: N_(f"pose.{pose}") for pose in POSES},
}
"""The text that names each to a person."""


def pack_looks(style: Style, *, take: int, count: int) -> list[Look]:
    """The looks of a pack: emotions in turn, each time in another pose. Another take goes on where the last ended.

    No two looks of fifty in a row are the same.
    """
    return [
        Look(style, EMOTIONS[place % len(EMOTIONS)], POSES[(place + place // len(EMOTIONS)) % len(POSES)])
        for place in range(take * count, (take + 1) * count)
    ]


def beside(style: Style, steps: int) -> Style:
    """The style so many steps further in the carousel, which has no ends."""
    return STYLES[(STYLES.index(style) + steps) % len(STYLES)]
