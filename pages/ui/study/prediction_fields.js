// Enter leads from one field to the next and at last to the button; it commits nothing. The line below a field is
// read out with it, also that its number is refused, and after a commit that was refused the focus is there.

let refusals = 0

export default function ({ data }) {
  const form = document.querySelector(`.st-key-${data.form}`)
  const listening = new AbortController()

  // Text fields, of each list of choices the chosen one or else the first, and the button at the end.
  function stops() {
    const inputs = [...form.querySelectorAll("input[type=text], input[type=radio]")]
    const groups = Map.groupBy(inputs, input => input.type === "radio" ? input.name : input)
    const fields = [...groups.values()].map(group => group.find(input => input.checked) ?? group[0])
    return [...fields, form.querySelector(`.st-key-${data.button} button`)]
  }

  function describe() {
    for (const [name, refused] of Object.entries(data.boxes)) {
      const box = form.querySelector(`.st-key-${name}`)
      const line = [...box?.querySelectorAll("[data-testid=stMarkdownContainer]") ?? []].at(-1)
      if (line) line.id = `${name}-line`
      for (const input of box?.querySelectorAll("input[type=text]") ?? []) {
        input.setAttribute("aria-describedby", `${name}-line`)
        input.setAttribute("aria-invalid", refused)
      }
    }
  }

  if (form) describe()
  if (form && data.refusals > refusals) (form.querySelector("[aria-invalid=true]") ?? stops()[0]).focus()
  refusals = data.refusals

  form?.addEventListener("keydown", event => {
    if (event.key !== "Enter" || event.isComposing || event.target.type !== "text") return
    const all = stops()
    event.preventDefault() // the key that moves to the button must not press it
    all[all.indexOf(event.target) + 1]?.focus()
  }, { signal: listening.signal })
  return () => listening.abort()
}
