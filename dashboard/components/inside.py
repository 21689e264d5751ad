"""Links in our own drawings that stay inside the app: no new page load, no lost session.

A drawing has ordinary links, so that one can be opened in another tab or copied. A plain click on
one is taken over: the address changes, and Streamlit follows it as it follows the back button.
"""

import streamlit as st

_FOLLOW = """<script>
if (!window.mlopsInside) {
  window.mlopsInside = true;
  document.addEventListener('click', event => {
    const link = event.target.closest && event.target.closest('.stHtml a[href^="/"]');
    if (!link || link.target || event.defaultPrevented || event.button) return;
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    const other = new URL(link.href).searchParams, now = new URL(location.href).searchParams;
    history.pushState({}, '', link.href);
    window.dispatchEvent(new PopStateEvent('popstate'));
    if (['dag', 'run', 'deployment', 'alert', 'retraining', 'id']
      .some(name => other.get(name) !== now.get(name)))
      document.querySelector('[data-testid="stMain"]')?.scrollTo(0, 0);
  });
}
</script>"""


def follow() -> None:
    """Take the links of the page's drawings over; once a page, at its end."""
    st.html(_FOLLOW, unsafe_allow_javascript=True)
