"""Bot API 10.3 as data: every method with its parameters and result, every type with its fields.

`bot_api.json` is derived from aiogram's source distribution by `scripts/derive_schema.py`; nobody edits it. A
type is written as an *expression*: `Integer`, `[MessageEntity]` for an array, `Message | True` for either of
two. The scalars are `Integer`, `Float`, `String`, `Boolean` and `True`.
"""

from posthouse.simulator.schema.check import problems, problems_of_result
from posthouse.simulator.schema.load import SCHEMA, Method, Schema, Type

__all__ = ["SCHEMA", "Method", "Schema", "Type", "problems", "problems_of_result"]
