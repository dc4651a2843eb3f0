"""What is wrong with data, said before the networks say it. Nothing is sent.

A check is a function with ``@finding``; its name is the slug. What only the whole input shows is in ``whole``. To add a
finding, write such a function in the module of its kind.
"""

from target_adpostbacks.doctor import hashes, ids, money, outcomes, persons, times  # noqa: F401 - they register checks
from target_adpostbacks.doctor.coverage import Row
from target_adpostbacks.doctor.examination import Diagnosis, Examination, Example, Found
from target_adpostbacks.doctor.findings import FINDINGS, LEVELS, Finding, Level
from target_adpostbacks.doctor.memory import FileMemory

__all__ = [
    "FINDINGS",
    "LEVELS",
    "Diagnosis",
    "Examination",
    "Example",
    "FileMemory",
    "Finding",
    "Found",
    "Level",
    "Row",
]
