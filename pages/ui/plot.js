// Draws a plotly figure and, when it changes, updates it in place: no blink, no new chart.
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

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".plot")
  root.style.height = `${data.height}px`
  root.setAttribute("aria-label", data.alt)
  const figure = JSON.parse(data.figure)
  loadPlotly(data.plotly).then(
    Plotly => Plotly.react(root, figure.data, themed(figure.layout, root), { displayModeBar: false }),
    () => { root.textContent = data.alt },
  )
  if (!root.resizer) {
    root.resizer = new ResizeObserver(() => { if (root.data && root.isConnected) window.Plotly.Plots.resize(root) })
    root.resizer.observe(root)
  }
  return () => {
    root.resizer?.disconnect()
    window.Plotly?.purge(root)
  }
}
