"""Every input that was kept, through its target, as the fuzzer would run it."""

import importlib.util
from pathlib import Path

import pytest

FUZZ = Path(__file__).parents[2] / "fuzz"
KEPT = sorted(path for path in (FUZZ / "corpus").glob("*/*") if path.is_file())
MAX_KEPT_BYTES = 8192


def target(name):
    spec = importlib.util.spec_from_file_location(f"fuzz_{name}", FUZZ / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("path", KEPT, ids=[f"{path.parent.name}/{path.name}" for path in KEPT])
def test_a_kept_input_gives_events_or_a_peer_error(path):
    data = path.read_bytes()

    target(path.parent.name).run(data)

    assert len(data) <= MAX_KEPT_BYTES


def test_every_target_has_a_corpus():
    programs = {path.stem for path in FUZZ.glob("*.py")} - {"run", "seeds"}

    assert {path.parent.name for path in KEPT} == programs
