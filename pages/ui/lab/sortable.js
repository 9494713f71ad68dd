// Steps in a row, moved by dragging or with the arrow keys. A held step never leaves the document, or it would
// lose the pointer and the focus: it is the others that are moved around it.

class Sortable {
  constructor(root) {
    this.root = root
    this.list = root.querySelector("ol")
    this.list.addEventListener("pointerdown", e => this.hold(e))
    this.list.addEventListener("pointermove", e => this.drag(e))
    this.list.addEventListener("pointerup", () => this.drop())
    this.list.addEventListener("pointercancel", () => this.drop())
    this.list.addEventListener("keydown", e => this.press(e))
  }

  get items() {
    return [...this.list.children]
  }

  get order() {
    return this.items.map(item => item.dataset.step)
  }

  render({ words, steps }) {
    this.words = words
    this.root.querySelector(".label").textContent = words.label
    this.root.querySelector(".help").textContent = words.help
    if (this.held) return
    const known = new Map(this.items.map(item => [item.dataset.step, item]))
    const items = steps.map(([step, name, off]) => this.show(known.get(step) ?? this.make(step), name, off))
    if (items.some((item, place) => item !== this.list.children[place])) this.list.replaceChildren(...items)
  }

  make(step) {
    const item = document.createElement("li")
    item.dataset.step = step
    const button = item.appendChild(document.createElement("button"))
    button.type = "button"
    button.setAttribute("aria-describedby", "help")
    button.append(document.createElement("span"))
    return item
  }

  show(item, name, off) {
    item.dataset.name = name
    item.querySelector("span").textContent = off ? `${name} ${this.words.off}` : name
    item.classList.toggle("off", off)
    return item
  }

  hold(event) {
    const item = event.target.closest("li")
    if (!item || event.button !== 0) return
    this.held = item
    this.before = this.order
    item.classList.add("held")
    event.target.setPointerCapture(event.pointerId)
  }

  // The held step's place is behind all others that stand before the pointer, row by row.
  drag({ clientX: x, clientY: y }) {
    if (!this.held) return
    const place = this.items.filter(item => {
      if (item === this.held) return false
      const { left, right, top, bottom } = item.firstChild.getBoundingClientRect()
      return bottom < y || (top <= y && (left + right) / 2 < x)
    }).length
    this.move(this.held, place)
  }

  drop() {
    if (!this.held) return
    this.held.classList.remove("held")
    const moved = this.order.join() !== this.before.join()
    const item = this.held
    this.held = undefined
    if (moved) this.tell(item)
  }

  press(event) {
    const item = event.target.closest("li")
    const at = this.items.indexOf(item)
    const last = this.items.length - 1
    const to = { ArrowLeft: at - 1, ArrowUp: at - 1, ArrowRight: at + 1, ArrowDown: at + 1, Home: 0, End: last }[event.key]
    if (to === undefined) return
    event.preventDefault()
    if (to === at || to < 0 || to > last) return
    this.move(item, to)
    this.tell(item)
  }

  move(item, place) {
    for (let at = this.items.indexOf(item); at < place; at += 1) item.before(item.nextElementSibling)
    for (let at = this.items.indexOf(item); at > place; at -= 1) item.after(item.previousElementSibling)
  }

  tell(item) {
    const values = { step: item.dataset.name, place: this.items.indexOf(item) + 1, count: this.items.length }
    const said = this.words.place.replace(/\{(\w+)\}/g, (_, name) => values[name])
    this.root.querySelector(".said").textContent = said
    this.put("order", this.order)
  }
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".sortable")
  root.sortable ??= new Sortable(root)
  root.sortable.put = setTriggerValue
  root.sortable.render(data)
  return () => { root.sortable = undefined }
}
