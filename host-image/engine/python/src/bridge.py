"""The part of the bridge that only Python can say: coroutines, and an exception with an attribute."""


class EngineError(Exception):
    """The engine refused or failed."""

    __module__ = "wasmcloud_engine"
    kind: str = "internal"


async def wait(future):
    return await future


def resolve(future, value, error):
    """Called on the loop's own thread; the caller may have given up meanwhile."""
    if future.done():
        return
    if error is None:
        future.set_result(value)
    else:
        future.set_exception(error)
