"""A small picture that is drawn: with the pointer, or with the keys."""

from collections.abc import Sequence

import streamlit as st

_HTML = """
<div class="row">
  <div id="pad" tabindex="0" role="application"></div>
  <div class="tools">
    <button id="mode" type="button" aria-pressed="false">Erase</button>
    <button id="clear" type="button">Clear</button>
    <small>Draw with the pointer,<br>or with arrow keys and space.</small>
    <span id="said" role="status"></span>
  </div>
</div>
"""
_CSS = """
.row { display: flex; flex-wrap: wrap; gap: 12px; align-items: flex-start;
  font: 13px var(--st-font, sans-serif) }
#pad { display: grid; border: 1px solid var(--st-border-color); border-radius: 6px; padding: 2px;
  touch-action: none; cursor: crosshair; user-select: none; background: #000 }
#pad:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 2px }
#pad > div { box-sizing: border-box }
#pad:focus-visible > .here { outline: 2px solid var(--st-primary-color); outline-offset: -2px }
.tools { display: flex; flex-direction: column; gap: 6px; color: var(--st-text-color) }
button { font: inherit; color: var(--st-text-color); background: var(--st-background-color);
  border: 1px solid var(--st-border-color); border-radius: 6px; padding: 3px 10px; cursor: pointer }
button:hover { border-color: var(--st-primary-color); color: var(--st-primary-color) }
button[aria-pressed=true] { border-color: var(--st-primary-color);
  background: var(--st-secondary-background-color) }
small { color: var(--st-gray-text-color, inherit); line-height: 1.4 }
#said { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%) }
"""
_JS = """
export default function (component) {
  const { data, parentElement, setStateValue } = component
  const pad = parentElement.querySelector('#pad')
  const said = parentElement.querySelector('#said')
  const mode = parentElement.querySelector('#mode')
  const wide = data.wide, high = data.high
  const held = pad.mlops || (pad.mlops = { values: [], x: 0, y: 0, down: false })
  if (held.values.length !== wide * high) held.values = data.values.slice()
  const size = Math.max(8, Math.min(30, Math.floor(232 / Math.max(wide, high))))
  pad.style.gridTemplateColumns = `repeat(${wide}, ${size}px)`
  pad.setAttribute('aria-label', `${data.label}: ${wide} by ${high} cells. Arrow keys move, ` +
    'space draws, Backspace erases.')
  if (pad.children.length !== wide * high) {
    pad.replaceChildren()
    for (let i = 0; i < wide * high; i++) {
      const cell = document.createElement('div')
      cell.style.width = cell.style.height = `${size}px`
      pad.append(cell)
    }
  }
  const paint = () => {
    held.values.forEach((value, i) => {
      const grey = Math.round(255 * Math.max(0, Math.min(1, value)))
      pad.children[i].style.background = `rgb(${grey},${grey},${grey})`
      pad.children[i].className = i === held.y * wide + held.x ? 'here' : ''
    })
  }
  const tell = () => setStateValue('pixels', held.values.slice())
  const erasing = () => mode.getAttribute('aria-pressed') === 'true'
  const set = (x, y, value) => {
    if (x < 0 || y < 0 || x >= wide || y >= high) return
    const i = y * wide + x
    held.values[i] = value === 0 ? 0 : Math.max(held.values[i], value)
  }
  const dab = (x, y, gone) => {
    set(x, y, gone ? 0 : 1)
    if (!gone && wide > 6) for (const [a, b] of [[1, 0], [-1, 0], [0, 1], [0, -1]])
      set(x + a, y + b, data.soft)
    paint()
  }
  const at = event => {
    const box = pad.getBoundingClientRect()
    return [Math.floor((event.clientX - box.left - 3) / size),
            Math.floor((event.clientY - box.top - 3) / size)]
  }
  pad.onpointerdown = event => {
    held.down = true
    pad.setPointerCapture(event.pointerId)
    dab(...at(event), erasing() || event.button === 2)
    pad.focus()
    event.preventDefault()
  }
  pad.onpointermove = event => {
    if (held.down) dab(...at(event), erasing() || event.buttons === 2)
  }
  pad.onpointerup = pad.onpointercancel = () => { if (held.down) { held.down = false; tell() } }
  pad.oncontextmenu = event => event.preventDefault()
  pad.onkeydown = event => {
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }
    const move = moves[event.key]
    if (move) {
      held.x = Math.max(0, Math.min(wide - 1, held.x + move[0]))
      held.y = Math.max(0, Math.min(high - 1, held.y + move[1]))
      const value = held.values[held.y * wide + held.x]
      said.textContent = `column ${held.x + 1}, row ${held.y + 1}, ${value > 0 ? 'drawn' : 'empty'}`
    } else if (event.key === ' ' || event.key === 'Enter') {
      dab(held.x, held.y, erasing())
      tell()
    } else if (event.key === 'Backspace' || event.key === 'Delete') {
      dab(held.x, held.y, true)
      tell()
    } else return
    event.preventDefault()
    event.stopPropagation()
    paint()
  }
  mode.onclick = () => mode.setAttribute('aria-pressed', String(!erasing()))
  parentElement.querySelector('#clear').onclick = () => {
    held.values = held.values.map(() => 0)
    paint()
    tell()
  }
  paint()
}
"""
_SOFT = 0.35
"""Of the ink that the cells beside a stroke get: a pen is wider than a cell."""
_mount = st.components.v2.component("mlops-pad", html=_HTML, css=_CSS, js=_JS)


def draw(label: str, wide: int, high: int, start: Sequence[float], *, key: str) -> list[float]:
    """Draw the pad; return its cells from 0 to 1, row by row.

    ``start`` is what it shows at first; another one needs another ``key``.
    """
    begin = list(start)
    found = _mount(
        key=key,
        data={"label": label, "wide": wide, "high": high, "values": begin, "soft": _SOFT},
        default={"pixels": begin},
        on_pixels_change=_changed,
    )
    return _whole(found.get("pixels"), wide * high, begin)


def _changed() -> None:
    """Be called when it is drawn on: the page is drawn again then."""


def _whole(values: object, count: int, begin: list[float]) -> list[float]:
    """Return what the browser told when it is a picture, else the one it began with."""
    if not isinstance(values, list) or len(values) != count:
        return begin
    if not all(isinstance(one, int | float) for one in values):
        return begin
    return [min(1.0, max(0.0, float(one))) for one in values]
