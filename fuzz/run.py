"""Runs one target under atheris, guided by coverage of the package: `make fuzz` calls this.

python fuzz/run.py <target> [libFuzzer's options and corpus folders]
"""

import importlib
import sys

import atheris

with atheris.instrument_imports(include=["headwater"]):
    target = importlib.import_module(sys.argv[1])

atheris.Setup([sys.argv[0], *sys.argv[2:]], target.run)
atheris.Fuzz()
