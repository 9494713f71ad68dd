// A text token by token, updated in place while it is written. Pointing at a token, moving to it with the
// arrow keys or tapping it opens a card: what else the model considered, each a way to write on from there.
// A token is [text, name, probability, filtered, rank, kept, by hand, alternatives], an alternative
// [id, name, probability, filtered, leads on, chosen].

const GRACE = 250 // milliseconds to get from a token to its card

const element = (tag, className, text = "") =>
  Object.assign(document.createElement(tag), { className, textContent: text })
const visible = name => name.replaceAll("\n", "⏎").replaceAll("\t", "⇥").replaceAll(" ", "␣")
const isControl = name => name.startsWith("<|")

function percent(share) {
  if (share < 0.0001) return "< 0.01%"
  return `${(100 * share).toFixed(share < 0.01 ? 2 : share < 0.1 ? 1 : 0)}%`
}

function fill(text, values) {
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name])
}

class Stream {
  constructor(root) {
    this.root = root
    this.text = root.querySelector(".text")
    this.text.replaceChildren() // what one that was stopped in the same place has left
    this.card = root.querySelector(".card")
    this.tokens = []
    this.nodes = []
    this.listen()
  }

  listen() {
    const { text, card } = this
    text.addEventListener("pointerover", e => this.point(e.target.closest(".token")))
    text.addEventListener("pointerout", () => this.closeSoon())
    text.addEventListener("focusin", e => this.open(e.target.closest(".token")))
    text.addEventListener("click", e => this.open(e.target.closest(".token")))
    text.addEventListener("keydown", e => this.move(e))
    card.addEventListener("pointerenter", () => clearTimeout(this.closing))
    card.addEventListener("pointerleave", () => this.closeSoon())
    card.addEventListener("keydown", e => this.choose(e))
    this.root.addEventListener("focusout", e => {
      if (e.relatedTarget && !this.root.contains(e.relatedTarget)) this.close()
    })
    this.outside = e => { if (!e.composedPath().includes(this.root)) this.close() }
    this.scrolled = () => { if (this.opened) this.place() }
    document.addEventListener("pointerdown", this.outside)
    window.addEventListener("scroll", this.scrolled, true)
  }

  stop() {
    document.removeEventListener("pointerdown", this.outside)
    window.removeEventListener("scroll", this.scrolled, true)
  }

  render(data) {
    this.words = data.words
    this.text.setAttribute("aria-label", data.words.label)
    this.hold(data.live)
    this.prompt ??= this.text.appendChild(element("span", "prompt"))
    if (this.prompt.textContent !== data.prompt) this.prompt.textContent = data.prompt
    this.draw(data.tokens)
    this.text.classList.toggle("caret", data.live)
  }

  // While a text is written again the page below stays where it is.
  hold(live) {
    if (live && !this.live) this.text.style.minHeight = `${this.text.offsetHeight}px`
    if (!live) this.text.style.minHeight = ""
    this.live = live
  }

  draw(tokens) {
    const keys = tokens.map(token => JSON.stringify(token))
    let same = 0
    while (same < keys.length && same < this.nodes.length && keys[same] === this.nodes[same].key) same += 1
    for (const node of this.nodes.splice(same)) {
      if (node === this.opened) this.close()
      node.remove()
    }
    this.tokens = tokens
    const count = keys.length - same
    for (let place = same; place < keys.length; place += 1) {
      const node = this.node(tokens[place])
      node.key = keys[place]
      if (this.live) node.style.setProperty("--delay", `${Math.round((GRACE * (place - same)) / count)}ms`)
      node.classList.toggle("new", this.live)
      this.nodes.push(node)
    }
    this.text.append(...this.nodes.slice(same))
    if (this.nodes.length && !this.nodes.some(node => node.tabIndex === 0)) this.nodes[0].tabIndex = 0
  }

