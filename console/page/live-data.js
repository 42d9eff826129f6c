// Data that is fetched again, a moment later, when something has happened.

import { onLive, useData } from "./api.js";
import { useEffect } from "./view.js";

/** Like useData; `after` milliseconds after the first change, the data is fetched again. */
export function useLiveData(key, query, { after = 1000, names = ["runs"] } = {}) {
  const found = useData(key, query);
  useEffect(() => {
    let timer = 0;
    const later = () => {
      timer ||= setTimeout(() => {
        timer = 0;
        found.reload();
      }, after);
    };
    const stops = [...names.map((name) => onLive(name, later)), onLive("resync", later)];
    return () => {
      clearTimeout(timer);
      stops.forEach((stop) => stop());
    };
  }, [found.reload]);
  return found;
}
