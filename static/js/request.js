// Asks the site for something in the page's name. Without it writes would be refused as forged.
export function csrfToken() {
  return document.querySelector("meta[name=csrf-token]").content
}

/** The answer's JSON; throws an Error whose message can be shown. */
export async function ask(method, url, body) {
  const headers = { Accept: "application/json", "X-CSRF-Token": csrfToken() }
  if (body !== undefined) headers["Content-Type"] = "application/json"
  let response
  try {
    response = await fetch(url, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) })
  } catch {
    throw new Error("The site cannot be reached. Try again in a moment.")
  }
  const value = response.headers.get("Content-Type")?.includes("json") ? await response.json() : null
  if (!response.ok) throw Object.assign(new Error(value?.message ?? "That did not work. Try again."), { problem: value })
  return value
}
