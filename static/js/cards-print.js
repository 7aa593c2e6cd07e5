// A button that prints. Without it the browser's own menu does.
export function attach(button) {
  button.hidden = false
  button.addEventListener("click", () => window.print())
}
