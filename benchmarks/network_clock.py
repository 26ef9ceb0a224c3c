"""How much processor time is spent inside networks."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import wraps
from typing import Any

_METHODS = ("forward", "render", "prepare", "decode_prepared", "encode", "tokens", "predict")


class NetworkClock:
    """Count the calling thread's processor time inside watched calls, nested ones once.

    Attributes:
        seconds: so far.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._depth = 0

    def watch(self, network: Any, *methods: str) -> None:
        """Count the calls of a network's methods; by default of those that compute.

        All calls must come from one thread.
        """
        for name in methods or _METHODS:
            method = getattr(network, name, None)
            if method is not None:
                setattr(network, name, self._counted(method))

    def _counted(self, method: Callable[..., Any]) -> Callable[..., Any]:
        # With the method's own signature, by which a talk asks whether it draws parts of a picture.
        @wraps(method)
        def call(*arguments: Any, **named: Any) -> Any:
            self._depth += 1
            begun = time.thread_time()
            try:
                return method(*arguments, **named)
            finally:
                self._depth -= 1
                if not self._depth:
                    self.seconds += time.thread_time() - begun

        return call
