"""The networks that the twin stands in for: every module here that has a ``TABLE``."""

from importlib import import_module
from pkgutil import iter_modules

from target_adpostbacks.twin.table import Table

TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        import_module(f"{__name__}.{module.name}").TABLE
        for module in iter_modules(__path__)
        if not module.name.startswith("_")
    )
}
