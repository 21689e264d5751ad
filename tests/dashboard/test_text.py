import pytest

from dashboard.text import beyond, markup, plain, shortened

JOINER = "\u2060"


@pytest.mark.parametrize(
    ("typed", "escaped"),
    [
        ("run 7", "run 7"),
        ("val_acc", r"val\_acc"),
        ("**b**", r"\*\*b\*\*"),
        ("<b>&", r"&lt;b&gt;&amp;"),
        ("[a](b)", r"\[a\]\(b\)"),
        ("$x$", r"\$x\$"),
        ("# head", r"\# head"),
        ("two\nlines\t", "two lines"),
        (":smile:", f":{JOINER}smile:"),
        (":material/home:", f":{JOINER}material/home:"),
        (":red[x]", rf":{JOINER}red\[x\]"),
        (":red-badge[x]", rf":{JOINER}red\-badge\[x\]"),
        ("https://a.b", rf"https:{JOINER}//a\.b"),
        ("12: 30", "12: 30"),
    ],
)
def test_what_was_typed_is_not_read_as_markdown(typed: str, escaped: str):
    assert plain(typed) == escaped


def test_a_name_of_ten_thousand_characters_is_cut():
    assert len(plain("x" * 10_000)) == 200
    assert shortened("abcdef", 4) == "abc…"


def test_markup_is_safe_in_an_attribute():
    assert markup("\"'<&>") == "&quot;&#x27;&lt;&amp;&gt;"


@pytest.mark.parametrize(
    ("heading", "said", "rest"),
    [
        ("Ray is down", "Ray is down. Models go on.", "Models go on."),
        ("Ray is down", "Ray is down.", ""),
        ("Ray is down", "Ray is downcast.", "Ray is downcast."),
        ("Ray is down", "It ended.", "It ended."),
        ("", "It ended.", "It ended."),
    ],
)
def test_a_heading_is_not_said_twice(heading: str, said: str, rest: str):
    assert beyond(heading, said) == rest
