"""Recipes of tools/fetch-data: how data is got from the package registries and prepared.

A module here that has RECIPES, {name: (what it is, its terms, function, version)}, is found by itself. A function takes
the folder it may work in and the folder whose files become the data; it makes the same bytes each time, or raises
Failure. The version, 1 where it is left out, goes up when those bytes change: who has the old ones then gets the new.
Names with a folder before them, text/sotu, are data that is no task's; GROUP/all stands for all of that folder.
"""
import importlib
import pkgutil


def collect():
    recipes = {}
    for module in sorted(module.name for module in pkgutil.iter_modules(__path__)):
        for name, recipe in getattr(importlib.import_module(f"{__name__}.{module}"), "RECIPES", {}).items():
            assert name not in recipes, f"two recipes are called {name}"
            recipes[name] = (*recipe, 1)[:4]
    return recipes
