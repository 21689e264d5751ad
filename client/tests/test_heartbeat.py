import threading

from mlops_client.heartbeat import Heart

SOON_S = 10


def test_each_run_that_lives_gets_a_sign_of_life():
    beaten: set[str] = set()
    both = threading.Event()

    def beat(run_id: str, value: str) -> None:
        assert int(value) > 1_700_000_000
        beaten.add(run_id)
        if beaten == {"a", "b"}:
            both.set()

    heart = Heart(beat, interval_s=0.01)
    heart.start("a")
    heart.start("b")
    assert both.wait(SOON_S)
    heart.stop_all()


def test_with_the_last_run_the_thread_ends_and_the_next_run_has_one_again():
    beats = threading.Semaphore(0)
    heart = Heart(lambda *_: beats.release(), interval_s=0.01)
    heart.start("a")
    assert beats.acquire(timeout=SOON_S)
    thread = heart._thread
    assert thread is not None
    assert thread.daemon
    heart.stop("a")
    thread.join(SOON_S)
    assert not thread.is_alive()
    heart.start("b")
    assert beats.acquire(timeout=SOON_S)
    heart.stop_all()


def test_no_run_no_thread():
    heart = Heart(lambda *_: None)
    heart.stop("never started")
    assert heart._thread is None
