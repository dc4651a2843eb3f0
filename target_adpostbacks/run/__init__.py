"""One run for any engine: ``Run`` for whoever keeps state, ``deliver`` for everybody else."""

from target_adpostbacks.run.delivering import deliver
from target_adpostbacks.run.preparing import preparation_of, utc_now
from target_adpostbacks.run.run import Run

__all__ = ["Run", "deliver", "preparation_of", "utc_now"]
