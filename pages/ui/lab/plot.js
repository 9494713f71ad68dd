// Draws a plotly figure and, when it changes, updates it in place: no blink, no new chart.
// A plot is drawn when it comes near the screen, or the printer, so that a page with many of them opens at
// once. What has not changed is not drawn again.
// A figure with frames gets a button that plays them once and names each; nothing moves by itself.
// An upright line that has a name for it can be dragged: it follows the pointer, and where it is left is told.
// Colours of text and surfaces come from the theme; plotly itself from this server, once a visit.

let plotly

function loadPlotly(address) {
  plotly ??= new Promise((done, failed) => {
    const script = document.createElement("script")
    script.src = address
    script.onload = () => done(window.Plotly)
    script.onerror = failed
    document.head.append(script)
  })
  return plotly
}

function themed(layout, root) {
  const style = getComputedStyle(root)
  const theme = name => style.getPropertyValue(name).trim()
  return {
    ...layout,
    font: { ...layout.font, family: style.fontFamily, color: style.color },
    hoverlabel: {
      ...layout.hoverlabel, bgcolor: theme("--st-secondary-background-color"),
      bordercolor: theme("--st-border-color"), font: { ...layout.font, family: style.fontFamily, color: style.color },
    },
  }
}

// plotly reckons letters' black, white or grey from the colour behind them, and sees neither a pattern nor a
// transparent one.
function inked(data, root) {
  const { color } = getComputedStyle(root)
  return data.map(trace => {
    if (trace.type === "treemap") return { ...trace, textfont: { ...trace.textfont, color } }
    return trace.marker?.pattern ? { ...trace, insidetextfont: { color } } : trace
  })
}

// Letters grow with the page's own: the window of an interview is read from the back of a room.
function enlarged(part, by, name = "") {
  if (Array.isArray(part)) return part.map(each => enlarged(each, by))
  if (!part || typeof part !== "object") return part
  return Object.fromEntries(Object.entries(part).map(([key, value]) => [
    key, key === "size" && name.endsWith("font") && typeof value === "number" ? by * value : enlarged(value, by, key),
  ]))
}

const NARROW = 480, NAME_UNITS = 18, ROW_PIXELS = 34, UNIT_PIXELS = 6.5, AXIS_PIXELS = 60
const SMALL = { size: 12 }
const units = text => [...text].reduce((sum, sign) => sum + (sign > "\u2e7f" ? 2 : 1), 0)
const longest = name => Math.max(...name.split("<br>").map(units))

// A name in lines of at most so many letters, a Chinese character being two; markup stays as it is.
function folded(name, most = NAME_UNITS) {
  if (name.includes("<br>")) return name.split("<br>").map(line => folded(line, most)).join("<br>")
  if (name.includes("<")) return name
  const lines = [""]
  for (const word of name.match(/[\w.()=×%+/-]+[,:;]?|\s+|./gu) ?? []) {
    if (lines.at(-1).trim() && units(lines.at(-1) + word.trimEnd()) > most && !/^[，。；：、）]/.test(word)) lines.push("")
    lines[lines.length - 1] += word
  }
  return lines.map(line => line.trim()).join("<br>")
}

// On a phone the long names of rows would leave no room for what they name, and those of columns would stand
// on their heads.
function narrowed(figure, width, height) {
  if (width >= NARROW) return figure
  const { data, layout } = figure
  const yaxis = narrowedBeside(layout.yaxis, data, height), xaxis = narrowedBelow(layout.xaxis, data, width)
  return { ...figure, layout: { ...layout, ...yaxis && { yaxis }, ...xaxis && { xaxis } } }
}

// The values of an axis, and what stands at them if that is words.
function named(axis, data, letter) {
  const values = axis?.tickvals ?? [...new Set(data.flatMap(trace => trace[letter] ?? []))]
  const names = axis?.ticktext ?? values
  return names.length && names.every(name => typeof name === "string") ? [values, names] : [[], []]
}

function narrowedBeside(axis, data, height) {
  const [tickvals, names] = named(axis, data, "y")
  if (!names.some(name => units(name) > NAME_UNITS)) return
  const room = names.length * ROW_PIXELS < height - 110 // axis, title and legend take the rest
  return { ...axis, tickvals, ticktext: room ? names.map(name => folded(name)) : names, tickfont: SMALL }
}

function narrowedBelow(axis, data, width) {
  const [tickvals, names] = named(axis, data, "x")
  const most = (width - AXIS_PIXELS) / names.length / UNIT_PIXELS
  const ticktext = names.map(name => folded(name, most))
  if (names.every(name => longest(name) <= most) || ticktext.some(name => longest(name) > most)) return
  return { ...axis, tickvals, ticktext, tickfont: SMALL, tickangle: 0 }
}

