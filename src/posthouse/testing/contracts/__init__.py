"""The contract of each port, as tests that every adapter passes.

A group is a plain class of async tests (`InboxContract`, `TurnsContract`, …). An adapter's test module
derives an empty class from each and provides two fixtures:

    store_maker   a `StoreMaker`: opens stores on one set of data, crashes them, lets time pass
    store         `await store_maker.open()`

    from posthouse.testing.contracts.inbox import InboxContract

    class TestInbox(InboxContract):
        pass

`model.Model` is the whole contract once more, as plain data and rules: the property test drives an adapter
and the model side by side, and `model.ModelStore` is a store to test against where no file may be written.

Register the marker `req`, and call `pytest.register_assert_rewrite("posthouse.testing.contracts")` before the
import, so that a failing contract says what it saw. What an adapter cannot do it declares (`maker.Lack`), and
the suite skips those tests with the reason.
"""
