/** Elements made of plain values: text is always text, never markup. */

/** `h('button', {class: 'btn', onclick: f}, 'Go')`; children may be nested, null and false are left out. */
export function h(tag, given = {}, ...children) {
  const made = document.createElement(tag)
  for (const [name, value] of Object.entries(given)) {
    if (value === null || value === undefined || value === false) continue
    if (name.startsWith('on')) made.addEventListener(name.slice(2), value)
    else if (name === 'value') made.value = value
    else made.setAttribute(name, value === true ? '' : String(value))
  }
  made.append(...flat(children))
  return made
}

/** Give an element other children. */
export function fill(element, ...children) {
  element.replaceChildren(...flat(children))
  return element
}

/** Change the text only when it differs, so that a selection in it survives. */
export function say(element, text) {
  const wanted = text === null || text === undefined ? '' : String(text)
  if (element.textContent !== wanted) element.textContent = wanted
}

/** Change an attribute only when it differs. */
export function mark(element, name, value) {
  if (value === null || value === undefined || value === false) element.removeAttribute(name)
  else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, String(value))
}

/** Keeps one row per item: `make(item)` gives {element, show(item)}; focus in a row that stays survives. */
export function keyed(parent, keyOf, make) {
  const rows = new Map()
  return (items) => {
    const wanted = new Set(items.map(keyOf))
    for (const [key, row] of rows) {
      if (wanted.has(key)) continue
      row.element.remove()
      rows.delete(key)
    }
    items.forEach((item, place) => {
      const key = keyOf(item)
      let row = rows.get(key)
      if (!row) rows.set(key, (row = make(item)))
      row.show(item)
      if (parent.children[place] !== row.element) parent.insertBefore(row.element, parent.children[place] ?? null)
    })
  }
}

function flat(children) {
  return children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false)
}
