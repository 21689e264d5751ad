"""A small picture that is drawn, grey or in colour: with the pointer, or with the keys."""

from collections.abc import Sequence

import streamlit as st

_HTML = """
<div class="row">
  <div id="pad" tabindex="0" role="application"></div>
  <div class="tools">
    <div id="colours" role="group" aria-label="Colour"></div>
    <div id="widths" role="group" aria-label="Width"></div>
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
#colours, #widths { display: flex; flex-wrap: wrap; gap: 4px; max-width: 150px }
#colours:empty { display: none }
#colours button { width: 26px; height: 26px; padding: 0; border-radius: 50% }
#colours button[aria-pressed=true] { outline: 2px solid var(--st-primary-color);
  outline-offset: 1px }
#widths button { padding: 3px 8px }
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
  const deep = data.channels
  const held = pad.mlops || (pad.mlops = { values: [], x: 0, y: 0, down: false, ink: 0, width: 1 })
  if (held.values.length !== wide * high * deep) held.values = data.values.slice()
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
  const tone = value => Math.round(255 * Math.max(0, Math.min(1, value)))
  const paint = () => {
    for (let i = 0; i < wide * high; i++) {
      const of = k => tone(held.values[i * deep + (deep === 1 ? 0 : k)])
      pad.children[i].style.background = `rgb(${of(0)},${of(1)},${of(2)})`
      pad.children[i].className = i === held.y * wide + held.x ? 'here' : ''
    }
  }
  const pick = (parent, name, options, look) => {
    parent.replaceChildren(...options.map((option, i) => {
      const one = document.createElement('button')
      one.type = 'button'
      look(one, option)
      one.setAttribute('aria-pressed', String(held[name] === i))
      one.onclick = () => {
        held[name] = i
        mode.setAttribute('aria-pressed', 'false')
        for (const [j, other] of [...parent.children].entries())
          other.setAttribute('aria-pressed', String(i === j))
      }
      return one
    }))
  }
  pick(parentElement.querySelector('#colours'), 'ink', deep === 1 ? [] : data.colours,
    (one, [title, rgb]) => {
      one.title = title
      one.setAttribute('aria-label', title)
      one.style.background = `rgb(${rgb.map(tone).join(',')})`
    })
  pick(parentElement.querySelector('#widths'), 'width', wide > 6 ? data.widths : [],
    (one, title) => { one.textContent = title })
  const tell = () => setStateValue('pixels', held.values.slice())
  const erasing = () => mode.getAttribute('aria-pressed') === 'true'
  const set = (x, y, value) => {
    if (x < 0 || y < 0 || x >= wide || y >= high) return
    const i = (y * wide + x) * deep
    if (deep === 1) held.values[i] = value === 0 ? 0 : Math.max(held.values[i], value)
    else for (let k = 0; k < deep; k++) held.values[i + k] = value * data.colours[held.ink][1][k]
  }
  // Grey strokes have soft edges, as a pen's; in colour a soft edge would be another colour.
  const beside = [[1, 0], [-1, 0], [0, 1], [0, -1]], corners = [[1, 1], [1, -1], [-1, 1], [-1, -1]]
  const dab = (x, y, gone) => {
    const width = wide > 6 ? held.width : 0
    set(x, y, gone ? 0 : 1)
    for (const [a, b] of width === 0 ? [] : beside) {
      if (width === 2) set(x + a, y + b, gone ? 0 : 1)
      else if (!gone) set(x + a, y + b, deep === 1 ? data.soft : 1)
    }
    for (const [a, b] of width === 2 ? corners : [])
      if (gone || deep > 1) set(x + a, y + b, gone ? 0 : 1)
      else set(x + a, y + b, data.soft)
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
      const i = (held.y * wide + held.x) * deep
      const drawn = held.values.slice(i, i + deep).some(value => value > 0) ? 'drawn' : 'empty'
      said.textContent = `column ${held.x + 1}, row ${held.y + 1}, ${drawn}`
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
_WIDTHS = ("Fine", "Medium", "Broad")
COLOURS: tuple[tuple[str, tuple[float, float, float]], ...] = (
    ("White", (1.0, 1.0, 1.0)),
    ("Red", (0.9, 0.1, 0.1)),
    ("Orange", (1.0, 0.55, 0.0)),
    ("Yellow", (1.0, 0.9, 0.1)),
    ("Green", (0.1, 0.7, 0.2)),
    ("Blue", (0.1, 0.3, 0.9)),
    ("Purple", (0.6, 0.2, 0.8)),
    ("Brown", (0.5, 0.3, 0.1)),
    ("Grey", (0.5, 0.5, 0.5)),
)
"""Red, green and blue from 0 to 1; black is what is not drawn."""
_mount = st.components.v2.component("mlops-pad", html=_HTML, css=_CSS, js=_JS)


def draw(
    label: str, wide: int, high: int, start: Sequence[float], *, key: str, channels: int = 1
) -> list[float]:
    """Draw the pad; return its cells from 0 to 1, row by row, the channels of a cell together.

    ``start`` is what it shows at first; another one needs another ``key``. With three ``channels``
    it is drawn in colours.
    """
    begin = list(start)
    found = _mount(
        key=key,
        data={
            "label": label,
            "wide": wide,
            "high": high,
            "channels": channels,
            "values": begin,
            "soft": _SOFT,
            "widths": _WIDTHS,
            "colours": COLOURS,
        },
        default={"pixels": begin},
        on_pixels_change=_changed,
    )
    return _whole(found.get("pixels"), wide * high * channels, begin)


def _changed() -> None:
    """Be called when it is drawn on: the page is drawn again then."""


def _whole(values: object, count: int, begin: list[float]) -> list[float]:
    """Return what the browser told when it is a picture, else the one it began with."""
    if not isinstance(values, list) or len(values) != count:
        return begin
    if not all(isinstance(one, int | float) for one in values):
        return begin
    return [min(1.0, max(0.0, float(one))) for one in values]
