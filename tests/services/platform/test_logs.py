from services.platform import logs


def test_a_small_log_is_left_alone(tmp_path):
    path = tmp_path / "a.log"
    path.write_text("x" * 10)
    assert not logs.rotate(path, limit_bytes=10)
    assert not logs.rotate(tmp_path / "missing.log", limit_bytes=10)


def test_a_full_log_moves_on_and_the_oldest_is_forgotten(tmp_path):
    path = tmp_path / "a.log"
    for number in range(5):
        path.write_text(f"round {number}\n")
        assert logs.rotate(path, limit_bytes=3, kept=3)
    assert path.read_text() == ""
    kept = [(tmp_path / f"a.log.{number}").read_text() for number in (1, 2, 3)]
    assert kept == ["round 4\n", "round 3\n", "round 2\n"]
    assert not (tmp_path / "a.log.4").exists()


def test_a_writer_that_appends_goes_on_at_the_new_beginning(tmp_path):
    path = tmp_path / "a.log"
    with path.open("ab", buffering=0) as writer:
        writer.write(b"before\n")
        logs.rotate(path, limit_bytes=3)
        writer.write(b"after\n")
    assert path.read_bytes() == b"after\n"


def test_without_room_for_the_copy_the_log_is_emptied_all_the_same(tmp_path, monkeypatch, caplog):
    def full(source, target, length):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copyfileobj", full)
    path = tmp_path / "a.log"
    path.write_text("x" * 10)
    assert logs.rotate(path, limit_bytes=3)
    assert path.read_text() == ""
    assert "could not be copied" in caplog.text


def test_the_tail_is_whole_lines(tmp_path):
    path = tmp_path / "a.log"
    path.write_text("one\ntwo\nthree\n")
    assert logs.tail(path, 2) == "two\nthree\n"
    assert logs.tail(path, 0) == ""
    assert logs.tail(path, 99) == "one\ntwo\nthree\n"
    assert logs.tail(path, 2, longest_bytes=8) == "three\n"
    assert logs.tail(tmp_path / "missing", 2) == ""


def test_following_yields_what_is_appended_and_survives_a_cut(tmp_path):
    path = tmp_path / "a.log"
    path.write_text("old\n" * 10)
    seen = []

    def stop():
        steps = {
            0: lambda: path.write_text("old\n" * 10 + "new\n"),
            1: lambda: path.write_text("cut\n"),
        }
        if len(seen) in steps:
            steps[len(seen)]()
        return len(seen) == 2

    for block in logs.follow(path, stop, pause_s=0):
        seen.append(block)  # noqa: PERF402 - `stop` looks at it meanwhile
    assert seen == ["new\n", "cut\n"]
