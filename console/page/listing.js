// A list on a page of its own: its rows, or why there are none.

import { Failure, Loading } from "./states.js";
import { Table } from "./table.js";
import { html } from "./view.js";

const HEIGHTS = [32, 56]; // of a row, on a wide and on a narrow screen

/**
 * what      what is listed, for sentences: "the runs"
 * rows      undefined or null while they load
 * children  shown if there are no rows
 * narrow    leave out the columns named `wide`: something is open beside the list
 * Everything else is the table's.
 */
export function Listing({ what, rows, error, reload, columns, narrow = false, children, ...table }) {
  // What AWS refuses is not shown from before: what one sees would be old, and stay so.
  if (error && (!rows || error.status === 403)) return html`<${Failure} error=${error} retry=${reload} what=${what} />`;
  if (!rows) return html`<${Loading} what=${what} />`;
  if (!rows.length) return children;
  const shown = narrow ? columns.filter(({ key }) => key !== "wide") : columns;
  return html`<${Table} columns=${shown} rows=${rows} rowKey=${({ id }) => id} heights=${HEIGHTS} ...${table} />`;
}