  node([text, name, probability, , , , byHand]) {
    const node = element("span", byHand ? "token by-hand" : "token")
    node.setAttribute("role", "button")
    node.setAttribute("aria-haspopup", "dialog")
    node.setAttribute("aria-expanded", "false")
    node.setAttribute("aria-label", `${visible(name)} ${percent(probability)}`)
    node.tabIndex = -1
    // Space around a token stays outside its line, and the line does not break with the text.
    const [, before, core, after] = text.match(/^(\s*)([^]*?)(\s*)$/)
    const mark = element("span", "mark", core)
    mark.style.setProperty("--p", probability)
    if (!text) mark.dataset.shape = isControl(name) ? name : "·"
    else if (!core) mark.dataset.shape = before.includes("\n") ? "⏎" : "␣"
    node.append(...(core || !text ? [before, mark, after] : [mark, before]))
    return node
  }

  point(node) {
    clearTimeout(this.closing)
    if (node) this.open(node)
  }

  open(node) {
    clearTimeout(this.closing)
    if (!node || node === this.opened) return
    this.close()
    this.opened = node
    node.setAttribute("aria-expanded", "true")
    for (const other of this.nodes) other.tabIndex = other === node ? 0 : -1
    this.fillCard(this.nodes.indexOf(node))
    this.card.showPopover()
    this.place()
  }

  closeSoon() {
    clearTimeout(this.closing)
    this.closing = setTimeout(() => { if (!this.root.getRootNode().activeElement) this.close() }, GRACE)
  }

  close() {
    if (!this.opened) return
    this.opened.setAttribute("aria-expanded", "false")
    this.opened = undefined
    this.card.hidePopover()
  }

  // Below the token's first line, or above it where there is no room.
  place() {
    const token = this.opened.getClientRects()[0]
    const { offsetWidth: width, offsetHeight: height } = this.card
    const room = window.innerHeight - token.bottom
    const top = room > height + 8 || room > token.top ? token.bottom + 2 : token.top - height - 2
    const left = Math.min(Math.max(token.left - 8, 8), document.documentElement.clientWidth - width - 8)
    Object.assign(this.card.style, { top: `${top}px`, left: `${left}px` })
  }

  fillCard(place) {
    const { words, card } = this
    const [text, name, probability, filtered, rank, kept, byHand, alternatives] = this.tokens[place]
    card.setAttribute("aria-label", visible(name))
    const about = fill(byHand ? words.by_hand : words.about,
      { own: percent(probability), filtered: filtered ? percent(filtered) : words.cut, rank, kept })
    const head = element("div", "row head")
    head.append(...[words.token, words.own, words.filtered].map(word => element("span", "", word)))
    const rows = alternatives.map(alternative => this.row(place, alternative))
    card.replaceChildren(element("p", "", about), head, ...rows)
    if (!text && !isControl(name)) card.firstChild.append(` ${words.part}`)
    if (alternatives.some(alternative => alternative[4])) card.append(element("p", "hint", words.choose))
  }

  row(place, [id, name, probability, filtered, leadsOn, chosen]) {
    const row = element(leadsOn ? "button" : "div", `row${filtered ? "" : " cut"}${chosen ? " chosen" : ""}`)
    const own = element("span", "own", percent(probability))
    own.style.setProperty("--p", probability)
    const left = element("span", "", filtered ? percent(filtered) : this.words.cut)
    row.append(element("span", "name", visible(name)), own, left)
    if (leadsOn) {
      row.type = "button"
      row.addEventListener("click", () => { this.close(); this.put("branch", { place, id }) })
    }
    return row
  }

  move(event) {
    const at = this.nodes.indexOf(event.target)
    const last = this.nodes.length - 1
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: last }[event.key]
    if (to !== undefined) this.nodes[Math.min(Math.max(to, 0), last)]?.focus()
    else if (["Enter", " ", "ArrowDown"].includes(event.key)) this.card.querySelector("button")?.focus()
    else if (event.key === "Escape") this.close()
    else return
    event.preventDefault()
  }

  choose(event) {
    const rows = [...this.card.querySelectorAll("button")]
    const at = rows.indexOf(event.target)
    if (event.key === "ArrowDown" || event.key === "ArrowUp")
      rows[(at + (event.key === "ArrowDown" ? 1 : rows.length - 1)) % rows.length].focus()
    else if (event.key === "Escape") this.opened.focus()
    else return
    event.preventDefault()
  }
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".stream")
  root.stream ??= new Stream(root)
  root.stream.put = setTriggerValue
  root.stream.render(data)
  return () => { root.stream?.stop(); root.stream = undefined }
}
