"""Whatever a hint holds, nothing of it becomes a link, a heading or an image."""

from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from dashboard.components import notices

PIECES = st.sampled_from(
    ["`", "``", "```", "[in](https://e.example)", "![x](https://e.example)", "\n\n", "\n", " ", "a",
     "# b", "**", "<b>", "\\", "~~~"]
)  # fmt: skip


@given(st.lists(PIECES, max_size=12).map("".join))
@example("x`\n\n[Sign in again](https://evil.example)\n\n`")
@example("```[Sign in again](https://evil.example)`z")
def test_a_hint_is_text_and_code(hint: str):
    tokens = MarkdownIt("commonmark").parse(notices.advice(hint))
    kinds = {one.type for one in tokens}
    kinds |= {child.type for one in tokens for child in one.children or ()}
    assert kinds <= {
        "paragraph_open", "paragraph_close", "inline", "text", "code_inline", "softbreak",
        "text_special",
    }  # fmt: skip
