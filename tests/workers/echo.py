"""Work that is quickly done: what worker processes do in the tests of the pool."""

from __future__ import annotations

import os
import time
from typing import Any

from target_adpostbacks.core.prepared import Prepared
from target_adpostbacks.workers.work import Answer, Each


class Echo:
    """Each block comes back as one record, its text the stream; some texts are orders."""

    def __init__(self) -> None:
        self.word = ""

    def tell(self, news: Any) -> None:
        self.word = news

    def answered(self, number: int, block: bytes) -> Answer:
        text = block.decode()
        if text == "raise":
            raise ValueError("canary")
        if text == "sleep":
            time.sleep(60)
        if text == "take a second":
            time.sleep(1)
        if text == "nonsense":
            return Answer("no list")  # type: ignore[arg-type]
        if text == "environment":
            text = " ".join(sorted(os.environ))
        os.write(1, b"printed")
        each: Each = [Prepared(f"{self.word}{text[:100]}", number)]
        return Answer([None], {0: each})
