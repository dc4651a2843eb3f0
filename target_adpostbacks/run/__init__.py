"""One run for any engine: ``Run`` for whoever keeps state, ``deliver`` for everybody else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from target_adpostbacks.core.late import late

if TYPE_CHECKING:
    from target_adpostbacks.run.delivering import deliver
    from target_adpostbacks.run.preparing import preparation_of, utc_now
    from target_adpostbacks.run.run import Run

__all__ = ["Run", "deliver", "preparation_of", "utc_now"]

__getattr__ = late(
    __name__,
    {"delivering": ("deliver",), "preparing": ("preparation_of", "utc_now"), "run": ("Run",)},
)
