"""The exercises everybody knows, by id, and which of them a person means.

`resolve` asks in this order and takes the first answer:

| step | what it knows | answer |
|---|---|---|
| own | what this person has chosen for these words before | found |
| synonym | other names, shared by everybody; a word of several exercises, such as "press" | found, or ambiguous |
| name | the exercise's name in any language, and the person's own exercises | found |
| fuzzy | names with a typo, another ending or another order of words | found, ambiguous or unknown |

Case, punctuation and ё never matter. Deliberately absent: muscles, equipment, pictures; this is about names only.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import msgspec
from rapidfuzz import fuzz

FOUND_SCORE = 82.0
"""From this similarity on (0 to 100) a name is taken for meant: one wrong letter in a word of five or six."""

RIVAL_MARGIN = 5.0
"""Exercises that score within this of the best are as likely meant, so the person is asked."""

SUGGESTION_SCORE = 60.0
"""From here on a name is worth offering as a guess."""

CANDIDATES_MAX = 4
TEXT_MAX = 100  # characters that are compared; no exercise has a longer name
FUZZY_MIN = 3  # characters; shorter words are similar to everything


class Found(msgspec.Struct, frozen=True, tag="found"):
    """One exercise is meant; `by` is the step that knew."""

    exercise_id: str
    by: Literal["own", "synonym", "name", "fuzzy"]


class Ambiguous(msgspec.Struct, frozen=True, tag="ambiguous"):
    """One of a few exercises is meant: at most four ids, the likeliest first."""

    candidates: list[str]


class Unknown(msgspec.Struct, frozen=True, tag="unknown"):
    """No exercise is meant that we know. The suggestions, at most four, are guesses, and may be none."""

    suggestions: list[str]


Match = Found | Ambiguous | Unknown


@dataclass(frozen=True, slots=True)
class Exercise:
    """An exercise of the catalogue. The id never changes, because records name it."""

    id: str
    en: str
    ru: str
    synonyms: tuple[str, ...]


def resolve(text: str, *, own: Mapping[str, str] | None = None, extra_names: Mapping[str, str] | None = None) -> Match:
    """The exercise that a person means by `text`.

    `own` maps words to exercise ids as the person chose before; its keys may be written in any way, or kept as
    `normalise` gives them. `extra_names` maps the names of exercises the person made to their ids.
    """
    words = normalise(text[:TEXT_MAX])
    mine = {normalise(name): exercise_id for name, exercise_id in (own or {}).items()}
    named = {normalise(name): exercise_id for name, exercise_id in (extra_names or {}).items()}
    if not words:
        return Unknown([])
    if words in mine:
        return Found(mine[words], "own")
    if words in SYNONYMS:
        return _one_of(SYNONYMS[words], "synonym")
    if exercise_id := NAMES.get(words) or named.get(words):
        return Found(exercise_id, "name")
    return _most_similar(words, named)


def name_of(exercise_id: str, lang: str) -> str:
    """The exercise's name in Russian for `ru`, in English for any other language. KeyError: not in the catalogue."""
    exercise = EXERCISES[exercise_id]
    return exercise.ru if lang == "ru" else exercise.en


def normalise(text: str) -> str:
    """Words in lower case with single spaces, without punctuation, ё as е: the form in which names are compared."""
    folded = unicodedata.normalize("NFKC", text).casefold().replace("ё", "е")
    return " ".join(re.sub(r"[^\w]|_", " ", re.sub(r"['’]", "", folded)).split())


def _one_of(exercise_ids: tuple[str, ...], by: Literal["synonym", "fuzzy"]) -> Match:
    return Found(exercise_ids[0], by) if len(exercise_ids) == 1 else Ambiguous(list(exercise_ids[:CANDIDATES_MAX]))


def _most_similar(words: str, named: Mapping[str, str]) -> Match:
    if len(words) < FUZZY_MIN:
        return Unknown([])
    known = [*FORMS, *((name, _stems(name), (exercise_id,)) for name, exercise_id in named.items())]
    stems = _stems(words)
    scores = [
        (max(fuzz.ratio(words, name), fuzz.ratio(stems, stem), fuzz.token_sort_ratio(stems, stem)), name, exercise_ids)
        for name, stem, exercise_ids in known
    ]
    best = max(score for score, _, _ in scores)
    if best >= FOUND_SCORE:
        enough = best if best == 100 else max(FOUND_SCORE, best - RIVAL_MARGIN)
        return _one_of(_best_first((score, ids) for score, _, ids in scores if score >= enough), "fuzzy")
    # A known name among other words, as in "heavy squat", may be another exercise. It is offered, not taken.
    guesses = ((max(score, _closeness(words, name)), exercise_ids) for score, name, exercise_ids in scores)
    return Unknown(list(_best_first(guess for guess in guesses if guess[0] >= SUGGESTION_SCORE)[:CANDIDATES_MAX]))


