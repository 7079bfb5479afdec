"""The stage of the simulator's own tests is what the client libraries play on too."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "flow" / "simulator"))
