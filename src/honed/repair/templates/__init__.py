"""Templates: small edits of the text that bugs are often repaired by, one module a sort."""

import importlib
import pkgutil

from honed.repair.templates.template import TEMPLATES, Draft, Pool, Site, Template

__all__ = ["TEMPLATES", "Draft", "Pool", "Site", "Template"]

for _module in sorted(each.name for each in pkgutil.iter_modules(__path__)):
    importlib.import_module(f"{__name__}.{_module}")
