// Switches between light and dark and keeps the choice. Without it the system's choice stands.
const YEAR_S = 365 * 24 * 3600

export function attach(button) {
  const root = document.documentElement
  const isDark = () => (root.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark"
  button.hidden = false
  button.setAttribute("aria-pressed", String(isDark()))
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark"
    document.cookie = `theme=${root.dataset.theme}; path=/; max-age=${YEAR_S}; samesite=lax`
    button.setAttribute("aria-pressed", String(isDark()))
  })
}
