// Keeps a text that is too long for its field out of it, before the browser lays it out, and says so.

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".too-long")
  root.limit = data
  if (!root.watch) {
    root.watch = event => {
      const { field, most, sentence } = root.limit, box = event.target
      if (!box.closest?.(`.${field}`)) return
      const added = event.data ?? event.dataTransfer?.getData("text/plain") ?? ""
      const given = box.value.length - (box.selectionEnd - box.selectionStart) + added.length
      const long = added !== "" && given > most
      root.textContent = long ? sentence.replace("{given}", given.toLocaleString("en")) : ""
      if (long) event.preventDefault()
    }
    document.addEventListener("beforeinput", root.watch, true)
  }
  return () => {
    document.removeEventListener("beforeinput", root.watch, true)
    root.watch = undefined
  }
}
