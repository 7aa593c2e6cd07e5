// Brings into sight what somebody has opened. Without it they scroll.
export function attach(details) {
  details.addEventListener("toggle", () => {
    if (details.open) details.scrollIntoView({ block: "nearest" })
  })
}
