from tests.pages.conftest import Open, words


def test_a_project_shows_each_gap_with_its_mend(open_page: Open):
    said = words(open_page("project", id="cpu-compression"))

    assert "Close the string in line 14" in said.replace("\\", "")
    assert "has no closing quote" in said


def test_a_project_nobody_knows_is_a_sentence_not_a_traceback(open_page: Open):
    for unknown in ("", "../../etc/passwd", "x" * 10_000, "a b", "<script>"):
        app = open_page("project", id=unknown)

        assert not app.exception
        assert "There is no project" in app.error[0].value


def test_a_project_outside_the_scope_is_as_unknown_as_any(open_page: Open):
    app = open_page("project", projects=("clip-finetuning",), id="cpu-compression")

    assert "There is no project" in app.error[0].value
    assert "closing quote" not in words(app)


def test_the_best_result_carries_its_change_and_the_contract_its_gates(open_page: Open):
    app = open_page("project", id="self-improving-diffusion")

    best = next(metric for metric in app.metric if "Best" in metric.label)
    assert best.value != "not reported"
    assert best.delta
    assert "0.30" in words(app).replace("\\", "")
