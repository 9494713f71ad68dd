// The answer's text field. Each input goes to the browser's storage at once and to the server 400 ms after
// the last key, at the latest a second after the first that it does not have; not while an input method
// composes. Revisions count up; the newer text wins, and the server keeps one that loses as a copy. `base` is the revision that the server is known to have; `dirty` says that
// the text here is ours to send, and not one that another window of this browser is sending.
// While the store cannot be read (`known` is false) the field shows what the browser holds, and asks again.
// `profile` marks the life of the data: where the store has begun anew since, what is being written here is
// sent to it, and what only lies in the browser is offered below the field; it never goes in unasked, as
// somebody may have deleted the data on purpose.
// Also the clock: it ticks here, from the first key, while the page is visible, until the answer is fixed
// (`over`: the reference is open). The step rail shows it too.
// In a mock interview (`exam`) it runs as soon as the question is shown, nobody can pause it, and it is sent
// by itself too, so that time without a word is counted: now and then, and on the way to a button.
// Where the page has a clock of its own (`timed` is false) there is none here.

const WAIT = 400
const MOST_WAIT = 1000
const RETRY = 3000
const LONG = 5000
const TELL = 15 // seconds
const LARGEST_REVISION = 2 ** 52 // as in study/store/sound.py
const MOST_SECONDS = 100 * 86400
const now = () => performance.now()
const countable = revision => revision <= LARGEST_REVISION ? revision : LARGEST_REVISION / 2
const clockFace = seconds => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds) % 60).padStart(2, "0")}`

class Draft {
  constructor(root, data) {
    this.root = root
    this.area = root.querySelector("textarea")
    this.state = root.querySelector(".state")
    this.button = root.querySelector(".clock")
    this.storage = data.storage
    this.composing = this.dirty = this.met = this.typedHere = false
    this.sent = this.seconds = this.resends = 0
    this.tried = now()
    const { text, revision, base, profile } = this.held(data) ?? { text: "", revision: 0, base: 0 }
    Object.assign(this, { text, revision, base, profile })
    this.area.value = text
    this.offer = this.load(`${this.storage}.offer`)?.text
    this.listen()
    this.ticker = setInterval(() => this.tick(), 1000)
  }

  listen() {
    const { area } = this
    const listening = this.listening = new AbortController()
    const on = (target, event, heard) => target.addEventListener(event, heard, { signal: listening.signal })
    on(area, "input", () => this.typed())
    on(area, "compositionstart", () => { this.composing = true })
    on(area, "compositionend", () => { this.composing = false; this.typed() })
    on(area, "blur", () => this.sync())
    // Single letters are Streamlit's shortcuts; from inside a component it takes typing for them.
    for (const event of ["keydown", "keypress", "keyup"])
      on(area, event, e => { if (!e.ctrlKey && !e.metaKey) e.stopPropagation() })
    on(this.button, "click", () => { this.running = !this.running; this.last = now(); this.drawClock() })
    on(this.root.querySelector(".use"), "click", () => this.takeOffer())
    on(this.root.querySelector(".drop"), "click", () => this.setOffer(undefined))
    on(window, "storage", e => { if (e.key === this.storage) this.follow() })
    on(window, "pagehide", () => this.sync())
    on(window, "pointerdown", e => this.leaving(e))
    on(window, "keydown", e => { if (e.key === "Enter" || e.key === " ") this.leaving(e) })
  }

  leaving(event) {
    if (event.target.closest?.("button, label, [role=radio]")) this.tell(1)
  }

  tell(least) {
    const seconds = Math.floor(this.seconds)
    if (!this.exam || seconds - (this.told ?? 0) < least) return
    this.told = seconds
    this.put("clock", seconds)
  }

  stop() {
    this.sync()
    clearInterval(this.ticker)
    clearTimeout(this.timer)
    this.listening.abort()
  }

  typed() {
    if (this.area.value === this.text) return
    this.text = this.area.value
    this.typedHere = true
    this.revision += 1
    this.startSending()
    if (this.running === undefined && !this.over) { this.running = true; this.last = now() }
    this.draw()
    this.later()
  }

  startSending() {
    if (!this.dirty) this.waitingSince = now()
    if (!this.dirty || this.sent === this.revision - 1) this.unsentSince = now()
    this.dirty = true
    this.tried = now()
    this.save()
  }

  later() {
    clearTimeout(this.timer)
    this.timer = setTimeout(() => this.sync(), Math.min(WAIT, this.unsentSince + MOST_WAIT - now()))
  }

  sync() {
    clearTimeout(this.timer)
    if (this.composing || !this.dirty || this.sent === this.revision) return
    this.sent = this.revision
    this.sentText = this.text
    this.tried = now()
    this.send(this)
  }

  // Whatever became of it: what the server does not have after a while is sent again, and what could not be
  // read is asked for again.
  retry() {
    if (now() - this.tried < RETRY) return
    if (this.dirty) { this.sent = 0; this.sync() }
    else if (this.away) { this.tried = now(); this.resends += 1; this.put("draft", { nonce: this.resends }) }
  }

  send({ text, revision, base }) {
    this.resends += 1
    this.put("draft", { text, revision, base, seconds: Math.round(this.seconds), nonce: this.resends })
  }

  // Another window of this browser has typed: show it, unless something here is not saved yet.
  follow() {
    const local = this.held()
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
    if (!this.away && !data.known) this.waitingSince = now()
    this.away = !data.known
    if (data.known) {
      this.compare(data)
      if (data.over && this.running !== undefined) this.stopClock()
      this.over = data.over
    }
    this.exam = data.exam
    this.button.hidden = data.timed === false
    if (this.exam && !this.running) { this.running = true; this.last = now() }
    this.draw()
  }

  compare(data) {
    if (this.round !== data.round) this.beginRound(data)
    const anew = this.profile && data.profile && this.profile !== data.profile
    this.profile = data.profile || this.profile
    if (anew) this.beginAnew(data)
    else if (!this.met && !this.typedHere) this.open(data)
    this.met = true
    if (!this.composing && data.revision >= this.revision) {
      // Somebody was faster in another browser: what is ours goes to the server too, which keeps it as a copy.
      // What was sent before may have been sent in vain; the same text twice is kept once.
      if (this.dirty && data.text !== this.text) this.send(this)
      this.adopt({ text: data.text, revision: data.revision })
    } else if (data.revision === this.sent && data.text === this.sentText) this.base = data.revision
    if (!this.dirty) clearTimeout(this.timer)
    else if (this.sent !== this.revision) this.later()
    if (this.offer && data.text.includes(this.offer)) this.setOffer(undefined)
  }

  // The first word of the store about a text that the browser has held: the newer one counts.
  open(data) {
    const { text, revision, base } = this
    if (revision > data.revision) this.startSending()
    else if (base !== revision && text !== data.text) this.send({ text, revision, base })
  }

  beginAnew(data) {
    if (this.text && this.text !== data.text) {
      if (this.met || this.typedHere) {
        this.revision = Math.max(this.revision, data.revision) + 1
        this.base = this.sent = 0
        this.startSending()
        return
      }
      this.setOffer(this.text)
    }
    this.adopt(data)
  }

  setOffer(text) {
    if (text && this.offer && !text.includes(this.offer)) text = this.offer.includes(text) ? this.offer : `${this.offer}\n\n${text}`
    this.offer = text
    this.keep(`${this.storage}.offer`, text && { text, profile: this.profile })
    this.draw()
  }

  takeOffer() {
    this.area.value = this.text ? `${this.text}\n\n${this.offer}` : this.offer
    this.typed()
    this.setOffer(undefined)
    this.area.focus()
  }

  draw() {
    if (!this.words) return
    const { saving, waiting, saved, empty, lead, use, drop } = this.words
    const open = this.dirty || this.away
    this.state.textContent = open ? (now() - this.waitingSince > LONG ? waiting : saving) : this.text ? saved : empty
    const box = this.root.querySelector(".offer")
    box.hidden = !this.offer
    const texts = { ".lead": lead, ".held": this.offer ?? "", ".use": use, ".drop": drop }
    for (const [part, text] of Object.entries(texts)) box.querySelector(part).textContent = text
    this.drawClock()
  }

  beginRound(data) {
    const clock = this.load(`${this.storage}.clock`)
    const kept = clock?.round === data.round ? Number(clock.seconds) || 0 : 0
    const here = this.round === undefined ? this.seconds : 0 // it may have begun while the store was away
    this.seconds = Math.min(Math.max(data.seconds, kept, here), MOST_SECONDS)
    if (this.round !== undefined) this.running = undefined
    this.round = data.round
  }

  tick() {
    this.retry()
    if (this.dirty || this.away) this.draw()
    if (!this.running || document.hidden) { this.last = now(); this.showInRail(); return }
    this.seconds += (now() - this.last) / 1000
    this.last = now()
    const { round, seconds, profile } = this
    if (round !== undefined) this.keep(`${this.storage}.clock`, { round, seconds, profile })
    this.drawClock()
    this.tell(TELL)
  }

  stopClock() {
    this.tick()
    this.running = undefined
    this.send(this) // with the time at which it stopped
  }

  drawClock() {
    const time = clockFace(this.seconds)
    if (this.exam) {
      const said = this.words.clock.replace("{own}", time).replace("{all}", clockFace(this.exam.before + this.seconds))
      this.button.disabled = true
      this.button.textContent = said
      this.button.setAttribute("aria-label", said)
      return
    }
    this.button.disabled = Boolean(this.over)
    this.button.textContent = `${this.over ? "■" : this.running ? "❚❚" : "▶\uFE0E"} ${time} / ${this.words.minutes}`
    const does = this.over ? this.words.over : this.running ? this.words.pause : this.words.start
    this.button.setAttribute("aria-label", `${does} ${time}`)
    this.showInRail()
  }

  // The server draws the rail anew with the time that it knows, which is that of the last word.
  showInRail() {
    const time = clockFace(this.seconds)
    if (this.exam) return
    for (const place of document.querySelectorAll?.(".rail-clock") ?? []) if (place.textContent !== time) place.textContent = time
  }

  save() {
    const { text, revision, base, profile } = this
    this.keep(this.storage, { text, revision, base, profile })
  }

  keep(key, value) {
    try {
      if (value) localStorage.setItem(key, JSON.stringify(value))
      else localStorage.removeItem(key)
    } catch { /* full or forbidden: the server has it */ }
  }

  // The text that the browser holds. Before version 2 it lay under a name made of the profile.
  held(data) {
    const kept = this.load(this.storage) ?? (data?.former && this.load(data.former))
    const counts = kept && [kept.revision, kept.base].every(n => Number.isSafeInteger(n) && n >= 0)
    if (!counts || typeof kept.text !== "string") return null
    return { ...kept, revision: countable(kept.revision), base: countable(kept.base) }
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
  const before = root.draft
  if (before && before.storage !== data.storage) { before.stop(); root.draft = undefined }
  root.draft ??= new Draft(root, data)
  root.draft.put = setStateValue
  // Typed before the store could say whose page this is: it is shown beside that person's own text.
  if (before && before !== root.draft && before.typedHere && !before.met) root.draft.setOffer(before.text)
  root.draft.render(data)
  return () => { root.draft?.stop(); root.draft = undefined }
}
