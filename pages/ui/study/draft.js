// The answer's text field. Each input goes to the browser's storage at once and to the server 400 ms after
// the last key; not while an input method composes. Revisions count up; the newer text wins, and the server
// keeps one that loses as a copy. `base` is the revision that the server is known to have; `dirty` says that
// the text here is ours to send, and not one that another window of this browser is sending.
// Also the clock: it ticks here, from the first key, while the page is visible.

const WAIT = 400
const RETRY = 3000
const now = () => performance.now()

class Draft {
  constructor(root, data) {
    this.root = root
    this.area = root.querySelector("textarea")
    this.state = root.querySelector(".state")
    this.button = root.querySelector(".clock")
    this.composing = false
    this.sent = 0
    this.tried = now()
    this.resends = 0
    this.openFirst(data)
    this.listen()
    this.ticker = setInterval(() => this.tick(), 1000)
  }

  openFirst(data) {
    this.storage = data.storage
    this.text = data.text
    this.revision = this.base = data.revision
    const local = this.load(this.storage)
    const unsent = local && local.base !== local.revision && local.text !== data.text
    this.dirty = Boolean(local && local.revision > data.revision)
    if (this.dirty) Object.assign(this, local)
    else if (unsent) this.stray = local
    this.area.value = this.text
  }

  listen() {
    const { area } = this
    area.addEventListener("input", () => this.typed())
    area.addEventListener("compositionstart", () => { this.composing = true })
    area.addEventListener("compositionend", () => { this.composing = false; this.typed() })
    area.addEventListener("blur", () => this.sync())
    // Single letters are Streamlit's shortcuts; from inside a component it takes typing for them.
    for (const event of ["keydown", "keypress", "keyup"])
      area.addEventListener(event, e => { if (!e.ctrlKey && !e.metaKey) e.stopPropagation() })
    this.button.addEventListener("click", () => { this.running = !this.running; this.last = now(); this.drawClock() })
    this.heard = e => { if (e.key === this.storage) this.follow() }
    this.leaving = () => this.sync()
    window.addEventListener("storage", this.heard)
    window.addEventListener("pagehide", this.leaving)
  }

  stop() {
    this.sync()
    clearInterval(this.ticker)
    clearTimeout(this.timer)
    window.removeEventListener("storage", this.heard)
    window.removeEventListener("pagehide", this.leaving)
  }

  typed() {
    if (this.area.value === this.text) return
    this.text = this.area.value
    this.revision += 1
    this.dirty = true
    this.tried = now()
    this.save()
    if (this.running === undefined) { this.running = true; this.last = now() }
    this.draw()
    this.later(WAIT)
  }

  later(wait) {
    clearTimeout(this.timer)
    this.timer = setTimeout(() => this.sync(), wait)
  }

  sync() {
    clearTimeout(this.timer)
    if (this.composing || !this.dirty || this.sent === this.revision) return
    this.sent = this.revision
    this.sentText = this.text
    this.tried = now()
    this.send(this)
  }

  // Whatever became of it: what the server does not have after a while is sent again.
  retry() {
    if (!this.dirty || now() - this.tried < RETRY) return
    this.sent = 0
    this.sync()
  }

  send({ text, revision, base }) {
    this.resends += 1
    this.put("draft", { text, revision, base, seconds: Math.round(this.seconds), nonce: this.resends })
  }

  // Another window of this browser has typed: show it, unless something here is not saved yet.
  follow() {
    const local = this.load(this.storage)
    if (local && local.revision > this.revision && !this.composing && !this.dirty) this.adopt(local)
  }

  adopt({ text, revision, base }) {
    Object.assign(this, { text, revision, base: base ?? revision, dirty: false })
    if (this.area.value !== text) this.area.value = text
    this.save()
    this.draw()
  }

  render(data) {
    this.words = data.words
    this.root.classList.add("ready")
    this.area.setAttribute("aria-label", data.words.label)
    this.area.placeholder = data.words.placeholder
    if (this.round !== data.round) this.beginRound(data)
    if (this.stray) { this.send(this.stray); this.stray = undefined }
    if (!this.composing && data.revision >= this.revision) {
      // Somebody was faster in another browser: what is ours goes to the server too, which keeps it as a copy.
      if (this.dirty && this.sent !== this.revision && data.text !== this.text) this.send(this)
      this.adopt({ text: data.text, revision: data.revision })
    } else if (data.revision === this.sent && data.text === this.sentText) this.base = data.revision
    if (!this.dirty) clearTimeout(this.timer)
    else if (this.sent !== this.revision) this.later(WAIT)
    this.draw()
  }

  draw() {
    const { saving, saved, empty } = this.words
    this.state.textContent = this.dirty ? saving : this.text ? saved : empty
    this.drawClock()
  }

  beginRound(data) {
    this.round = data.round
    const clock = this.load(`${this.storage}.clock`)
    this.seconds = Math.max(data.seconds, clock?.round === data.round ? clock.seconds : 0)
    this.running = undefined
  }

  tick() {
    this.retry()
    if (!this.running || document.hidden) { this.last = now(); return }
    this.seconds += (now() - this.last) / 1000
    this.last = now()
    this.keep(`${this.storage}.clock`, { round: this.round, seconds: this.seconds })
    this.drawClock()
  }

  drawClock() {
    const whole = Math.floor(this.seconds)
    const time = `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`
    this.button.textContent = `${this.running ? "❚❚" : "▶\uFE0E"} ${time} / ${this.words.minutes}`
    this.button.setAttribute("aria-label", `${this.running ? this.words.pause : this.words.start} ${time}`)
  }

  save() { this.keep(this.storage, { text: this.text, revision: this.revision, base: this.base }) }

  keep(key, value) {
    try { localStorage.setItem(key, JSON.stringify(value)) } catch { /* full or forbidden: the server has it */ }
  }

  load(key) {
    try {
      const value = JSON.parse(localStorage.getItem(key))
      return value && typeof value === "object" ? value : null
    } catch { return null }
  }
}

export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".draft")
  if (root.draft && root.draft.storage !== data.storage) { root.draft.stop(); root.draft = undefined }
  root.draft ??= new Draft(root, data)
  root.draft.put = setStateValue
  root.draft.render(data)
  return () => { root.draft?.stop(); root.draft = undefined }
}
