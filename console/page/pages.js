// Every page of the console. One with a `nav` is in the navigation, in this order; a page is a
// module whose `Page` gets { segments, query }: the rest of its path and its query.

export const pages = [
  {
    path: "runs",
    load: ({ length }) => (length ? import("./run.js") : import("./runs.js")),
    nav: { title: "Runs", key: "r", count: (counts) => counts.runs },
  },
  {
    path: "workflows",
    load: ({ length }) => (length ? import("./workflow.js") : import("./workflows.js")),
    nav: { title: "Workflows", key: "w" },
  },
  {
    path: "architecture",
    load: () => import("./architecture.js"),
    nav: { title: "Architecture", key: "a" },
  },
];
