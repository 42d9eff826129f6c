// Numbers for people.

/** 25000 → "25,000" */
export const grouped = (number) => String(number).replace(/\B(?=(\d{3})+$)/g, ",");

/** 1434 → "1.4 KiB" */
export function size(bytes) {
  const kib = bytes / 1024;
  return `${kib < 10 ? kib.toFixed(1) : Math.round(kib)} KiB`;
}

/** "412 bytes", "1.4 KiB", "23 MiB" */
export function fileSize(bytes) {
  if (bytes < 1024) return bytes === 1 ? "1 byte" : `${bytes} bytes`;
  const units = ["KiB", "MiB", "GiB", "TiB"];
  const power = Math.min(units.length, Math.floor(Math.log2(bytes) / 10));
  const number = bytes / 1024 ** power;
  return `${number < 10 ? number.toFixed(1) : Math.round(number)} ${units[power - 1]}`;
}
