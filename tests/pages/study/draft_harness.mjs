// Runs pages/ui/study/draft.js without a browser: a document, a storage and a clock as small as it needs.
// Reads scenarios, JSON, from standard input: each a storage and steps. Prints what was seen after each step.
import { readFileSync } from "node:fs"

const scenarios = JSON.parse(readFileSync(0, "utf8"))
const refuse = () => { throw new Error("site data are blocked") }
let clock, timers, elements // a name stands for one element of the document

class Element extends EventTarget {
  value = ""
  textContent = ""
  classList = { add() {} }
  querySelector(name) { return elements[name] ??= new Element() }
  setAttribute() {}
  focus() {}
}

globalThis.document = { hidden: false }
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
const words = { saving: "saving", waiting: "waiting", saved: "saved", empty: "empty", label: "", placeholder: "" }
const read = text => { try { return JSON.parse(text) } catch { return text } }

const play = ({ storage, blocked, steps }) => {
  const kept = new Map(Object.entries(storage))
  globalThis.window = new EventTarget()
  globalThis.localStorage = {
    getItem: blocked ? refuse : key => kept.get(key) ?? null,
    setItem: blocked ? refuse : (key, value) => kept.set(key, value),
    removeItem: blocked ? refuse : key => kept.delete(key),
  }
  clock = 0
  timers = []
  elements = {}
  const parentElement = new Element()
  const area = parentElement.querySelector("textarea")
  const offer = parentElement.querySelector(".offer")
  let sent = []
  const setStateValue = (_, value) => sent.push(value)
  const press = name => parentElement.querySelector(name).dispatchEvent(new Event("click"))
  const does = {
    draw: data => draw({ data: { storage: "s", words, ...data }, parentElement, setStateValue }),
    type: text => { area.value = text; area.dispatchEvent(new Event("input")) },
    pass,
    press,
  }
  return steps.map(([name, value]) => {
    sent = []
    does[name](value)
    return {
      text: area.value,
      state: parentElement.querySelector(".state").textContent,
      clock: parentElement.querySelector(".clock").textContent,
      offer: offer.hidden ? null : parentElement.querySelector(".held").textContent,
      sent,
      storage: Object.fromEntries([...kept].map(([key, value]) => [key, read(value)])),
    }
  })
}
console.log(JSON.stringify(scenarios.map(play)))
