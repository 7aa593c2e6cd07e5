// Lets the bar grow from where it stood, and never back. Without it the bar jumps from one place to the next.
const far = new Map()

export function attach(bar) {
  const now = Number(bar.value)
  const before = far.get(bar.id) ?? 0
  far.set(bar.id, Math.max(before, now))
  if (before >= now) return void (bar.value = before)
  bar.value = before
  requestAnimationFrame(() => requestAnimationFrame(() => { bar.value = now }))
}
