import asyncio
import sys

import pytest
import uvloop

from headwater.node.child import start_child

LOOPS = [asyncio.new_event_loop, uvloop.new_event_loop]
ECHO = "import sys; [print(line.strip()[::-1], flush=True) for line in sys.stdin]"
ENVIRONMENT = "import os; print(*os.environ, flush=True); input()"


def python(program):
    return (sys.executable, "-c", program)


@pytest.fixture(params=LOOPS, ids=["asyncio", "uvloop"])
def run(request):
    """Runs a coroutine on one of the loops that the server runs on."""
    with asyncio.Runner(loop_factory=request.param) as runner:
        yield runner.run


def test_it_takes_input_and_gives_output_until_its_input_ends(run):
    async def work():
        child = await start_child(python(ECHO), stderr=asyncio.subprocess.DEVNULL)
        child.give(b"stream\n")
        await child.taken()
        answer = await child.stdout.readline()
        assert child.status is None
        child.close_input()
        await child.ended()
        return answer, await child.stdout.read(), await child.stderr.read(), child.status

    assert run(work()) == (b"maerts\n", b"", b"", 0)


def test_what_is_given_to_one_that_has_ended_is_lost_and_harms_nobody(run):
    async def work():
        child = await start_child(python("print('bye')"))
        ending = asyncio.create_task(child.ended())
        while not ending.done():
            child.give(b"a picture")
            await asyncio.sleep(0)  # every moment of its end is met
        child.give(b"a picture")
        with pytest.raises(ConnectionError):
            await child.taken()
        assert child.untaken_bytes == 0
        await child.kill()
        return await child.stdout.read(), child.status

    assert run(work()) == (b"bye\n", 0)


def test_it_does_not_see_the_servers_settings(run, monkeypatch):
    monkeypatch.setenv("HEADWATER_EVENTS_NATS_URL", "nats://name:password@127.0.0.1")
    monkeypatch.setenv("PLAIN", "seen")

    async def work():
        child = await start_child(python(ENVIRONMENT))
        names = (await child.stdout.readline()).decode().split()
        await child.kill()
        return names

    names = run(work())
    assert "PLAIN" in names
    assert not [name for name in names if name.startswith("HEADWATER_")]


@pytest.mark.parametrize(
    ("on_term", "status"),
    [("sys.exit(3)", 3), ("None", -9)],
    ids=["ends when it is asked", "is killed when it does not"],
)
def test_one_that_is_to_end(run, on_term, status):
    program = (
        "import signal, sys, time\n"
        f"signal.signal(signal.SIGTERM, lambda *_: {on_term})\n"
        "print(flush=True)\n"
        "while True: time.sleep(60)"
    )

    async def work():
        child = await start_child(python(program))
        await child.stdout.readline()
        await child.terminate(10 if status == 3 else 0.2)
        return child.status

    assert run(work()) == status


def test_one_that_cannot_be_started_is_told(run):
    with pytest.raises(FileNotFoundError):
        run(start_child(["/no/such/program"]))