def _closeness(words: str, name: str) -> float:
    """How many words two names share, and how little else there is."""
    return (fuzz.token_set_ratio(words, name) + fuzz.token_sort_ratio(words, name)) / 2


def _best_first(scored: Iterable[tuple[float, tuple[str, ...]]]) -> tuple[str, ...]:
    ranked = sorted(scored, key=lambda one: -one[0])
    return tuple(dict.fromkeys(exercise_id for _, exercise_ids in ranked for exercise_id in exercise_ids))


ENDINGS = re.compile(
    r"(?<=[а-я]{3})(?:иями|ями|ами|ией|иям|иях|ием|ого|его|ому|ему|ыми|ими|ия|ию|ии|ие|ий|ая|яя|ую|юю|ой|ей|ый|ое|ее"
    r"|ые|ых|их|ов|ев|ам|ям|ах|ях|ом|ем|ым|им|а|я|о|е|и|ы|у|ю|ь|й)$"
    r"|(?<=ss)es$|(?<=[a-z]{2}[a-rt-z])s$"
)


def _stems(words: str) -> str:
    """Each word without its ending, roughly: enough that "становую тягу" and "становая тяга" are the same."""
    return " ".join(ENDINGS.sub("", word) for word in words.split())


# id | English name | Russian name | synonyms in any language
TABLE = """
squat | squat | присед | back squat, barbell squat, squats, приседания, приседание, приседания со штангой, присед со \
штангой, присед со штангой на спине
front_squat | front squat | фронтальный присед | front squats, фронтальные приседания, приседания со штангой на груди, \
присед со штангой на груди, фронталка
goblet_squat | goblet squat | гоблет-присед | кубковый присед, кубковые приседания, присед с гирей, гоблет, \
приседания с гантелью
hack_squat | hack squat | гакк-присед | гакк, гакк приседания, гак присед, hack squat machine, гакк машина
bulgarian_split_squat | Bulgarian split squat | болгарский сплит-присед | split squat, bulgarians, болгарские выпады, \
болгарский присед, сплит присед, rear foot elevated split squat, болгарские приседания
pistol_squat | pistol squat | присед на одной ноге | pistols, pistol, пистолетик, пистолет, single leg squat, \
приседания на одной ноге
air_squat | bodyweight squat | приседания без веса | air squat, air squats, body weight squat, воздушные приседания, \
присед без веса
leg_press | leg press | жим ногами | leg press machine, жим ногами в тренажере, жим платформы, платформа
lunge | lunge | выпады | lunges, walking lunge, walking lunges, выпад, выпады с гантелями, выпады со штангой, \
выпады в ходьбе
step_up | step-up | зашагивания | step ups, зашагивания на тумбу, зашагивания на скамью, зашагивание
leg_extension | leg extension | разгибание ног | quad extension, разгибания ног, разгибание ног в тренажере
leg_curl | leg curl | сгибание ног | hamstring curl, lying leg curl, seated leg curl, сгибания ног, \
сгибание ног лежа
calf_raise | calf raise | подъём на носки | calf raises, calves, standing calf raise, seated calf raise, икры, голень, \
подъемы на носки
deadlift | deadlift | становая тяга | dl, conventional deadlift, дедлифт, становая, тяга становая, классическая тяга
sumo_deadlift | sumo deadlift | тяга сумо | sumo, сумо, становая тяга сумо, становая сумо
romanian_deadlift | Romanian deadlift | румынская тяга | rdl, stiff leg deadlift, stiff legged deadlift, румынка, \
мертвая тяга, тяга на прямых ногах
good_morning | good morning | наклоны со штангой | good mornings, гуд морнинг, доброе утро, наклоны со штангой на плечах
hip_thrust | hip thrust | ягодичный мост со штангой | hip thrusts, barbell hip thrust, хип траст
glute_bridge | glute bridge | ягодичный мост | glute bridges, ягодичный мостик, мостик для ягодиц
kettlebell_swing | kettlebell swing | махи гирей | kb swing, swings, swing, kettlebell swings, свинги, свинг, мах гирей
back_extension | back extension | гиперэкстензия | hyperextension, hyperextensions, back extensions, гипер, \
гиперэкстензии, разгибание спины
bench_press | bench press | жим лёжа | bench, barbell bench press, flat bench, flat bench press, bp, bench presses, \
benchpress, жим штанги лежа, лежа, жим от груди
incline_bench_press | incline bench press | жим на наклонной скамье | incline bench, incline press, наклонный жим, \
жим лежа на наклонной, жим под углом, жим на наклонной, жим штанги на наклонной скамье
close_grip_bench_press | close-grip bench press | жим узким хватом | close grip bench, cgbp, жим лежа узким хватом
dumbbell_bench_press | dumbbell bench press | жим гантелей лёжа | db bench, db bench press, dumbbell bench, \
жим лежа с гантелями, жим лежа гантелей
incline_dumbbell_press | incline dumbbell press | жим гантелей на наклонной скамье | incline db press, \
incline dumbbell bench press, жим гантелей под углом, жим гантелей на наклонной
chest_press | chest press machine | жим в тренажёре | chest press, machine chest press, хаммер, жим в хаммере, \
жим от груди в тренажере
chest_fly | chest fly | разведение гантелей лёжа | chest flyes, chest flies, pec fly, pec deck, dumbbell fly, flyes, \
разводка, разводка гантелей, бабочка, разведения лежа
cable_crossover | cable crossover | сведение в кроссовере | crossover, cable fly, кроссовер, сведения в кроссовере, \
сведение рук в кроссовере
push_up | push-up | отжимания | pushup, pushups, push ups, press up, press ups, отжимание, отжимания от пола
dip | dip | отжимания на брусьях | dips, parallel bar dips, chest dips, брусья, отжимания от брусьев
overhead_press | overhead press | армейский жим | ohp, military press, standing press, shoulder press, strict press, \
жим стоя, жим штанги стоя, жим над головой, жим с плеч
push_press | push press | жимовой швунг | швунг, швунг жимовой
dumbbell_shoulder_press | dumbbell shoulder press | жим гантелей сидя | db shoulder press, seated dumbbell press, \
seated shoulder press, жим сидя, жим гантелей над головой, жим гантелей стоя
arnold_press | Arnold press | жим Арнольда | арнольд
lateral_raise | lateral raise | махи в стороны | lateral raises, side raise, side raises, side lateral raise, \
махи гантелями в стороны, разведение гантелей стоя, разводка стоя, махи гантелями, отведения в стороны
front_raise | front raise | махи перед собой | front raises, подъем гантелей перед собой, махи гантелями перед собой
reverse_fly | reverse fly | разведение в наклоне | rear delt fly, rear delts, reverse flyes, rear delt raise, \
махи в наклоне, задняя дельта, разводка в наклоне
face_pull | face pull | тяга к лицу | face pulls, тяга каната к лицу, фейспул
upright_row | upright row | тяга к подбородку | upright rows, протяжка, тяга штанги к подбородку
shrug | shrug | шраги | shrugs, barbell shrug, dumbbell shrug, шраги со штангой, шраги с гантелями
barbell_row | barbell row | тяга в наклоне | bent over row, bent over rows, bent row, bb row, pendlay row, \
тяга штанги в наклоне, тяга штанги к поясу
dumbbell_row | dumbbell row | тяга гантели в наклоне | one arm row, db row, single arm row, тяга гантели одной рукой, \
тяга гантелей в наклоне, тяга гантели к поясу
cable_row | seated cable row | тяга горизонтального блока | cable row, seated row, горизонтальная тяга, тяга блока к \
поясу, тяга нижнего блока, горизонтальный блок
t_bar_row | T-bar row | тяга Т-грифа | tbar row, т гриф, тяга т штанги
lat_pulldown | lat pulldown | тяга верхнего блока | pulldown, pulldowns, lat pull down, lat pulldowns, вертикальная \
тяга, верхний блок, тяга верхнего блока к груди
pull_up | pull-up | подтягивания | pullup, pullups, pull ups, подтягивание, турник, подтягивания на турнике
chin_up | chin-up | подтягивания обратным хватом | chinup, chinups, chin ups, обратные подтягивания
muscle_up | muscle-up | выход силой | muscleup, muscle ups, выход на две, выходы силой
pullover | pullover | пуловер | dumbbell pullover, пулловер, пуловер с гантелью
biceps_curl | biceps curl | подъём на бицепс | curl, curls, bicep curl, bicep curls, barbell curl, dumbbell curl, \
biceps, бицепс, на бицепс, сгибание рук, подъем штанги на бицепс, подъем гантелей на бицепс
hammer_curl | hammer curl | молотки | hammer curls, hammers, молоток, молотковые сгибания, сгибания молот
preacher_curl | preacher curl | сгибание на скамье Скотта | scott curl, скамья скотта, бицепс на скамье скотта
triceps_extension | triceps extension | французский жим | skull crusher, skull crushers, skullcrusher, skullcrushers, \
tricep extension, французский жим лежа, overhead triceps extension
triceps_pushdown | triceps pushdown | разгибание на блоке | pushdown, tricep pushdown, rope pushdown, \
разгибание рук на блоке, трицепс на блоке, разгибания на блоке
wrist_curl | wrist curl | сгибание кистей | wrist curls, сгибания кистей, предплечья, сгибание запястий
power_clean | power clean | взятие на грудь | clean, cleans, hang clean, взятие штанги на грудь
clean_and_jerk | clean and jerk | толчок | c&j, clean jerk, толчок штанги
snatch | snatch | рывок | power snatch, snatches, рывок штанги, рывок гири
thruster | thruster | трастеры | thrusters, трастер, выбросы
burpee | burpee | бёрпи | burpees, бурпи
box_jump | box jump | прыжки на тумбу | box jumps, запрыгивания, прыжки на коробку, запрыгивания на тумбу
plank | plank | планка | planks, elbow plank, front plank, планка на локтях, стойка в планке
side_plank | side plank | боковая планка | side planks, планка на боку
hollow_hold | hollow hold | лодочка | hollow body, hollow body hold, удержание лодочки
crunch | crunch | скручивания | crunches, скручивание, скручивания на пресс, пресс, пресс лежа
sit_up | sit-up | подъём корпуса | situp, situps, sit ups, подъемы корпуса, подъем туловища
leg_raise | hanging leg raise | подъём ног в висе | leg raise, leg raises, hanging leg raises, подъем ног, подъемы \
ног, подъем ног лежа
russian_twist | Russian twist | русский твист | russian twists, русские скручивания
ab_wheel | ab wheel | ролик для пресса | ab rollout, ab wheel rollout, ролик, колесо для пресса
mountain_climber | mountain climber | скалолаз | mountain climbers, альпинист
farmers_walk | farmer's walk | прогулка фермера | farmer walk, farmers carry, farmer carry, фермерская прогулка
dead_hang | dead hang | вис на турнике | hang, bar hang, вис
wall_sit | wall sit | стульчик у стены | wall sits, стульчик
"""