// plotly ends a drawing a little later; where the plot was taken away meanwhile, nothing is left to end.
function whileThere(root, drawing) {
  return drawing.catch(error => { if (root._fullLayout) throw error })
}

const near = new IntersectionObserver(entries => {
  for (const { isIntersecting, target } of entries) if (isIntersecting) drawNow(target)
}, { rootMargin: "100%", scrollMargin: "100%" }) // one screen ahead; the page scrolls inside the window
const waiting = new Set()
addEventListener("beforeprint", () => waiting.forEach(drawNow))

function drawWhenNear(root, draw) {
  root.draw = draw
  if (root.data) return draw()
  waiting.add(root)
  near.observe(root)
}

function drawNow(root) {
  forget(root)
  root.draw()
}

function forget(root) {
  waiting.delete(root)
  near.unobserve(root)
}

function play(root, button, draw) {
  if (root.playing) return
  root.playing = true
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches
  const step = still ? 400 : 150
  root.on("plotly_animatingframe", frame => { button.textContent = frame.name })
  const options = {
    mode: "immediate", frame: { duration: step, redraw: false },
    transition: { duration: still ? 0 : step, easing: "linear" },
  }
  window.Plotly.animate(root, null, options).finally(() => {
    root.playing = false
    root.removeAllListeners?.("plotly_animatingframe")
    if (root.isConnected) draw()
  })
}

// Dragged anywhere in the plot, so that a finger need not hit the line.
class Drag {
  constructor(root) {
    this.root = root
    root.style.cursor = "ew-resize"
    root.style.touchAction = "pan-y"
    root.addEventListener("pointerdown", event => {
      if (event.button || !root._fullLayout) return
      root.setPointerCapture(event.pointerId)
      this.held = true
      this.move(event)
    })
    root.addEventListener("pointermove", event => { if (this.held) this.move(event) })
    root.addEventListener("pointerup", () => this.drop(true))
    root.addEventListener("pointercancel", () => this.drop(false))
  }

  move({ clientX }) {
    const { _offset, range, p2l } = this.root._fullLayout.xaxis
    const place = p2l(clientX - this.root.getBoundingClientRect().left - _offset)
    this.value = Math.round(100 * Math.min(Math.max(place, range[0]), range[1])) / 100
    const label = this.line.label.replace("{value}", this.value)
    window.Plotly.restyle(this.root, { x: [[this.value, this.value]], text: [["", label]] }, [this.line.trace])
  }

  drop(tell) {
    if (this.held && tell) this.put("dragged", this.value)
    this.held = false
  }
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".plot")
  root.style.height = `calc(${data.height} * var(--plot-pixel, 1px))`
  root.setAttribute("role", "img")
  root.setAttribute("aria-label", data.alt)
  const button = parentElement.querySelector(".plot-play")
  const letters = () => parseFloat(getComputedStyle(document.documentElement).fontSize) / 16
  const look = () => [data.figure, getComputedStyle(root).color, letters()].join()
  const draw = () => {
    root.looks = look()
    // Anew each time: plotly keeps what it was given, and moves it.
    const figure = enlarged(narrowed(JSON.parse(data.figure), root.clientWidth, data.height), letters())
    button.hidden = !figure.frames
    button.textContent = figure.layout.meta?.play ?? ""
    return whileThere(root, window.Plotly.react(root, {
      data: inked(figure.data, root), layout: themed(figure.layout, root), frames: figure.frames,
      config: { displayModeBar: false },
    })).then(() => {
      if (root.still) return
      root.still = true
      root.on?.("plotly_treemapclick", () => false) // a finger that scrolls would enlarge an area
    })
  }
  if (data.drag) {
    root.drag ??= new Drag(root)
    Object.assign(root.drag, { line: data.drag, put: setTriggerValue })
  }
  button.onclick = () => play(root, button, draw)
  loadPlotly(data.plotly).then(
    () => { if (root.looks !== look()) drawWhenNear(root, draw) },
    () => { root.textContent = data.alt },
  )
  if (!root.resizer) {
    root.resizer = new ResizeObserver(() => {
      if (root.data && root.isConnected) whileThere(root, window.Plotly.Plots.resize(root))
    })
    root.resizer.observe(root)
  }
  return () => {
    forget(root)
    root.resizer?.disconnect()
    window.Plotly?.purge(root)
  }
}
