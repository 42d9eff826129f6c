// Every page of the console. One with a `nav` is in the navigation, in this order; a page is a
// module whose `Page` gets { segments, query }: the rest of its path and its query.

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
];
