// Numbers for people.

/** 25000 → "25,000" */
export const grouped = (number) => String(number).replace(/\B(?=(\d{3})+$)/g, ",");

/** 1434 → "1.4 KiB" */
export function size(bytes) {
  const kib = bytes / 1024;
  return `${kib < 10 ? kib.toFixed(1) : Math.round(kib)} KiB`;
}