SHARED = {
    "press": ("bench_press", "overhead_press", "leg_press", "incline_bench_press"),
    "жим": ("bench_press", "overhead_press", "leg_press", "incline_bench_press"),
    "жим штанги": ("bench_press", "overhead_press", "incline_bench_press", "close_grip_bench_press"),
    "dumbbell press": ("dumbbell_bench_press", "dumbbell_shoulder_press", "incline_dumbbell_press"),
    "жим гантелей": ("dumbbell_bench_press", "dumbbell_shoulder_press", "incline_dumbbell_press"),
    "row": ("barbell_row", "dumbbell_row", "cable_row", "t_bar_row"),
    "тяга": ("deadlift", "barbell_row", "lat_pulldown", "cable_row"),
    "тяга штанги": ("barbell_row", "deadlift", "romanian_deadlift"),
    "тяга гантелей": ("dumbbell_row", "romanian_deadlift"),
    "тяга блока": ("lat_pulldown", "cable_row", "face_pull"),
    "raise": ("lateral_raise", "front_raise", "calf_raise", "leg_raise"),
    "махи": ("lateral_raise", "front_raise", "reverse_fly", "kettlebell_swing"),
    "extension": ("leg_extension", "triceps_extension", "back_extension"),
    "разгибание": ("leg_extension", "triceps_pushdown", "back_extension"),
    "сгибание": ("biceps_curl", "leg_curl", "hammer_curl", "wrist_curl"),
    "fly": ("chest_fly", "reverse_fly", "cable_crossover"),
    "разведение": ("chest_fly", "lateral_raise", "reverse_fly"),
    "разведение гантелей": ("chest_fly", "lateral_raise", "reverse_fly"),
    "triceps": ("triceps_extension", "triceps_pushdown", "close_grip_bench_press", "dip"),
    "трицепс": ("triceps_extension", "triceps_pushdown", "close_grip_bench_press", "dip"),
    "подъем гантелей": ("biceps_curl", "lateral_raise", "front_raise"),
    "мостик": ("glute_bridge", "hip_thrust"),
    "bridge": ("glute_bridge", "hip_thrust"),
}
"""Words that name several exercises, the likeliest first."""


def _exercise(row: str) -> Exercise:
    exercise_id, en, ru, synonyms = (cell.strip() for cell in row.split("|"))
    return Exercise(exercise_id, en, ru, tuple(synonym.strip() for synonym in synonyms.split(",")))


EXERCISES: Mapping[str, Exercise] = {one.id: one for one in map(_exercise, TABLE.strip().splitlines())}

NAMES: Mapping[str, str] = {normalise(name): one.id for one in EXERCISES.values() for name in (one.en, one.ru)}

SYNONYMS: Mapping[str, tuple[str, ...]] = SHARED | {
    normalise(synonym): (one.id,) for one in EXERCISES.values() for synonym in one.synonyms
}

FORMS: tuple[tuple[str, str, tuple[str, ...]], ...] = tuple(
    (name, _stems(name), exercise_ids)
    for name, exercise_ids in (*SYNONYMS.items(), *((name, (exercise_id,)) for name, exercise_id in NAMES.items()))
)
"""What a text is compared with in the fuzzy step: the words, their stems, what they name."""
