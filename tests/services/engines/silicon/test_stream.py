import sys
import time

import psutil
import pytest

from services.engines.command import run
from services.engines.silicon.stream import Stream
from services.errors import EngineMissingError, EngineRefusedError, EngineUnreachableError


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-u", "-c", code)


def test_the_newest_line_counts():
    stream = Stream(python("import time\nfor i in range(5): print(i)\ntime.sleep(30)"))
    deadline = time.monotonic() + 5
    while stream.newest(5) != b"4\n":
        assert time.monotonic() < deadline
        time.sleep(0.01)
    stream.close()


def test_a_program_that_ended_is_told_with_its_code():
    stream = Stream(python("print('x'); raise SystemExit(3)"))
    with pytest.raises(EngineUnreachableError, match="ended with 3"):
        list(iter(lambda: stream.newest(5), None))
    stream.close()


def test_silence_is_told():
    stream = Stream(python("import time; time.sleep(30)"))
    with pytest.raises(EngineUnreachableError, match=r"printed nothing for 0\.1 s"):
        stream.newest(0.1)
    stream.close()


def test_closing_leaves_no_process():
    stream = Stream(python("import time; print('x'); time.sleep(30)"))
    stream.newest(5)
    stream.close()
    assert not [c for c in psutil.Process().children() if c.status() != psutil.STATUS_ZOMBIE
                and "time.sleep(30)" in " ".join(c.cmdline())]  # fmt: skip


def test_there_is_no_such_program():
    with pytest.raises(EngineMissingError):
        Stream(("no-such-program",))
    with pytest.raises(EngineMissingError):
        run(("no-such-program",), 1.0)


def test_a_command_that_fails_or_hangs_is_told():
    with pytest.raises(EngineRefusedError, match="ended with 2: no sensor"):
        run(python("import sys; print('no sensor', file=sys.stderr); sys.exit(2)"), 5.0)
    with pytest.raises(EngineUnreachableError, match=r"within 0\.1 s"):
        run(python("import time; time.sleep(30)"), 0.1)
    assert run(python("print('ok')"), 5.0) == b"ok\n"
