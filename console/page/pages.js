// Every page of the console, and how to add one.
//
// path   the first part of the address below the base
// load   imports the page's module, given the parts of the address after `path`. Its `Page` gets
//        { segments, query }: these parts, decoded, and the query as an object
// nav    its place in the navigation, if it has one: title, key (pressed after "g"), count and hot,
//        which take the live counts of `summary`: the number beside the title, and whether it asks
//        for attention
//
// A stylesheet of a page's own is named in index.html.

export const pages = [
  {
    path: "runs",
    load: ({ length }) => (length ? import("./run.js") : import("./runs.js")),
    nav: { title: "Runs", key: "r", count: (counts) => counts.runs },
  },
  {
    path: "events",
    load: () => import("./events.js"),
    nav: { title: "Events", key: "e" },
  },
  {
    path: "waiting",
    load: () => import("./waiting.js"),
    nav: { title: "Waiting", key: "w", count: (counts) => counts.waiting ?? undefined, hot: (counts) => counts.waiting > 0 },
  },
  {
    path: "inbox",
    load: () => import("./inbox.js"),
    nav: { title: "Inbox", key: "i", count: (counts) => counts.mails ?? undefined },
  },
  {
    path: "dead-letters",
    load: () => import("./dead-letters.js"),
    nav: { title: "Dead letters", key: "d", count: (counts) => counts.deadLetters ?? undefined, hot: (counts) => counts.deadLetters > 0 },
  },
  {
    path: "workflows",
    load: ({ length }) => (length ? import("./workflow.js") : import("./workflows.js")),
    nav: { title: "Workflows", key: "m" },
  },
  {
    path: "architecture",
    load: () => import("./architecture.js"),
    nav: { title: "Architecture", key: "a" },
  },
  { path: "object", load: () => import("./object.js") },
  { path: "item", load: () => import("./item.js") },
];
