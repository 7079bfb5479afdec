// Moments, names and sizes as people read them.

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const weekday = new Intl.DateTimeFormat(undefined, { weekday: "short" });
const shortDate = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const longDate = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "long" });
const fullDate = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "long", year: "numeric" });
const exact = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const DAY_MS = 86_400_000;

export const dayOf = (seconds: number) => new Date(seconds * 1000).toDateString();
export const timeOf = (seconds: number) => clock.format(seconds * 1000);
export const exactTimeOf = (seconds: number) => exact.format(seconds * 1000);

export function dayTitle(seconds: number): string {
  const day = new Date(seconds * 1000);
  const now = new Date();
  if (day.toDateString() === now.toDateString()) return "Today";
  if (day.toDateString() === new Date(now.getTime() - DAY_MS).toDateString()) return "Yesterday";
  return (day.getFullYear() === now.getFullYear() ? longDate : fullDate).format(day);
}

export function listTime(seconds: number): string {
  const day = new Date(seconds * 1000);
  const age = Date.now() - day.getTime();
  if (day.toDateString() === new Date().toDateString()) return clock.format(day);
  return (age < 6 * DAY_MS && age >= 0 ? weekday : shortDate).format(day);
}

export function sizeOf(bytes: unknown): string {
  const count = Number(bytes);
  if (!Number.isFinite(count)) return "";
  if (count < 1024) return `${count} B`;
  if (count < 1024 ** 2) return `${(count / 1024).toFixed(1)} KB`;
  return `${(count / 1024 ** 2).toFixed(1)} MB`;
}

export function lengthOf(seconds: unknown): string {
  const all = Math.round(Number(seconds) || 0);
  return `${Math.floor(all / 60)}:${String(all % 60).padStart(2, "0")}`;
}

/** The first one or two letters of a name; never half of an emoji. */
export function initials(name: string): string {
  const words = name.trim().split(/\s+/).filter(Boolean);
  const first = Array.from(words[0] ?? "?")[0] ?? "?";
  const second = words.length > 1 ? (Array.from(words[1] ?? "")[0] ?? "") : "";
  return (first + second).toUpperCase();
}

/** Currencies whose smallest unit is the whole one; all others here have two decimals. */
const WHOLE = new Set(["XTR", "JPY", "KRW", "VND", "CLP", "ISK", "UGX", "PYG"]);

export function priceOf(amount: number, currency: string): string {
  if (currency === "XTR") return `${amount} ⭐`;
  const value = WHOLE.has(currency) ? amount : amount / 100;
  try {
    return new Intl.NumberFormat(undefined, { style: "currency", currency }).format(value);
  } catch {
    return `${value} ${currency}`;
  }
}

export const words = (name: string) => name.replaceAll("_", " ");
