// Folds away what goes with a message where the screen is low, as above a phone's keyboard. Without it all stands there.
export function attach(button) {
  button.hidden = false
  button.addEventListener("click", () => {
    button.setAttribute("aria-expanded", String(button.getAttribute("aria-expanded") === "false"))
  })
}
