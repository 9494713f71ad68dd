// The clock of an interview. The server says how many seconds were used when it drew the page, and whether it
// runs; between two such words it ticks here. A screen reader is not told of every second.
const face = seconds => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds) % 60).padStart(2, "0")}`

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".interview-clock")
  const since = performance.now()
  const draw = () => {
    const more = data.running ? (performance.now() - since) / 1000 : 0
    root.textContent = data.text.replace("{own}", face(data.own + more)).replace("{all}", face(data.all + more))
    root.classList.toggle("late", data.own + more > data.budget * 60)
  }
  draw()
  const ticker = setInterval(draw, 1000)
  return () => clearInterval(ticker)
}
