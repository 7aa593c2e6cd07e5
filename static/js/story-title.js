// Gives a story's page the story's name when its first chapter has told it, or told another. Without it the name comes with the next page.
// What is read must not move: the heading keeps its height, and a longer name is cut on one line until the page is loaded again.
export function attach(heading) {
  const book = document.getElementById(heading.dataset.names)
  if (!book) return
  const watch = new MutationObserver(() => {
    const told = book.querySelector(".chapter__title")?.textContent.trim()
    if (!told || told === heading.textContent) return
    document.title = document.title.replace(heading.textContent, () => told)
    heading.style.blockSize = `${heading.getBoundingClientRect().height}px`
    heading.classList.add("book__title--told")
    heading.title = heading.textContent = told
  })
  watch.observe(book, { childList: true, subtree: true, characterData: true })
}
