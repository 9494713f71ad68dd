// What the keys do, and the list that says so. A key does what a click would do on what is on the page; where
// that is not there, it does nothing. Nothing is done while somebody types, chooses from a list or reads a dialog.

const KEPT = "minimind.shortcuts"
const TYPING = "input:not([type=checkbox], [type=radio], [type=range]), textarea, select, [contenteditable], "
  + "[role=textbox], [role=combobox], [role=listbox], [role=menu], dialog, [role=dialog]"

const find = selector => document.querySelector(selector)
const neighbour = arrow => [...document.querySelectorAll(".st-key-neighbours button")].find(button => button.textContent.includes(arrow))
const firstLab = () => [...document.querySelectorAll("[class*=st-key-lab-]")].find(lab => lab.querySelector("h3"))

function focusField(place) {
  const inner = [...place?.querySelectorAll("*") ?? []].map(element => element.shadowRoot).find(Boolean)
  const field = (inner ?? place)?.querySelector("textarea, input")
  field?.focus()
  field?.scrollIntoView({ block: "nearest" })
}

const ACTIONS = {
  next_question: () => neighbour("→")?.click(),
  previous_question: () => neighbour("←")?.click(),
  step: () => find(".rail .current > a.step")?.click(),
  answer: () => focusField(find(".st-key-answer-field")),
  run: () => firstLab()?.querySelector("[class*=bench-run] button")?.click(),
  search: () => focusField(find(".st-key-search-large") ?? find(".st-key-search")),
  list: () => dialog.showModal(),
}

let dialog, names = {}

const off = () => {
  try { return localStorage.getItem(KEPT) === "off" } catch { return false } // a browser that keeps nothing
}
const turn = on => {
  try { on ? localStorage.removeItem(KEPT) : localStorage.setItem(KEPT, "off") } catch { /* until the next page */ }
}

function press(event) {
  if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing || event.repeat || event.defaultPrevented) return
  const action = ACTIONS[names[event.key]]
  const typing = event.composedPath().some(node => node instanceof Element && node.matches(TYPING))
  if (!action || typing || off() || find("[role=dialog], [role=listbox]") || dialog.open) return
  event.preventDefault()
  action()
}

addEventListener("keydown", press)

function row([key, , does]) {
  const line = document.createElement("tr")
  const head = document.createElement("th")
  head.scope = "row"
  head.append(Object.assign(document.createElement("kbd"), { textContent: key }))
  line.append(head, Object.assign(document.createElement("td"), { textContent: does }))
  return line
}

export default function ({ data, parentElement: root }) {
  const { keys, ...words } = data
  const [open, box] = [root.querySelector(".open"), root.querySelector("input")]
  dialog = root.querySelector("dialog")
  names = Object.fromEntries(keys)
  open.setAttribute("aria-label", words.title)
  open.title = words.title
  open.onclick = ACTIONS.list
  root.querySelector("h2").textContent = words.title
  root.querySelector("tbody").replaceChildren(...keys.map(row))
  root.querySelector(".note").textContent = words.note
  root.querySelector("label span").textContent = words.on
  root.querySelector(".close").textContent = words.close
  box.checked = !off()
  box.onchange = () => turn(box.checked)
}
