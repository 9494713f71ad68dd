// Brings the reader to a place of the page: the top of a new page, what an address or a link names after #, or
// what a step has opened; and keeps the focus there. A link of ours to another page goes there as the menu does,
// so that the session stays. A place is an element's id or the key of one of our containers. A folded place is
// opened. What is not drawn yet is waited for; what never comes (a lab that is still locked) has its step's
// heading in its place.

const PATIENCE = 20000 // milliseconds; a page is drawn well within, even the first of a busy server
const INSTEAD = ["lab", "predict", "answer"]

let page, count, waiting, ahead

const place = name => document.getElementById(name) ?? document.querySelector(`.st-key-${CSS.escape(name)}`)
const idle = () => document.querySelector("[data-testid=stApp]")?.dataset.testScriptState === "notRunning"

// The folds around a place, the outermost first, and its own, where it is a row to open.
function folds(target) {
  const found = target.matches("h1, h2, h3") ? [] : [target.querySelector("details")].filter(Boolean)
  for (let above = target.closest("details"); above; above = above.parentElement.closest("details")) found.unshift(above)
  return found.filter(fold => fold.contains(target) || !target.querySelector("h3"))
}

function show(target) {
  const heading = target.matches("h1, h2, h3") ? target : target.querySelector("h1, h2, h3, summary") ?? target
  if (heading.tabIndex < 0) heading.tabIndex = -1
  heading.focus({ preventScroll: true })
  target.scrollIntoView({ block: "start" })
}

function goTo(names) {
  waiting?.()
  const opened = new Set() // a fold opens a little after the click, and what is in it comes later still
  const look = () => {
    const whole = idle() && place("neighbours") // the last that a page draws
    const target = names.slice(0, whole ? undefined : 1).map(place).find(Boolean)
    if (!target || !idle()) return
    const folded = folds(target).filter(fold => !fold.open && !opened.has(fold))
    for (const fold of folded) { opened.add(fold); fold.querySelector("summary").click() }
    if (!folded.length) { waiting(); show(target) }
  }
  const watch = new MutationObserver(look)
  const end = setTimeout(() => waiting(), PATIENCE)
  waiting = () => { watch.disconnect(); clearTimeout(end) }
  watch.observe(document.body, { childList: true, subtree: true, attributes: true, attributeFilter: ["data-test-script-state"] })
  look()
}

const named = hash => decodeURIComponent(hash.slice(1))
const goToHash = hash => { if (hash.length > 1) goTo([named(hash), ...INSTEAD]) }

// Follows a link in a text to a page of the menu; the place on it is gone to once it is there.
function follow(event) {
  const link = event.composedPath().find(node => node instanceof HTMLAnchorElement)
  if (!link?.closest("[data-testid=stMarkdownContainer]") || link.closest("[data-testid=stPageLink]")) return
  if (event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return
  const menu = [...document.querySelectorAll("[data-testid=stSidebarNavLink]")]
  const same = menu.find(entry => entry.pathname === link.pathname && entry.origin === link.origin)
  if (!same || same === link || link.pathname === location.pathname) return
  event.preventDefault()
  event.stopPropagation()
  ahead = link.hash
  same.click()
}

// A browser that translates puts elements of its own in the place of our texts, and React then writes a new
// heading into what the page no longer shows. From such a page a link of the menu leads as in any page: anew.
function leaveTranslated(event) {
  const link = event.composedPath().find(node => node instanceof HTMLAnchorElement)
  if (link?.matches("[data-testid=stSidebarNavLink]") && document.querySelector("font > font")) event.stopPropagation()
}

addEventListener("click", leaveTranslated, { capture: true })
addEventListener("click", follow, { capture: true })
addEventListener("hashchange", () => goToHash(location.hash))
addEventListener("click", event => { // the same link a second time changes no address
  const link = event.composedPath().find(node => node instanceof HTMLAnchorElement)
  if (link?.getAttribute("href") === location.hash) goToHash(location.hash)
})

// Streamlit takes the # away when it writes the address, so it is read from how the document was opened.
function arrive() {
  const opened = performance.getEntriesByType("navigation")[0]?.name ?? location.href
  goToHash(location.hash || new URL(opened).hash)
}

function changePage(address) {
  const first = page === undefined
  page = address
  if (first) return arrive()
  const place = ahead
  ahead = undefined
  place ? goToHash(place) : goToTop()
}

// A button that has gone with its page leaves the focus nowhere; the title is where a page begins.
function goToTop() {
  document.querySelector("[data-testid=stMain]")?.scrollTo(0, 0)
  const wait = setInterval(() => {
    const title = document.querySelector("[data-testid=stMain] h1")
    if (!title || !idle()) return
    clearInterval(wait)
    if (document.activeElement !== document.body) return
    title.tabIndex = -1
    title.focus({ preventScroll: true })
  }, 50)
}

// What has the focus in a lab may be taken away: a button gives way to the bar of its run, a row with a new line
// is another row. The focus waits in the innermost box that is left, and goes to what comes under the old key.
let held

const keyOf = node => [...node.classList].find(name => name.startsWith("st-key-"))

function keysAround(target) {
  const keys = []
  for (let node = target; node; node = node.parentElement) if (keyOf(node)) keys.push(keyOf(node))
  return keys.slice(0, keys.findIndex(key => key.startsWith("st-key-lab-")) + 1)
}

function focusAgain() {
  if (!held || held.target.isConnected) return
  if (![document.body, held.box].includes(document.activeElement)) return
  const [own, ...around] = held.keys.map(key => document.querySelector(`.${CSS.escape(key)}`))
  const again = own?.querySelector(held.target.tagName)
  if (again) return again.focus({ preventScroll: true })
  const box = around.find(Boolean)
  if (!box || box === held.box) return
  held.box = box
  if (box.tabIndex < 0) box.tabIndex = -1
  box.focus({ preventScroll: true })
}

addEventListener("focusin", ({ target }) => {
  if (target === held?.box) return
  const keys = keysAround(target)
  held = keys.length ? { target, keys } : undefined
})
addEventListener("focusout", ({ target }) => queueMicrotask(() => {
  const left = target.isConnected && document.activeElement !== target
  if (left && [held?.target, held?.box].includes(target)) held = undefined
}))
new MutationObserver(focusAgain).observe(document.body, { childList: true, subtree: true })

export default function ({ data }) {
  if (data.page !== undefined && data.page !== page) changePage(data.page)
  if (data.step && data.count !== count) { count = data.count; data.step === "top" ? goToTop() : goTo([data.step]) }
}
