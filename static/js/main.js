// Gives elements their behaviour, those that come later too. Without it the pages work as plain forms.
import * as announce from "./announce.js"
import * as bases from "./bases.js"
import * as cards from "./cards.js"
import * as cardsMake from "./cards-make.js"
import * as cardsPrint from "./cards-print.js"
import * as cites from "./cites.js"
import * as composer from "./composer.js"
import * as copy from "./copy.js"
import * as copyAnswer from "./copy-answer.js"
import * as edit from "./edit.js"
import * as estimate from "./estimate.js"
import * as feedback from "./feedback.js"
import * as fold from "./fold.js"
import * as follow from "./follow.js"
import * as handed from "./handed.js"
import * as keep from "./keep.js"
import * as ladder from "./ladder.js"
import * as limit from "./limit.js"
import * as math from "./math.js"
import * as more from "./more.js"
import * as opens from "./opens.js"
import * as palette from "./palette.js"
import * as panel from "./panel.js"
import * as past from "./past.js"
import * as pastMenu from "./past-menu.js"
import * as queue from "./queue.js"
import * as reader from "./reader.js"
import * as reconnect from "./reconnect.js"
import * as reveal from "./reveal.js"
import * as share from "./share.js"
import * as shortcuts from "./shortcuts.js"
import * as storyProgress from "./story-progress.js"
import * as storyTitle from "./story-title.js"
import * as theme from "./theme.js"
import * as todoAgent from "./todo-agent.js"
import * as todos from "./todos.js"
import * as todosQuick from "./todos-quick.js"
import * as turns from "./turns.js"
import * as unread from "./unread.js"
import * as upload from "./upload.js"
import * as waiting from "./waiting.js"
import * as zone from "./zone.js"

// Imported by name, so that all are there before the page counts as loaded: Enter must not miss the composer.
const MODULES = new Map(Object.entries({
  announce, bases, cards, "cards-make": cardsMake, "cards-print": cardsPrint, cites, composer, copy,
  "copy-answer": copyAnswer, edit, estimate, feedback, fold, follow, handed, keep, ladder, limit, math, more, opens, palette, panel, past,
  "past-menu": pastMenu, queue, reader, reconnect, reveal, share, shortcuts, "story-progress": storyProgress, "story-title": storyTitle, theme, "todo-agent": todoAgent,
  todos, "todos-quick": todosQuick, turns, unread, upload, waiting, zone,
}))
const attached = new WeakMap()

function attachTo(element) {
  const done = attached.get(element) ?? new Set()
  attached.set(element, done)
  for (const name of element.dataset.behavior.split(/\s+/)) {
    if (!MODULES.has(name) || done.has(name)) continue
    done.add(name)
    MODULES.get(name).attach(element)
  }
}

function attachWithin(node) {
  if (!(node instanceof Element)) return
  if (node.matches("[data-behavior]")) attachTo(node)
  node.querySelectorAll("[data-behavior]").forEach(attachTo)
}

attachWithin(document.documentElement)
new MutationObserver((changes) => {
  for (const change of changes) change.addedNodes.forEach(attachWithin)
}).observe(document.body, { childList: true, subtree: true })
