// Brings the reader to a place of the page: the top of a new page, what an address or a link names after #,
// or what a step has opened. A place is an element's id or the key of one of our containers. A folded place is
// opened. What is not drawn yet is waited for; what never comes (a lab that is still locked) has its step's
// heading in its place.

const PATIENCE = 5000 // milliseconds; a page is drawn well within
const INSTEAD = ["lab", "predict", "answer"]

let page, count, waiting

const place = name => document.getElementById(name) ?? document.querySelector(`.st-key-${CSS.escape(name)}`)
const idle = () => document.querySelector("[data-testid=stApp]")?.dataset.testScriptState === "notRunning"

function show(target) {
  target.querySelector(":scope details:not([open]) > summary")?.closest("[class*=st-key-lab-],[class*=st-key-claim-]") === target
    && target.querySelector("details:not([open]) > summary").click()
  const heading = target.matches("h1, h2, h3") ? target : target.querySelector("h1, h2, h3, summary") ?? target
  if (heading.tabIndex < 0) heading.tabIndex = -1
  heading.focus({ preventScroll: true })
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches
  target.scrollIntoView({ block: "start", behavior: still ? "instant" : "smooth" })
}

function goTo(names) {
  waiting?.disconnect()
  const look = last => {
    const target = names.slice(0, last ? undefined : 1).map(place).find(Boolean)
    if (target) { waiting.disconnect(); clearTimeout(end); show(target) }
  }
  const end = setTimeout(() => { look(true); waiting.disconnect() }, PATIENCE)
  waiting = new MutationObserver(() => look(idle()))
  waiting.observe(document.body, { childList: true, subtree: true, attributes: true, attributeFilter: ["data-test-script-state"] })
  look(false)
}

const named = hash => decodeURIComponent(hash.slice(1))
const goToHash = hash => { if (hash.length > 1) goTo([named(hash), ...INSTEAD]) }

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
  document.querySelector("[data-testid=stMain]")?.scrollTo(0, 0)
  // A button that has gone with its page leaves the focus nowhere; the title is where the page begins.
  if (document.activeElement === document.body) goToTitle()
}

function goToTitle() {
  const wait = setInterval(() => {
    const title = document.querySelector("[data-testid=stMain] h1")
    if (!title || !idle()) return
    clearInterval(wait)
    if (document.activeElement !== document.body) return
    title.tabIndex = -1
    title.focus({ preventScroll: true })
  }, 50)
}

export default function ({ data }) {
  if (data.page !== undefined && data.page !== page) changePage(data.page)
  if (data.step && data.count !== count) { count = data.count; goTo([data.step]) }
}
