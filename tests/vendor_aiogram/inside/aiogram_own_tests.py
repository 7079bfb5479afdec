"""aiogram's test classes; the fixtures they ask for are ours (`conftest.py`)."""

from tests.test_fsm.storage.test_isolation import TestIsolations
from tests.test_fsm.storage.test_storages import TestStorages
from tests.test_fsm.test_scene import TestHistoryManager
from tests.test_issues.test_1317_state_vs_isolation import TestStateVSIsolation

__all__ = ["TestHistoryManager", "TestIsolations", "TestStateVSIsolation", "TestStorages"]
