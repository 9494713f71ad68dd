// Runs pages/ui/study/draft.js without a browser: a document, a storage and a clock as small as it needs.
// Reads one scenario, JSON, from standard input: the storage, and steps; prints what was seen after each.
import { readFileSync } from "node:fs"

const { storage, blocked, steps } = JSON.parse(readFileSync(0, "utf8"))
const kept = new Map(Object.entries(storage ?? {}))
const refuse = () => { throw new Error("site data are blocked") }
let clock = 0
let timers = []

const elements = {} // each name stands for one element of the document

class Element extends EventTarget {
  value = ""
  textContent = ""
  classList = { add() {} }
  querySelector(name) { return elements[name] ??= new Element() }
  setAttribute() {}
  focus() {}
}

globalThis.window = new EventTarget()
globalThis.document = { hidden: false }
globalThis.localStorage = blocked
  ? { getItem: refuse, setItem: refuse, removeItem: refuse }
  : { getItem: key => kept.get(key) ?? null, setItem: (key, value) => kept.set(key, value), removeItem: key => kept.delete(key) }
Object.defineProperty(globalThis, "performance", { value: { now: () => clock } })
const start = (run, wait, again) => { const timer = { run, at: clock + wait, again }; timers.push(timer); return timer }
const end = timer => { timers = timers.filter(other => other !== timer) }
globalThis.setTimeout = (run, wait) => start(run, wait, 0)
globalThis.setInterval = (run, wait) => start(run, wait, wait)
globalThis.clearTimeout = globalThis.clearInterval = end

const pass = ms => {
  for (const until = clock + ms; ;) {
    const next = timers.filter(timer => timer.at <= until).sort((a, b) => a.at - b.at)[0]
    if (!next) { clock = until; return }
    clock = next.at
    if (next.again) next.at += next.again
    else end(next)
    next.run()
  }
}

const { default: draw } = await import(process.argv[2])
const parent = new Element()
const root = parent.querySelector(".draft")
const area = root.querySelector("textarea")
const offer = root.querySelector(".offer")
let sent = []
const words = { saving: "saving", waiting: "waiting", saved: "saved", empty: "empty", label: "", placeholder: "" }
const does = {
  draw: data => draw({ data: { storage: "s", words, ...data }, parentElement: parent, setStateValue: (_, value) => sent.push(value) }),
  type: text => { area.value = text; area.dispatchEvent(new Event("input")) },
  pass,
  use: () => offer.querySelector(".use").dispatchEvent(new Event("click")),
  drop: () => offer.querySelector(".drop").dispatchEvent(new Event("click")),
}
const seen = steps.map(([name, value]) => {
  sent = []
  does[name](value)
  return {
    text: area.value,
    state: root.querySelector(".state").textContent,
    clock: root.querySelector(".clock").textContent,
    offer: offer.hidden ? null : offer.querySelector(".held").textContent,
    sent,
    storage: Object.fromEntries([...kept].map(([key, value]) => { try { return [key, JSON.parse(value)] } catch { return [key, value] } })),
  }
})
console.log(JSON.stringify(seen))
